"""The joint model trained on a handful of pictures: what a folder gives back, and images that come back to it."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from pipeline.emotions import EMOTIONS
from pipeline.feedback.select import repeats, survivors
from pipeline.foundation.clip import load_clip
from pipeline.generation.folder import Foundation, load_foundation, model_hash
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.generation.space import Space, load_space
from pipeline.params import Params, UniemoFeedback, UniemoJoint
from pipeline.runtime import numpy_generator
from pipeline.training.latents import LatentCache, encode_pictures
from pipeline.training.loop import Trained, fit
from pipeline.training.rows import mixed_order, row_order
from pipeline.uniemo.attributes import bases_of
from pipeline.uniemo.chain import build_chain
from pipeline.uniemo.folder import Understanding
from pipeline.uniemo.generator import UniEmoGenerator
from pipeline.uniemo.joint import UniEmo
from pipeline.uniemo.joint_folder import build, load_joint, tables_of
from pipeline.uniemo.joint_training import (
    GENERATED,
    Gaussians,
    JointInputs,
    drawer,
    gaussians,
    inputs,
    leave,
    task,
    with_generated,
)
from pipeline.uniemo.pictures import ClipInput, cached_squares, mirror_map
from pipeline.uniemo.reader import EmotionReader
from pipeline.uniemo.understanding import inputs_of
from pipeline.work import WorkFolder

DEFAULTS = Params()
SETTINGS = DEFAULTS.uniemo_joint.model_copy(
    update={"steps": 2, "batch_size": 4, "sheet_steps": 2, "precision": "fp32", "warmup_steps": 0}
)
IMAGES = DEFAULTS.images.model_copy(update={"steps": 1})
NUM = 24


def table(num: int, name: str = "emoset") -> pa.Table:
    """Pictures of one colour, every emotion in turn; of six four in train, one in val, one in test."""
    colors = np.random.default_rng(len(name)).integers(0, 255, (num, 3), dtype=np.uint8)
    data = []
    for color in colors:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), tuple(color.tolist())).save(buffer, "PNG")
        data.append({"bytes": buffer.getvalue(), "path": ""})
    return pa.table({
        "image_id": [f"{name}/{index:05d}" for index in range(num)],
        "image": data,
        "emotion": [EMOTIONS[index % 8] for index in range(num)],
        "split": [("train", "val", "train")[index // 8] if index % 8 else "test" for index in range(num)],
        "scene": pa.array(["beach" if index % 2 else None for index in range(num)], pa.string()),
        "objects": pa.array([["dog", "cake"][: index % 3] for index in range(num)], pa.list_(pa.string())),
    })  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A joint model just trained, and the folder that it left."""

    model: UniEmo
    trained: Trained
    folder: Path
    foundation: Foundation
    metrics: dict[str, float]


def found_of(
    work: Path, foundation: Foundation, known: Understanding, generated: pa.Table | None = None
) -> JointInputs:
    """The pictures of `table`, and generated ones behind them."""
    corpus, vae, pieces = table(NUM), foundation.base.pipeline.vae, WorkFolder("toy", "a", work)
    shards = [corpus] if generated is None else [corpus, generated]
    squares = cached_squares(pieces, shards, 64)
    latents = LatentCache(pieces, (encode_pictures(vae, shard, 64, "crop", 8) for shard in shards), 16)
    pictures = inputs_of(corpus, squares[:NUM], known.bases, known.settings)
    if generated is not None:
        pictures = with_generated(pictures, generated, squares)
    return inputs(corpus, pictures, latents, generated)


def known_of(clip: Path) -> Understanding:
    loaded = load_clip(clip)
    settings = DEFAULTS.uniemo_understanding
    chain = build_chain(loaded.model.visual, settings, torch.Generator().manual_seed(0))
    corpus = table(NUM)
    return Understanding(chain, bases_of(corpus, loaded), 1.0, settings)


def correlation() -> pa.Table:
    return pa.table({
        "attribute": ["object/cake", "object/dog", "scene/beach"],
        "coefficient": np.random.default_rng(0).random((3, 8)).tolist(),
    })  # fmt: skip


def log_probabilities() -> pa.Table:
    """As Eq. 5 is written: means of logarithms, all below zero."""
    table = correlation()
    rows = [np.log(row).tolist() for row in table["coefficient"].to_pylist()]
    return table.set_column(1, "coefficient", pa.array(rows, pa.list_(pa.float64())))


def train(models: Path, work: Path, settings: UniemoJoint = SETTINGS, coefficients: pa.Table | None = None) -> Made:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    known, draws = known_of(models / "foundation/clip"), torch.Generator().manual_seed(0)
    tables = tables_of(coefficients or correlation(), known, settings, draws)
    model = build(known, foundation, tables, settings, draws)
    found = found_of(work, foundation, known)
    order = row_order(found.emotions, settings.sampler, numpy_generator(0))
    spaces = Gaussians(model, found.pictures)
    trained = fit(task("uniemo_joint", model, found, IMAGES, order, spaces), 0, work, "test")
    folder = work / "models/uniemo_joint"
    return Made(model, trained, folder, foundation, leave(folder, model, trained, found, known, foundation, spaces))


@pytest.fixture(scope="module")
def made(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return train(models, tmp_path_factory.mktemp("joint"))


def test_the_understanding_and_what_is_beside_it_are_trained_and_nothing_else(made: Made) -> None:
    parts = {name.split(".")[0] for name in made.trained.weights}
    assert parts == {"learner", "fusion", "condition"}
    assert [path.name for path in made.trained.sheets] == ["step-000002.png"]
    assert made.metrics["num_generated"] == 0
    assert {
        "accuracy",
        "loss_ldm",
        "loss_cond",
        "cond_active",
        "condition_cosine",
        "gradient_cond_at_c",
    } <= made.metrics.keys()


def test_two_trainings_leave_equal_bytes(models: Path, made: Made, tmp_path: Path) -> None:
    other = train(models, tmp_path)
    files = sorted(path.relative_to(made.folder) for path in made.folder.rglob("*") if path.is_file())
    assert [path.as_posix() for path in files] == [
        "coefficients.safetensors", "meta.json", "space.safetensors", "understanding/attributes.safetensors",
        "understanding/meta.json", "understanding/weights.safetensors", "weights.safetensors",
    ]  # fmt: skip
    assert all((made.folder / file).read_bytes() == (other.folder / file).read_bytes() for file in files)
    before = model_hash(other.folder)
    (other.folder / "understanding/meta.json").write_text("{}")
    assert model_hash(other.folder) != before


def test_a_folder_samples_and_reads_as_the_trained_model_does(models: Path, made: Made) -> None:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    requests = [request("awe", 1), request({"fear": 0.5, "awe": 0.5}, 2, "{S} street")]
    ours = UniEmoGenerator(made.model, load_space(made.folder), "diagonal")
    loaded = load_generator(made.folder, foundation)
    with torch.inference_mode():
        assert torch.equal(loaded.condition(requests).states, ours.condition(requests).states)
    reader = EmotionReader.from_pretrained(made.folder, models / "foundation/clip", "cpu")
    square = np.asarray(Image.new("RGB", (64, 64), (200, 30, 30)))
    with torch.inference_mode():
        chain = made.model.learner.chain
        wanted = chain(ClipInput(chain.backbone)(torch.from_numpy(square.copy())[None])).logits
    said = reader(Image.fromarray(square)).emotions
    assert list(said.values()) == pytest.approx(
        (wanted / reader.understanding.temperature).softmax(1)[0].tolist(), abs=1e-5
    )


TABLE_V = {
    "Cls + Patch": {"parts": "class_patch", "condition_weight": 0.0},
    "Cls + Obj + Scene + Patch": {"parts": "class_scene_object_patch", "coefficients": "one", "condition_weight": 0.0},
    "Cls + Obj* + Scene* + L_ce": {"condition_loss": "cross_entropy", "condition_weight": 0.3},
    "Eq. 6 as written": {"norms": False},
}


@pytest.mark.parametrize("row", TABLE_V)
def test_a_row_of_table_v_trains_and_its_folder_samples_as_the_trained_model(
    row: str, models: Path, tmp_path: Path
) -> None:
    made = train(models, tmp_path, SETTINGS.model_copy(update=TABLE_V[row]))
    space, requests = load_space(made.folder), [request("awe", 1), request("fear", 2)]
    assert {name.partition("/")[0] for name in space.tensors} == set(made.model.fusion.parts)
    assert all(np.isfinite(value) for value in made.metrics.values())
    ours = UniEmoGenerator(made.model, space, "diagonal")
    loaded = load_generator(made.folder, made.foundation)
    with torch.inference_mode():
        states = loaded.condition(requests).states
        assert torch.equal(states, ours.condition(requests).states)
    assert states.isfinite().all()
    assert not torch.allclose(states[0], states[1])


def test_log_probabilities_of_eq_5_weigh_the_parts_in_training_and_in_sampling(models: Path, tmp_path: Path) -> None:
    made = train(models, tmp_path, coefficients=log_probabilities())
    assert all(np.isfinite(value) for value in made.metrics.values())
    assert all((table < 0).all() for table in made.model.fusion.tables.values())
    loaded = load_generator(made.folder, made.foundation)
    assert isinstance(loaded, UniEmoGenerator)
    wanted = torch.tensor(log_probabilities()["coefficient"].to_pylist()[2])
    assert torch.allclose(loaded.model.fusion.tables["scene"], wanted.float())
    with torch.inference_mode():
        found = loaded.embeddings([request("awe", 1)])
        for kind, table in loaded.model.fusion.tables.items():
            getattr(loaded.model.fusion, f"{kind}_table").copy_(table.exp())
        assert not torch.allclose(found, loaded.embeddings([request("awe", 1)]))
    assert found.isfinite().all()


def test_real_parts_are_of_one_val_picture(made: Made) -> None:
    space = load_space(made.folder)
    rows = {name: tensor for name, tensor in space.tensors.items() if name.endswith("/awe/real")}
    marked = {name: torch.arange(9.0)[:, None].expand(9, tensor.shape[1]) for name, tensor in rows.items()}
    generator = UniEmoGenerator(made.model, Space({**space.tensors, **marked}), "real")
    for seed in range(5):
        drawn = {float(generator._drawn(part, request("awe", seed), 1)[0]) for part in made.model.fusion.parts}
        assert len(drawn) == 1


def test_a_batch_shows_chain_and_autoencoder_the_same_side(made: Made, models: Path, tmp_path: Path) -> None:
    found = found_of(tmp_path, made.foundation, known_of(models / "foundation/clip"))
    batch = drawer(found, made.model)(torch.arange(8), torch.Generator().manual_seed(0))
    mirrored = batch["crops"][:, 0, 0] < 0
    assert 0 < mirrored.sum() < 8
    values = torch.from_numpy(found.latents.values[found.latent_rows[:8].numpy()].astype(np.float32))
    means = torch.where(mirrored[:, None, None, None], values[:, 2], values[:, 0])
    spread = torch.where(mirrored[:, None, None, None], values[:, 3], values[:, 1]).mul(0.5).exp()
    assert ((batch["latents"] - means) / spread).std() == pytest.approx(1.0, abs=0.1)


def test_a_mirror_map_turns_whole_squares_and_nothing_else() -> None:
    squares = torch.randint(0, 255, (2, 8, 8, 3), dtype=torch.uint8)
    grid = torch.nn.functional.affine_grid(mirror_map(torch.tensor([True, False])), [2, 3, 8, 8], align_corners=False)
    seen = torch.nn.functional.grid_sample(squares.permute(0, 3, 1, 2).float(), grid, align_corners=False)
    assert torch.allclose(seen[0], squares[0].flip(1).permute(2, 0, 1).float(), atol=1e-3)
    assert torch.allclose(seen[1], squares[1].permute(2, 0, 1).float(), atol=1e-3)


def test_generated_images_are_trained_on_without_attributes_and_stay_out_of_the_gaussians(
    models: Path, made: Made, tmp_path: Path
) -> None:
    model, known = load_joint(made.folder, made.foundation, UniemoFeedback(steps=2, rate_share=0.5, generated_frac=0.5))
    assert model.settings.learning_rate == SETTINGS.learning_rate / 2
    back = table(5, "uniemo_joint/awe").drop_columns(["split", "scene", "objects"])
    found = found_of(tmp_path, made.foundation, known, back)
    assert (found.num_generated, found.num_real) == (5, 14)
    assert (found.pictures.splits[-5:] == GENERATED).all()
    batch = drawer(found, model)(torch.arange(14, 19), torch.Generator().manual_seed(0))
    assert batch["emotions"].tolist() == [0, 1, 2, 3, 4]
    assert not batch["scene_positives"].any()
    assert not batch["object_positives"].any()
    alone = found_of(tmp_path / "alone", made.foundation, known)
    with_them, without = (gaussians(model, each.pictures).tensors for each in (found, alone))
    assert all(torch.equal(with_them[name], without[name]) for name in without)
    order = mixed_order(found.emotions[: found.num_real], "oversample", 5, 0.5)
    spaces = Gaussians(model, found.pictures)
    fitted = fit(task("uniemo_feedback", model, found, IMAGES, order, spaces), 0, tmp_path, "f")
    told = leave(tmp_path / "model", model, fitted, found, known, made.foundation, spaces)
    assert told["num_generated"] == 5


def test_with_all_splits_every_real_image_is_trained_on_and_in_the_gaussians_and_no_generated_one(
    models: Path, made: Made, tmp_path: Path
) -> None:
    model, known = load_joint(made.folder, made.foundation)
    back = table(5, "uniemo_joint/awe").drop_columns(["split", "scene", "objects"])
    found = found_of(tmp_path, made.foundation, known, back)
    whole = inputs(table(NUM), found.pictures, AnyLatents(), back, splits="all")
    assert (whole.num_real, found.num_real, whole.num_generated) == (NUM, 14, 5)
    assert whole.trained.tolist() == list(range(NUM + 5))
    of_train = gaussians(model, found.pictures).tensors
    model.settings = model.settings.model_copy(update={"training_splits": "all"})
    of_all = gaussians(model, found.pictures).tensors
    assert sum(not torch.equal(of_all[name], of_train[name]) for name in of_train if name.endswith("mean")) > 0


class AnyLatents:
    """Stands for a cache that has the latents of every image."""

    image_ids = (*table(NUM)["image_id"].to_pylist(), *table(5, "uniemo_joint/awe")["image_id"].to_pylist())


def test_gaussians_are_fitted_anew_for_other_weights_alone(made: Made, tmp_path: Path) -> None:
    model, known = load_joint(made.folder, made.foundation)
    spaces = Gaussians(model, found_of(tmp_path, made.foundation, known).pictures)
    first = spaces()
    assert spaces() is first
    with torch.no_grad():
        next(model.learner.parameters()).add_(0.0)
    assert spaces() is not first


def test_survivors_are_the_kept_rows_of_every_shard_and_repeats_are_told() -> None:
    shards = [table(4, "uniemo_joint/awe").slice(0, 2), table(4, "uniemo_joint/awe").slice(2)]
    selected = pa.table({"image_id": shards[0]["image_id"].to_pylist() + shards[1]["image_id"].to_pylist(),
                         "kept": [False, True, False, False]})  # fmt: skip
    assert [rows["image_id"].to_pylist() for rows in survivors(shards, selected)] == [["uniemo_joint/awe/00001"], []]
    assert repeats(1000, 0.2, 50, 400) == {"repeats_real": 2.0, "repeats_generated": 4.0}
    assert repeats(1000, 0.0, 0, 400) == {"repeats_real": 2.5}
