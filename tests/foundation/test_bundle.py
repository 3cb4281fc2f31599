"""Bundled weights: what is packed comes back in half precision, and another world's weights do not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evoke.bundled import GENERATORS
from pipeline.foundation import bundle
from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline
from pipeline.miniature.identity import world_hash
from pipeline.weights import load_safetensors, save_safetensors
from tests.foundation.conftest import CLIP, World

BUNDLED = Path(__file__).parents[2] / "models/miniature"
FACTS = {"world": world_hash(), "recipe": CLIP.model_dump_json()}


def test_a_packed_clip_comes_back_as_the_same_folder_in_half_precision(
    clip_folder: Path, world: World, tmp_path: Path
) -> None:
    bundle.pack(clip_folder, tmp_path / bundle.CLIP, FACTS)
    metadata = bundle.unpack(tmp_path / bundle.CLIP, tmp_path / "clip")
    assert {file.name for file in clip_folder.iterdir()} == {file.name for file in (tmp_path / "clip").iterdir()}
    assert metadata["recipe"] == FACTS["recipe"]
    one, two = (load_clip(folder).encode_images(world.drawn.images[:4]) for folder in (clip_folder, tmp_path / "clip"))
    assert torch.allclose(one, two, atol=5e-3)
    assert (tmp_path / bundle.CLIP).stat().st_size < 0.6 * (
        clip_folder / "open_clip_model.safetensors"
    ).stat().st_size + 60_000


def test_a_unet_in_eight_bits_is_half_as_large_again_and_draws_the_same_image(
    diffusion_folder: Path, vae_folder: Path, clip_folder: Path, tmp_path: Path
) -> None:
    bundle.pack(vae_folder, tmp_path / "b" / bundle.VAE, FACTS)
    bundle.pack(diffusion_folder / "unet", tmp_path / "halves.safetensors", FACTS)
    bundle.pack(diffusion_folder / "unet", tmp_path / "b" / bundle.UNET, FACTS, in_eight_bits=True)
    halves, eighths = (file.stat().st_size for file in (tmp_path / "halves.safetensors", tmp_path / "b" / bundle.UNET))
    assert eighths < 0.7 * halves
    bundle.unpack_diffusion(tmp_path / "b", clip_folder, tmp_path / "out", tmp_path / "work")
    made = []
    for folder in (diffusion_folder, tmp_path / "out"):
        pipeline, generator = load_pipeline(folder), torch.Generator().manual_seed(0)
        made.append(pipeline("awe", num_inference_steps=2, generator=generator, output_type="np").images)
    assert np.abs(made[0] - made[1]).max() < 0.05
    before = load_safetensors(diffusion_folder / "unet/diffusion_pytorch_model.safetensors")[0]
    after = load_safetensors(tmp_path / "out/unet/diffusion_pytorch_model.safetensors")[0]
    for name, weights in before.items():
        bound = weights.abs().flatten(1).amax(1) / 250 if weights.dim() > 1 else weights.abs() / 1000
        error = (weights - after[name]).abs().flatten(1).amax(1) if weights.dim() > 1 else (weights - after[name]).abs()
        assert (error <= bound + 1e-6).all(), name


def test_packing_twice_gives_equal_bytes(clip_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        bundle.pack(clip_folder, tmp_path / name, FACTS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_weights_of_another_world_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    bundle.pack(clip_folder, tmp_path / bundle.CLIP, {**FACTS, "world": "0123456789abcdef"})
    with pytest.raises(ValueError, match="0123456789abcdef"):
        bundle.unpack(tmp_path / bundle.CLIP, tmp_path / "clip")


def test_weights_of_a_related_world_are_accepted_and_say_which(clip_folder: Path, tmp_path: Path) -> None:
    (related, *_), file = bundle.RELATED_WORLDS, tmp_path / bundle.CLIP
    assert related != world_hash()
    bundle.pack(clip_folder, file, {**FACTS, "world": related})
    assert bundle.unpack(file, tmp_path / "clip")["world"] == related


def test_figures_join_the_metadata_and_leave_the_weights(clip_folder: Path, tmp_path: Path) -> None:
    bundle.pack(clip_folder, tmp_path / bundle.CLIP, FACTS)
    before, _ = load_safetensors(tmp_path / bundle.CLIP)
    bundle.add_facts(tmp_path / bundle.CLIP, {"figures": "{}"})
    after, metadata = load_safetensors(tmp_path / bundle.CLIP)
    assert metadata["figures"] == "{}"
    assert metadata["world"] == world_hash()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_diffusion_folder_comes_back_with_the_text_encoder_of_clip(
    diffusion_folder: Path, vae_folder: Path, clip_folder: Path, tmp_path: Path
) -> None:
    bundle.pack(vae_folder, tmp_path / "b" / bundle.VAE, FACTS)
    bundle.pack(diffusion_folder / "unet", tmp_path / "b" / bundle.UNET, FACTS)
    bundle.unpack_diffusion(tmp_path / "b", clip_folder, tmp_path / "out", tmp_path / "work")
    made = []
    for folder in (diffusion_folder, tmp_path / "out"):
        pipeline, generator = load_pipeline(folder), torch.Generator().manual_seed(0)
        made.append(pipeline("awe", num_inference_steps=2, generator=generator, output_type="np").images)
    assert np.allclose(made[0], made[1], atol=0.02)
    assert bundle.total_bytes(tmp_path / "b") < 1_000_000


def test_a_folder_with_no_weights_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 weights files"):
        bundle.pack(tmp_path, tmp_path / "x.safetensors", FACTS)


def test_weights_that_were_not_packed_are_refused(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="not a bundled model"):
        bundle.unpack(tmp_path / "x.safetensors", tmp_path / "out")


def test_the_bundled_weights_are_of_this_world_and_within_the_limits() -> None:
    files = sorted(file for file in BUNDLED.rglob("*.safetensors") if file.parent.name != GENERATORS)
    assert [file.name for file in files] == [bundle.CAPTIONER, bundle.CLIP, bundle.UNET, bundle.VAE]
    for file in files:
        _, metadata = load_safetensors(file)
        assert metadata["world"] in (world_hash(), *bundle.RELATED_WORLDS)
        assert metadata["recipe"]
        assert metadata["figures"]
        assert file.stat().st_size <= bundle.MAX_FILE_BYTES
    assert bundle.total_bytes(BUNDLED) <= bundle.MAX_TOTAL_BYTES
