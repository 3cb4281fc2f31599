"""A CLIP of its own for the chain, with a text tower 512 wide, beside a diffusion model with another text encoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from ruamel.yaml import YAML

from pipeline.foundation.clip import CONFIG, WEIGHTS, load_clip
from pipeline.foundation.training.clip import build_clip
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.params import UniemoFeedback, read_yaml
from pipeline.training.loop import fit
from pipeline.training.rows import mixed_order
from pipeline.uniemo.attributes import bases_of
from pipeline.uniemo.chain import build_chain
from pipeline.uniemo.folder import (
    OWN_CLIP,
    UNDERSTANDING,
    Understanding,
    clip_digest,
    load_understanding,
    save_understanding,
)
from pipeline.uniemo.joint_folder import load_joint
from pipeline.uniemo.joint_training import Gaussians, leave, task
from pipeline.uniemo.reader import EmotionReader
from pipeline.weights import save_safetensors
from stages import foundation_vit
from tests.repository import enter_repository
from tests.uniemo import test_joint_training as whole

ROOT = Path(__file__).parents[2]
TEXT_WIDTH, JOINT, VISION_WIDTH = 512, 96, 64


@pytest.fixture(scope="module")
def vit(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip folder with random weights, in every width another than the bundled CLIP."""
    ours, folder = models / "foundation/clip", tmp_path_factory.mktemp("vit") / "vit"
    shutil.copytree(ours, folder)
    config = json.loads((ours / CONFIG).read_text())
    model = config["model_cfg"]
    model["embed_dim"] = JOINT
    model["vision_cfg"] |= {"width": VISION_WIDTH, "layers": 3, "patch_size": 16, "head_width": 32}
    model["text_cfg"] |= {"width": TEXT_WIDTH, "layers": 1, "heads": 8}
    (folder / CONFIG).write_text(json.dumps(config))
    built = json.loads(json.dumps(model))
    save_safetensors(folder / WEIGHTS, build_clip(built, 0).state_dict(), {"format": "pt"})
    return folder


def known_of(vit: Path) -> Understanding:
    clip, settings = load_clip(vit), whole.DEFAULTS.uniemo_understanding
    chain = build_chain(clip.model.visual, settings, torch.Generator().manual_seed(0))
    return Understanding(chain, bases_of(whole.table(whole.NUM), clip), 1.0, settings, vit)


@pytest.fixture(scope="module")
def made(models: Path, vit: Path, tmp_path_factory: pytest.TempPathFactory) -> whole.Made:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, "known_of", lambda _: known_of(vit))
        return whole.train(models, tmp_path_factory.mktemp("joint"))


def test_the_chain_has_the_widths_of_its_clip_and_the_condition_those_of_the_text_encoder(made: whole.Made) -> None:
    model, encoder = made.model, made.foundation.base.encoder
    assert model.learner.chain.backbone.transformer.width == VISION_WIDTH
    assert {model.learner.queries[kind].projection.out_features for kind in ("scene", "object")} == {JOINT}
    assert model.learner.scene_base.shape[1] == JOINT
    assert (encoder.width, encoder.joint_width) == (128, 128)
    assert {model.fusion.phis[part][0].in_features for part in model.fusion.parts} == {VISION_WIDTH}
    assert {model.fusion.phis[part][-1].out_features for part in model.fusion.parts} == {encoder.width}


def test_a_folder_carries_its_clip_and_samples_and_reads_without_it_elsewhere(
    models: Path, vit: Path, made: whole.Made
) -> None:
    assert clip_digest(made.folder / UNDERSTANDING / OWN_CLIP) == clip_digest(vit)
    foundation = whole.load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    generator = load_generator(made.folder, foundation)
    ours = whole.UniEmoGenerator(made.model, whole.load_space(made.folder), "diagonal")
    requests = [request("awe", 1), request({"fear": 0.5, "awe": 0.5}, 2, "{S} street")]
    with torch.inference_mode():
        assert generator.condition(requests).states.shape[-1] == 128
        assert torch.equal(generator.condition(requests).states, ours.condition(requests).states)
    read = EmotionReader.from_pretrained(made.folder, device="cpu")  # there is no foundation beside it
    square = Image.fromarray(np.full((64, 64, 3), 120, np.uint8))
    assert sum(read(square).emotions.values()) == pytest.approx(1, abs=1e-4)


def test_feedback_trains_on_and_carries_it_too(vit: Path, made: whole.Made, tmp_path: Path) -> None:
    further = UniemoFeedback(steps=2, rate_share=0.5, generated_frac=0.5)
    model, known = load_joint(made.folder, made.foundation, further)
    back = whole.table(5, "uniemo_joint/awe").drop_columns(["split", "scene", "objects"])
    found = whole.found_of(tmp_path, made.foundation, known, back)
    order, spaces = mixed_order(found.emotions[: found.num_real], "plain", 5, 0.5), Gaussians(model, found.pictures)
    asked = task("uniemo_feedback", model, found, whole.IMAGES, order, spaces)
    trained = fit(asked, 0, tmp_path / "work", "f")
    leave(tmp_path / "model", model, trained, found, known, made.foundation, spaces)
    assert clip_digest(tmp_path / "model" / UNDERSTANDING / OWN_CLIP) == clip_digest(vit)
    load_generator(tmp_path / "model", made.foundation)


def test_an_understanding_on_foundation_clip_carries_none_and_another_is_refused(
    models: Path, vit: Path, tmp_path: Path
) -> None:
    clip = models / "foundation/clip"
    for source, is_own in ((clip, False), (vit, True)):
        known, folder = known_of(source), tmp_path / source.name
        weights = {name: p.detach() for name, p in known.chain.named_parameters() if p.requires_grad}
        save_understanding(folder, known.settings, source, weights, known.bases, 1.0, is_own)
        assert (folder / OWN_CLIP).exists() == is_own
        assert load_understanding(folder, clip).own_clip == (folder / OWN_CLIP if is_own else None)
    with pytest.raises(ValueError, match="was trained on the CLIP"):
        load_understanding(tmp_path / "clip", vit)
    damaged = tmp_path / "vit" / OWN_CLIP / CONFIG
    damaged.write_text(damaged.read_text() + "\n")
    with pytest.raises(ValueError, match="was trained on the CLIP"):
        load_understanding(tmp_path / "vit", clip)


@pytest.mark.parametrize("section", [None, {"source": "bundled", "hub_id": None, "hub_revision": None}])
def test_the_stage_gives_the_clip_of_foundation_clip_by_default(
    section: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_repository(monkeypatch, tmp_path)
    shutil.copytree(models / "foundation/clip", "models/foundation/clip")
    Path("models/miniature").symlink_to(ROOT / "models/miniature")
    values = read_yaml(ROOT / "params.yaml") | {"foundation_vit": section}
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)
    result = CliRunner().invoke(foundation_vit.main, [])
    assert result.exit_code == 0, result.output
    files = sorted(path.name for path in Path("models/foundation/clip").iterdir())
    assert sorted(path.name for path in Path("models/foundation/vit").iterdir()) == files
    for name in files:
        assert Path("models/foundation/vit", name).read_bytes() == Path("models/foundation/clip", name).read_bytes()
