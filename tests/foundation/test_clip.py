"""CLIP: features of our folder and of a real one, counted tokens."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.foundation.clip import CONFIG, WEIGHTS, Clip, load_clip, load_tokenizer
from pipeline.foundation.training.clip import build_clip, model_config
from pipeline.weights import save_safetensors
from tests.foundation.conftest import CLIP, World

TEXTS = ["a dark beach with a dog", "awe", ""]


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Clip:
    return load_clip(clip_folder)


def test_features_have_unit_length_and_the_width_of_the_joint_space(clip: Clip, world: World) -> None:
    for features in (clip.encode_images(world.drawn.images[:3]), clip.encode_texts(TEXTS)):
        assert features.shape == (3, clip.width)
        assert torch.allclose(features.norm(dim=1), torch.ones(3), atol=1e-6)


def test_texts_count_begin_and_end_and_no_cut(clip_folder: Path) -> None:
    tokenizer = load_tokenizer(clip_folder)
    assert tokenizer.num_tokens("a dark beach") == 5
    assert tokenizer.num_tokens(" ".join(["beach"] * 50)) == 52
    assert tokenizer.context_length == 32


def test_a_real_open_clip_folder_with_its_own_tokenizer_loads(tmp_path: Path) -> None:
    config = model_config(CLIP, 49408)
    del config["text_cfg"]["hf_tokenizer_name"]
    config["text_cfg"]["context_length"] = 77
    config["vision_cfg"]["image_size"] = 32
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    save_safetensors(tmp_path / "open_clip_model.safetensors", build_clip(config, 0).state_dict())
    clip, tokenizer = load_clip(tmp_path), load_tokenizer(tmp_path)
    assert (tokenizer.context_length, clip.width, tokenizer.num_tokens("a dark beach")) == (77, CLIP.embed_dim, 5)
    assert clip.encode_images([Image.new("L", (90, 50))]).shape == (1, CLIP.embed_dim)


def test_a_folder_without_a_clip_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=CONFIG):
        load_clip(tmp_path)


@pytest.mark.parametrize(("content", "error"), [(None, FileNotFoundError), (b"torn", ValueError)])
def test_a_folder_without_whole_weights_is_an_error_and_no_random_model(
    clip_folder: Path, tmp_path: Path, content: bytes | None, error: type[Exception]
) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    (folder / WEIGHTS).unlink()
    if content is not None:
        (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(error, match=rf"{folder}.*weights"):
        load_clip(folder)
