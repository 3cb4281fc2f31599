"""Models by recipe and from a hub: the same folders as the bundled ones."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.foundation import recipes, sources
from pipeline.foundation.captioner import load_captioner
from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline
from pipeline.foundation.recipes import DiffusionRecipe
from tests.foundation.conftest import CLIP, CPU, SHORT, UNET, VAE


def test_models_by_recipe_load_like_any_other(tmp_path: Path) -> None:
    clip, work = tmp_path / "clip", tmp_path / "work"
    captioner = recipes.CAPTIONER.model_copy(update=SHORT | {"width": 32, "layers": 1, "heads": 2})
    sources.clip_by_recipe(CLIP, clip, work / "1", CPU, 1)
    sources.diffusion_by_recipe(DiffusionRecipe(vae=VAE, unet=UNET), clip, tmp_path / "diffusion", work / "2", CPU, 1)
    sources.captioner_by_recipe(captioner, clip, tmp_path / "captioner", work / "3", CPU, 1)
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


def test_a_hub_repository_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def snapshot_download(hub_id: str, **options: object) -> None:
        asked.update(options, hub_id=hub_id)
        (tmp_path / ".cache").mkdir()
        (tmp_path / "config.json").write_text("{}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    sources.download("owner/name", "0" * 40, tmp_path, "config.json")
    assert asked["revision"] == "0" * 40
    assert not (tmp_path / ".cache").exists()
    with pytest.raises(ValueError, match=r"owner/name.*open_clip_config"):
        sources.download("owner/name", "0" * 40, tmp_path, "open_clip_config.json")
