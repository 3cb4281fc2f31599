"""CLIP: the open_clip folder, its twin in transformers, its loss."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from pipeline.foundation.clip import (
    CONFIG,
    Clip,
    build_clip,
    contrastive_loss,
    load_clip,
    model_config,
    normalized,
    save_clip,
    train_clip,
)
from pipeline.foundation.conversion import clip_model, text_encoder
from pipeline.weights import save_safetensors
from tests.foundation.conftest import CLIP, CPU, World

TEXTS = ["a dark beach with a dog", "awe", "", "a colorful stage with a guitar and a happy person"]


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Clip:
    return load_clip(clip_folder)


def test_features_have_unit_length_and_the_width_of_the_joint_space(clip: Clip, world: World) -> None:
    for features in (clip.encode_images(world.drawn.images[:3]), clip.encode_texts(TEXTS[:3])):
        assert features.shape == (3, clip.width)
        assert torch.allclose(features.norm(dim=1), torch.ones(3), atol=1e-6)


def test_the_transform_is_what_training_saw(clip: Clip, world: World) -> None:
    pixels = torch.stack([clip.transform(Image.fromarray(image)) for image in world.drawn.images[:4]])
    assert torch.allclose(pixels, normalized(torch.from_numpy(world.images[:4])), atol=1e-6)


def test_texts_count_begin_and_end_and_no_cut(clip: Clip) -> None:
    assert clip.num_tokens("a dark beach") == 5
    assert clip.num_tokens(" ".join(["beach"] * 50)) == 52
    assert clip.context_length == 32


def test_transformers_gives_the_same_features(clip: Clip, clip_folder: Path, world: World) -> None:
    twin, ids = clip_model(clip_folder), clip.tokenizer(TEXTS)
    with torch.no_grad():
        images = twin.get_image_features(normalized(torch.from_numpy(world.images[:4]))).pooler_output
        texts = twin.get_text_features(ids).pooler_output
    assert torch.allclose(F.normalize(images, dim=-1), clip.encode_images(world.drawn.images[:4]), atol=1e-5)
    assert torch.allclose(F.normalize(texts, dim=-1), clip.encode_texts(TEXTS), atol=1e-5)


def test_the_text_encoder_gives_the_states_that_open_clip_pools(clip: Clip, clip_folder: Path) -> None:
    ids = clip.tokenizer(TEXTS)
    with torch.no_grad():
        states = text_encoder(clip_folder)(ids)
        pooled = states.pooler_output @ clip.model.text_projection
    assert states.last_hidden_state.shape == (4, 32, CLIP.text_width)
    assert torch.allclose(F.normalize(pooled, dim=-1), clip.encode_texts(TEXTS), atol=1e-5)


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


def test_a_real_open_clip_folder_with_its_own_tokenizer_loads(tmp_path: Path) -> None:
    config = model_config(CLIP, 49408)
    del config["text_cfg"]["hf_tokenizer_name"]
    config["text_cfg"]["context_length"] = 77
    config["vision_cfg"]["image_size"] = 32
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    save_safetensors(tmp_path / "open_clip_model.safetensors", build_clip(config, 0).state_dict())
    clip = load_clip(tmp_path)
    assert (clip.context_length, clip.width, clip.num_tokens("a dark beach")) == (77, CLIP.embed_dim, 5)
    assert clip.encode_images([Image.new("L", (90, 50))]).shape == (1, CLIP.embed_dim)


def test_a_folder_without_a_clip_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=CONFIG):
        load_clip(tmp_path)


def test_saving_twice_gives_equal_bytes(world: World, tmp_path: Path) -> None:
    config = model_config(CLIP, len(world.tokenizer))
    for name in ("one", "two"):
        save_clip(build_clip(config, 3).state_dict(), config, world.tokenizer, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert np.array_equal(
        *(np.fromfile(tmp_path / n / "open_clip_model.safetensors", np.uint8) for n in ("one", "two"))
    )
