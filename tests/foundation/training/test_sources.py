"""Models by recipe: the same folders as the bundled ones."""

from pathlib import Path

import torch
from PIL import Image

from pipeline.foundation.captioner import load_captioner
from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline
from pipeline.foundation.recipes import DiffusionRecipe
from pipeline.foundation.training import sources
from tests.foundation.conftest import CAPTIONER, CLIP, CPU, UNET, VAE


def test_models_by_recipe_load_like_any_other(tmp_path: Path) -> None:
    clip, work = tmp_path / "clip", tmp_path / "work"
    sources.clip_by_recipe(CLIP, clip, work / "1", CPU, 1)
    sources.diffusion_by_recipe(DiffusionRecipe(vae=VAE, unet=UNET), clip, tmp_path / "diffusion", work / "2", CPU, 1)
    sources.captioner_by_recipe(CAPTIONER, clip, tmp_path / "captioner", work / "3", CPU, 1)
    pipeline = load_pipeline(tmp_path / "diffusion")
    image = pipeline("awe", num_inference_steps=2, generator=torch.Generator().manual_seed(0)).images[0]
    assert isinstance(image, Image.Image)
    assert load_clip(clip).encode_images([image]).shape == (1, CLIP.embed_dim)
    assert len(load_captioner(tmp_path / "captioner").caption([image], ["What?"], 4)) == 1


def test_a_training_by_recipe_gives_equal_bytes_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        sources.clip_by_recipe(CLIP, tmp_path / name, tmp_path / f"{name}_work", CPU, 1)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
