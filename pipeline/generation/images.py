"""The images of a method: which are requested, in shards, and how they are stored."""

import hashlib
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.emotion_set import EMOTIONS, polarity
from pipeline.features import pictures
from pipeline.generation.request import Request, request
from pipeline.runtime import seed_of
from pipeline.schemas import IMAGES_SCHEMA
from pipeline.sheet import contact_sheet

if TYPE_CHECKING:
    from pipeline.params import Images

SHARD_IMAGES = 256
log = logging.getLogger("evoke")


@dataclass(frozen=True)
class Planned:
    """One requested image."""

    image_id: str
    emotion: str
    request: Request


def plan(method: str, emotions: Sequence[str], images: "Images", seed: int) -> list[list[Planned]]:
    """Return the images of every emotion that a method was trained on, sorted by id, in shards of SHARD_IMAGES.

    Seeds depend on (seed, emotion, index) and not on the method, so all methods start from the same noise. Emotions
    that are left out are logged.
    """
    if absent := [emotion for emotion in EMOTIONS if emotion not in emotions]:
        log.info("%s draws no %s: its corpus has no such image to train on", method, ", no ".join(absent))
    planned = [
        Planned(
            f"{method}/{emotion}/{index:05d}",
            emotion,
            request(emotion, seed_of(seed, "images", emotion, index), images.prompt, images.strength),
        )
        for emotion in sorted(set(emotions) & set(EMOTIONS))
        for index in range(images.num_per_emotion)
    ]
    return [planned[start : start + SHARD_IMAGES] for start in range(0, len(planned), SHARD_IMAGES)]


def image_rows(planned: Sequence[Planned], images: Iterable[NDArray[np.uint8]], method: str, model: str) -> pa.Table:
    """Return planned images with their pixels HW3 uint8 as rows of IMAGES_SCHEMA."""
    rows = [_row(item, image, method, model) for item, image in zip(planned, images, strict=True)]
    return pa.Table.from_pylist(rows, schema=IMAGES_SCHEMA.arrow)


def encoded(image: NDArray[np.uint8]) -> bytes:
    """Return an image HW3 uint8 as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _row(planned: Planned, image: NDArray[np.uint8], method: str, model: str) -> dict[str, object]:
    data = encoded(image)
    return {
        "image_id": planned.image_id,
        "image": {"bytes": data, "path": f"{planned.image_id}.png"},
        "emotion": planned.emotion,
        "polarity": polarity(planned.emotion),
        "width": image.shape[1],
        "height": image.shape[0],
        "sha256": hashlib.sha256(data).hexdigest(),
        "method": method,
        "prompt": planned.request.prompt,
        "seed": planned.request.seed,
        "model": model,
    }


def sheet(rows: pa.Table, num_columns: int = 16) -> Image.Image:
    """Return a contact sheet of the first images of each emotion, one emotion per row.

    `rows` has the columns image and emotion and is sorted by id.
    """
    emotions = rows["emotion"].to_pylist()
    row_groups = [
        [index for index, emotion in enumerate(emotions) if emotion == name][:num_columns]
        for name in EMOTIONS
        if name in emotions
    ]
    width = max(map(len, row_groups))
    images = pictures(rows.take([index for row in row_groups for index in row]))
    assert all(len(row) == width for row in row_groups), "every emotion has as many images"
    return contact_sheet([np.asarray(image) for image in images], width)
