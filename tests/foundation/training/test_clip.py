"""Training of CLIP: its loss, its transform, its folder."""

import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.foundation.clip import load_clip
from pipeline.foundation.training.clip import (
    build_clip,
    contrastive_loss,
    model_config,
    normalized,
    save_clip,
    train_clip,
)
from tests.foundation.conftest import CLIP, CPU, World


def test_the_transform_is_what_training_saw(clip_folder: Path, world: World) -> None:
    clip = load_clip(clip_folder)
    pixels = torch.stack([clip.transform(Image.fromarray(image)) for image in world.drawn.images[:4]])
    assert torch.allclose(pixels, normalized(torch.from_numpy(world.images[:4])), atol=1e-6)


def test_pairs_with_equal_texts_are_no_negatives(world: World) -> None:
    model = build_clip(model_config(CLIP, len(world.tokenizer)), 0)
    model.logit_scale.data.zero_()
    pictures, ids = torch.from_numpy(world.images[:6]), torch.from_numpy(world.text_ids[:6, 0]).long()
    assert contrastive_loss(model, pictures, ids).item() == pytest.approx(math.log(6), rel=0.2)
    assert contrastive_loss(model, pictures, ids[:1].expand(6, -1)).item() == pytest.approx(0, abs=1e-3)


def test_losses_fall(world: World, tmp_path: Path) -> None:
    few = world.images[:16], world.text_ids[:16]
    short, long = (CLIP.model_copy(update={"steps": steps, "batch_size": 16}) for steps in (3, 40))
    losses = [
        train_clip(*few, world.tokenizer, recipe, tmp_path / "out", tmp_path / str(recipe.steps), CPU)
        for recipe in (short, long)
    ]
    assert losses[1] < losses[0]


def test_saving_twice_gives_equal_bytes(world: World, tmp_path: Path) -> None:
    config = model_config(CLIP, len(world.tokenizer))
    for name in ("one", "two"):
        save_clip(build_clip(config, 3).state_dict(), config, world.tokenizer, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
