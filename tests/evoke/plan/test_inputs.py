"""Find what a run starts from: configurations of models, and images counted on the disk or as published."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from evoke.plan.costs import Captioner
from evoke.plan.inputs import Curated, Setting, corpora_of, count_art, count_emoset, models_of
from evoke.plan.stages import STAGES
from pipeline.params import FoundationClip, load_params

ROOT = Path(__file__).parents[3]
COSTS = ("unet", "vae_encode", "vae_decode", "clip_image", "clip_text")


def test_models_are_read_without_their_weights_and_a_recipe_gives_the_same() -> None:
    params = load_params(ROOT / "params.yaml")
    trained = {
        name: getattr(params, name).model_copy(update={"source": "train"})
        for name in ("foundation_clip", "foundation_diffusion", "foundation_captioner")
    }
    bundled, recipe = (
        models_of(each, ROOT / "models/miniature", {}) for each in (params, params.model_copy(update=trained))
    )
    assert (bundled.image_px, bundled.latent_numbers, bundled.joint_width) == (64, 16 * 8 * 8, 128)
    assert (bundled.captioner.parameters, bundled.captioner.image_tokens) == (1_794_432, 64)
    assert bundled.notes == recipe.notes == ()
    assert all(getattr(recipe, name) == getattr(bundled, name) for name in COSTS)
    assert recipe.captioner.parameters == pytest.approx(bundled.captioner.parameters, rel=0.2)


def test_a_hub_model_is_read_in_its_folder_or_assumed_by_its_name(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    hub = {"source": "hub", "hub_id": "somebody/some-3B"}
    section = params.foundation_captioner.model_copy(update=hub)
    params = params.model_copy(update={"foundation_captioner": section})
    named = models_of(params, ROOT / "models/miniature", {})
    assert (named.captioner.parameters, named.captioner.image_tokens) == (3_000_000_000, None)
    assert named.notes == ("somebody/some-3B is not downloaded: 3 billion parameters in bf16 according to its name",)
    (tmp_path / "config.json").write_text('{"image_seq_length": 9}')
    save_file({"weight": np.zeros((2, 5), np.float16)}, tmp_path / "model.safetensors")
    read = models_of(params, ROOT / "models/miniature", {"foundation_captioner": tmp_path})
    assert read.captioner == Captioner(10, 9, (tmp_path / "model.safetensors").stat().st_size)
    assert read.notes == ()


def test_the_chain_is_planned_on_its_own_clip_and_nothing_else_is() -> None:
    params = load_params(ROOT / "params.yaml")
    hub = {"source": "hub", "hub_id": "timm/vit_base_patch32_clip_224.openai", "hub_revision": "0" * 40}
    other = params.model_copy(update={"foundation_vit": FoundationClip(**hub)})
    ours, theirs = (models_of(each, ROOT / "models/miniature", {}) for each in (params, other))
    assert (theirs.vision_width, theirs.joint_width) == (768, ours.joint_width)
    assert all(getattr(theirs, name) == getattr(ours, name) for name in COSTS)
    chains = [each.chain(params.uniemo_understanding) for each in (ours, theirs)]
    assert chains[1].num_bytes > 20 * chains[0].num_bytes
    assert theirs.notes == (f"{hub['hub_id']} is not downloaded: assumed architecture CLIP ViT-B-32",)
    setting = Setting(other, corpora_of(other, ROOT / "data/miniature"), theirs)
    stage = STAGES["foundation_vit"](setting, "")
    assert stage.download_bytes == pytest.approx(4 * 151.3e6, rel=0.01)


def test_emoset_is_counted_where_it_is_and_published_where_it_is_not(tmp_path: Path) -> None:
    assert "published" in count_emoset(tmp_path).source
    assumed = count_emoset(tmp_path, 8000)
    assert (assumed.train, assumed.val, assumed.test, assumed.is_missing) == (6400, 400, 1200, False)
    assert assumed.source.startswith("assumed")
    image = tmp_path / "image/awe/awe_00001.jpg"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (80, 40)).save(image)
    for split, number in (("train", 8), ("val", 1), ("test", 3)):
        (tmp_path / f"{split}.json").write_text(json.dumps([["awe", "image/awe/awe_00001.jpg", "x"]] * number))
    found = count_emoset(tmp_path)
    assert (found.train, found.val, found.test, found.total) == (8, 1, 3, 12)
    assert (found.width_px, found.height_px, found.image_bytes) == (80, 40, image.stat().st_size)
    assert "counted in" in found.source
    assert not found.is_missing


def test_art_may_be_any_folder_of_pictures_and_damaged_ones_still_count(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    found = count_art(tmp_path)
    assert (found.total, found.width_px) == (2, 30)


def test_what_the_last_run_kept_counts_if_it_was_of_as_many(setting: Callable[..., Setting]) -> None:
    params, drawn = setting("miniature").params, Path("data/miniature")
    assert corpora_of(params, drawn, Curated(8000, 0.21, 8)).emoart.total == 1680
    assert corpora_of(params, drawn, Curated(7000, 0.21, 8)).emoart.total == 1339
