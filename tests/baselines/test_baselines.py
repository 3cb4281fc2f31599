"""Each baseline on a handful of pictures: what is trained, and that its folder gives back the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.baselines import emogen
from pipeline.baselines.generators import PART
from pipeline.baselines.model import Baseline, DreamBoothModel, EmoGenModel, TextualInversionModel
from pipeline.baselines.training import Inputs, summary, task
from pipeline.emotions import EMOTIONS
from pipeline.generation.folder import Foundation, load_foundation, save_generator
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.generation.space import Space, fit_space
from pipeline.judges.head import EmotionHead
from pipeline.params import Params
from pipeline.runtime import numpy_generator
from pipeline.training.loop import Trained, fit

DEFAULTS = Params()
QUICK: dict[str, Any] = {"steps": 2, "batch_size": 4, "precision": "fp32", "warmup_steps": 0}
KINDS = ("textual_inversion", "dreambooth", "emogen")


class Latents:
    """Stands for the cache: random latents by row."""

    def draw(self, rows: torch.Tensor, mirrored: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(len(rows), 16, 8, 8, generator=generator)


FOUND = Inputs(np.arange(16) % 8, torch.arange(16), Latents())
POINTS = np.random.default_rng(0).standard_normal((16, 6)).astype(np.float32)
SPACE = fit_space({PART: (POINTS, FOUND.emotions, POINTS[:0], FOUND.emotions[:0])})
OWNED = np.eye(3, dtype=bool)[np.arange(16) % 3]
OWNED[::4] = False


def model_of(kind: str, foundation: Foundation, **changes: Any) -> Baseline:
    settings = getattr(DEFAULTS, kind).model_copy(update=QUICK | changes)
    base, draws = foundation.base, torch.Generator().manual_seed(0)
    if kind == "textual_inversion":
        return TextualInversionModel(base, settings)
    if kind == "dreambooth":
        return DreamBoothModel(base, settings, draws)
    known = torch.nn.functional.normalize(torch.randn(3, base.encoder.joint_width, generator=draws), dim=1)
    return EmoGenModel(base, settings, 6, known, torch.rand(3, 8, generator=draws), draws)


def fresh(models: Path) -> Foundation:
    return load_foundation(models / "foundation/diffusion", models / "foundation/clip")


def train(kind: str, foundation: Foundation, work: Path) -> tuple[Baseline, Trained]:
    settings = getattr(DEFAULTS, kind).model_copy(update=QUICK)
    model = model_of(kind, foundation)
    attributes = emogen.Attributes(torch.empty(0), torch.empty(0), OWNED)
    more = emogen.more_of(POINTS, attributes) if kind == "emogen" else None
    return model, fit(task(kind, model, FOUND, settings, numpy_generator(0), more), 0, work, "test")


@pytest.mark.parametrize(("kind", "parts"), [
    ("textual_inversion", {"words"}), ("dreambooth", {"unet"}), ("emogen", {"mapper", "gain"}),
])  # fmt: skip
def test_what_a_baseline_learns_is_trained_saved_and_sampled_and_all_else_is_frozen(
    models: Path, tmp_path: Path, kind: str, parts: set[str]
) -> None:
    foundation = fresh(models)
    before = {name: p.detach().clone() for name, p in foundation.base.pipeline.unet.named_parameters()}
    trained = train(kind, foundation, tmp_path / "work")[1]
    assert {name.split(".")[0] for name in trained.weights} == parts
    assert all("lora_" in name for name in trained.weights if name.startswith("unet."))
    after = {name.replace(".base_layer", ""): p for name, p in foundation.base.pipeline.unet.named_parameters()}
    assert all(torch.equal(after[name], p) for name, p in before.items())
    assert summary(trained, FOUND)["num_parameters"] == sum(t.numel() for t in trained.weights.values())

    space: Space | None = SPACE if kind == "emogen" else None
    params = getattr(DEFAULTS, kind).model_dump(mode="json")
    save_generator(tmp_path / kind, kind, params, foundation.digest, trained.weights, space)
    again = fresh(models)
    loaded = load_generator(tmp_path / kind, again)
    requests = [request("awe", 1), request({"fear": 0.5, "awe": 0.5}, 2, "{S} street")]
    latents, steps = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500])
    with torch.inference_mode(), loaded.applied(requests):
        made = again.base.pipeline.unet(latents, steps, loaded.condition(requests).states).sample
    assert made.shape == latents.shape
    state = dict(loaded.model.named_parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in trained.weights.items())


@pytest.mark.parametrize("kind", KINDS)
def test_two_trainings_are_equal(models: Path, tmp_path: Path, kind: str) -> None:
    one, other = (train(kind, fresh(models), tmp_path / name)[1].weights for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_word_begins_as_the_one_that_is_named(models: Path) -> None:
    foundation = fresh(models)
    model = model_of("textual_inversion", foundation)
    image = foundation.base.encoder.embedding_of("image")
    assert torch.equal(model.embeddings(torch.eye(8)), image.repeat(8, 1))
    with pytest.raises(ValueError, match=r"first_word = 'image of' has 2 tokens"):
        model_of("textual_inversion", foundation, first_word="image of")


def test_emogens_loss_is_weighed_by_the_coefficient_of_the_pictures_attribute(models: Path) -> None:
    model = model_of("emogen", fresh(models), attribute_weight=0.5)
    batch = {
        "latents": torch.randn(4, 16, 8, 8), "noise": torch.randn(4, 16, 8, 8), "steps": torch.arange(4) * 200,
        "dropped": torch.zeros(4, dtype=torch.bool), "emotions": torch.eye(8)[:4], "points": torch.randn(4, 6),
        "attribute": torch.tensor([-1, 0, 1, 2]),
    }  # fmt: skip
    with torch.no_grad():
        losses = model(batch)
        one = torch.zeros(4, dtype=torch.long)
        condition = model.condition(one, model.embeddings(batch["points"]))
        errors = model.errors(batch, condition)
    weight = torch.stack([torch.zeros(()), *(model.coefficients[index, index + 1] for index in range(3))])
    cosines = condition.joint @ model.attributes.T
    attr = weight[1:] * -cosines[1:].log_softmax(1).diagonal()
    assert torch.allclose(losses["ldm"], ((1 - weight) * errors).mean(), atol=1e-6)
    assert torch.allclose(losses["attr"], attr.sum() / 4, atol=1e-5)
    assert torch.allclose(losses["total"], losses["ldm"] + 0.5 * losses["attr"])


def test_emogens_emotion_loss_is_the_classifiers_cross_entropy_and_trains_nothing_of_it(models: Path) -> None:
    torch.manual_seed(0)  # a head whose hidden units are all off would give no gradient
    foundation = fresh(models)
    plain = model_of("emogen", foundation, emotion_weight=0.5)
    head = EmotionHead(foundation.base.encoder.joint_width, 6)
    parts = plain.attributes, plain.coefficients, torch.Generator().manual_seed(0)
    settings = plain.settings
    model = EmoGenModel(foundation.base, settings, 6, *parts, head)
    model.load_state_dict(plain.state_dict(), strict=False)
    batch = {
        "latents": torch.randn(4, 16, 8, 8), "noise": torch.randn(4, 16, 8, 8), "steps": torch.arange(4) * 200,
        "dropped": torch.zeros(4, dtype=torch.bool), "emotions": torch.eye(8)[:4], "points": torch.randn(4, 6),
        "attribute": torch.tensor([-1, 0, 1, 2]),
    }  # fmt: skip
    without, losses = plain(batch), model(batch)
    joint = model.condition(torch.zeros(4, dtype=torch.long), model.embeddings(batch["points"])).joint
    wanted = -head(joint).log_softmax(1)[torch.arange(4), torch.arange(4)].mean()
    assert torch.allclose(losses["emo"], wanted, atol=1e-5)
    assert torch.allclose(losses["total"], without["total"] + 0.5 * wanted, atol=1e-5)
    losses["emo"].backward()
    assert all(p.grad is None for p in head.parameters())
    assert model.mapper[0].weight.grad.abs().sum() > 0
    assert "emo" not in without


def test_the_emotion_space_is_the_classifiers_hidden_layer(models: Path) -> None:
    head = EmotionHead(5, 6).eval()
    features = torch.nn.functional.normalize(torch.randn(16, 5), dim=1)
    points = torch.from_numpy(emogen.points_of(head, features.numpy()))
    assert torch.allclose(head.layers[1:](points), head(features), atol=1e-6)
    with pytest.raises(ValueError, match="needs an emotion classifier with a hidden layer"):
        emogen.points_of(EmotionHead(5, None), features.numpy())
    corpus = pa.table({"emotion": [EMOTIONS[index % 8] for index in range(16)], "split": ["train", "val"] * 8})
    assert set(emogen.space_of(points.numpy(), corpus).emotions) == {EMOTIONS[index] for index in (0, 2, 4, 6)}


def test_a_picture_brings_one_of_its_attributes_by_chance_and_none_is_told(models: Path) -> None:
    train_rows = pa.table({
        "scene": pa.array(["beach", None, "park"], pa.string()),
        "objects": pa.array([["dog"], [], ["unknown"]], pa.list_(pa.string())),
    })  # fmt: skip
    correlation = pa.table({
        "attribute": ["object/dog", "scene/beach", "scene/park"],
        "coefficient": np.arange(24, dtype=np.float32).reshape(3, 8).tolist(),
    })  # fmt: skip
    foundation = fresh(models)
    found = emogen.attributes(train_rows, correlation, foundation.base.encoder)
    assert found.owned.tolist() == [[True, True, False], [False, False, False], [False, False, True]]
    assert found.coefficients[2].tolist() == list(range(16, 24))
    assert found.features.norm(dim=1) == pytest.approx([1, 1, 1], abs=1e-4)
    more = emogen.more_of(POINTS[:3], found)
    drawn = [more(torch.arange(3), torch.Generator().manual_seed(seed))["attribute"].tolist() for seed in range(20)]
    assert {row[0] for row in drawn} == {0, 1}
    assert {tuple(row[1:]) for row in drawn} == {(-1, 2)}


def test_emogen_without_any_attribute_learns_from_the_images_alone(models: Path) -> None:
    train_rows = pa.table({
        "scene": pa.nulls(3, pa.string()), "objects": pa.array([[], [], []], pa.list_(pa.string())),
    })  # fmt: skip
    correlation = pa.table(
        {"attribute": pa.array([], pa.string()), "coefficient": pa.array([], pa.list_(pa.float32()))}
    )
    foundation, draws = fresh(models), torch.Generator().manual_seed(0)
    found = emogen.attributes(train_rows, correlation, foundation.base.encoder)
    more = emogen.more_of(POINTS[:3], found)(torch.arange(3), draws)
    assert more["attribute"].tolist() == [-1, -1, -1]
    settings = DEFAULTS.emogen.model_copy(update=QUICK)
    parts = (foundation.base, settings, 6, found.features, found.coefficients, draws)
    model = EmoGenModel(*parts)
    batch = {
        "latents": torch.randn(3, 16, 8, 8), "noise": torch.randn(3, 16, 8, 8), "steps": torch.arange(3) * 200,
        "dropped": torch.zeros(3, dtype=torch.bool), "emotions": torch.eye(8)[:3], **more,
    }  # fmt: skip
    losses = model(batch)
    assert set(losses) == {"total", "ldm"}
    losses["total"].backward()
    assert model.mapper[0].weight.grad.abs().sum() > 0
    with_head = EmoGenModel(*parts, EmotionHead(foundation.base.encoder.joint_width, 6))
    assert "emo" in with_head(batch)
