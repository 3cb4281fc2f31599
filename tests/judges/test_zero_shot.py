"""The zero-shot head is CLIP's own likeness of images and prompts, in the form of a trained one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evoke.zero_shot import PROMPTS, zero_shot_head
from pipeline.emotions import EMOTIONS
from pipeline.foundation.clip import load_clip
from pipeline.judges.head import load_head, save_head
from pipeline.understanding.asking import likeness
from pipeline.understanding.readers import emotion_texts


def test_it_equals_the_zero_shot_reader_of_the_pipeline(models: Path, tmp_path: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    features = torch.nn.functional.normalize(torch.randn(20, clip.width, generator=torch.Generator().manual_seed(0)))
    head = zero_shot_head(clip)
    found = head.probabilities(features.numpy(), np.ones(20, np.float32))
    assert found == pytest.approx(likeness(clip, features, emotion_texts(clip, PROMPTS)), abs=1e-5)
    save_head(head, tmp_path, {})
    assert load_head(tmp_path).probabilities(features.numpy(), np.ones(20, np.float32)) == pytest.approx(found)


def test_a_text_is_read_as_the_emotion_that_it_names(models: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    texts = clip.encode_texts([f"an image of {emotion}" for emotion in EMOTIONS]).numpy()
    found = zero_shot_head(clip).probabilities(texts, np.ones(8, np.float32))
    assert found.argmax(1).tolist() == list(range(8))
