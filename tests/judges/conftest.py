"""A small world for the judges: pictures that show their emotion by brightness, their attributes by colour."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from pipeline.artifacts import encode_words
from pipeline.emotions import EMOTIONS, polarity
from pipeline.params import Judges
from pipeline.schemas import EMOSET_SCHEMA

SPLITS = ("train", "train", "train", "train", "val", "test")
SCENES, OBJECTS = ("beach", None, "street"), (("dog", "boat"), (), ("boat",))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def row(index: int, image_px: int = 64) -> dict[str, Any]:
    """Picture `index`: its emotion is index modulo 8 and its brightness, its attributes are index modulo 3."""
    generator = np.random.default_rng(index)
    emotion, kind = EMOTIONS[index % 8], index % 3
    pixels = np.full((image_px, image_px, 3), 30 * (index % 8), np.uint8)
    pixels[:, :, kind] = generator.integers(0, 256, (image_px, image_px))
    return {
        "image_id": f"emoset/{emotion}_{index:05d}",
        "image": {"bytes": png(pixels), "path": f"{index}.png"},
        "emotion": emotion,
        "polarity": polarity(emotion),
        "split": SPLITS[index % len(SPLITS)],
        "width": image_px,
        "height": image_px,
        "sha256": f"{index:064x}",
        "brightness": None,
        "colorfulness": None,
        "scene": SCENES[kind],
        "objects": list(OBJECTS[kind]),
        "facial_expression": None,
        "human_action": None,
    }


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """48 pictures of all splits, sorted by id."""
    rows = sorted((row(index) for index in range(48)), key=lambda row: row["image_id"])
    return encode_words(pa.Table.from_pylist(rows, schema=EMOSET_SCHEMA.arrow), EMOSET_SCHEMA)


def judge_settings(**changes: Any) -> Judges:
    values: dict[str, Any] = {
        "half": "both", "backbone": "small", "image_px": 64, "epochs": 2, "batch_size": 8, "learning_rate": 0.003,
        "weight_decay": 0.05, "backbone_weights": None, "scene_weights": None, "object_weights": None,
    }  # fmt: skip
    return Judges(**(values | changes))


def head_settings(**changes: Any) -> Any:
    values = {
        "hidden": 16, "dropout": 0.1, "epochs": 15, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.01,
    }  # fmt: skip
    return SimpleNamespace(**(values | changes))
