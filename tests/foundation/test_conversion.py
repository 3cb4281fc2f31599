"""Our CLIP in transformers gives what it gives in open_clip."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pipeline.foundation.clip import Clip, load_clip
from pipeline.foundation.conversion import clip_model, text_encoder
from pipeline.foundation.training.clip import normalized
from tests.foundation.conftest import CLIP, World

TEXTS = ["a dark beach with a dog", "awe", "", "a colorful stage with a guitar and a happy person"]


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Clip:
    return load_clip(clip_folder)


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
