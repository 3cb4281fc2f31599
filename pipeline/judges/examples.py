"""Prepare what the judges learn from and are tested on: decoded square images with their annotations.

A scene or object that was not annotated is unknown. That differs from "none", the answer to an image in which nothing
can be recognized (pipeline/judges/distortion.py). The train images are split into two halves, so that the emotion
classifier and its judge learn from different images.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.features import decoded
from pipeline.rows import emotion_indices

if TYPE_CHECKING:
    from pipeline.params import Half


COLUMNS = ("image_id", "image", "emotion", "split", "scene", "objects")
NONE = "none"
DECODED = 32  # images held at full size at the same time
UNKNOWN = -1  # target that losses and rates ignore


@dataclass(frozen=True)
class Names:
    """The classes of a trained judge: `none` first, then all names annotated anywhere in the corpus, sorted."""

    scenes: tuple[str, ...]
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Targets:
    """Targets of N images, each of shape N int64.

    emotions index EMOTIONS; scenes and objects (the first object of an image) index Names, where 0 is none and -1 means
    not annotated.
    """

    emotions: NDArray[np.int64]
    scenes: NDArray[np.int64]
    objects: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.emotions)


@dataclass(frozen=True)
class Examples:
    """Hold squares NHWC uint8 with their targets, which index `names`."""

    squares: NDArray[np.uint8]
    targets: Targets
    names: Names


def attribute_names(rows: pa.Table) -> Names:
    """Return the scene and object names of a corpus with the columns scene and objects."""
    scenes = {scene for scene in rows["scene"].to_pylist() if scene is not None}
    objects = {name for names in rows["objects"].to_pylist() for name in names}
    return Names((NONE, *sorted(scenes - {NONE})), (NONE, *sorted(objects - {NONE})))


def targets(rows: pa.Table, names: Names) -> Targets:
    """Return the annotations of rows with the columns emotion, scene and objects as indices.

    Of several objects, the first is used, which is the largest.
    """
    first = [objects[0] if objects else None for objects in rows["objects"].to_pylist()]
    emotions = emotion_indices(rows)
    return Targets(emotions, _indices(rows["scene"].to_pylist(), names.scenes), _indices(first, names.objects))


def joined_targets(parts: Sequence[Targets]) -> Targets:
    """Return the concatenation of several targets."""
    names = ("emotions", "scenes", "objects")
    return Targets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def examples(
    tables: Iterable[pa.Table], wanted: Callable[[pa.Table], NDArray[np.bool_]], names: Names, image_px: int
) -> Examples:
    """Return the selected images of tables with COLUMNS, as squares with an edge of image_px.

    `wanted` maps a table to a mask of its rows. One table is in memory at a time. The squares are held once, in a
    growing byte array: 7 GB at the papers' size.
    """
    held, parts = bytearray(), []
    for table in tables:
        rows = table.filter(wanted(table))
        for _, squares in decoded(rows, DECODED, partial(square, image_px=image_px)):
            held += b"".join(each.tobytes() for each in squares)
        parts.append(targets(rows, names))
    pixels = np.frombuffer(held, np.uint8).reshape(-1, image_px, image_px, 3)
    return Examples(pixels, joined_targets(parts), names)


def square(picture: Image.Image, image_px: int) -> NDArray[np.uint8]:
    """Return the center square of an RGB image as HWC uint8; an image of that size is not resampled."""
    return np.asarray(ImageOps.fit(picture, (image_px, image_px), Image.Resampling.BICUBIC))


def train_half(half: "Half") -> Callable[[pa.Table], NDArray[np.bool_]]:
    """Return a function that maps a table to a mask of its rows in the given half of the train split."""
    return lambda table: in_split("train")(table) & in_half(table["image_id"].to_pylist(), half)


def in_split(split: str) -> Callable[[pa.Table], NDArray[np.bool_]]:
    """Return a function that maps a table to a mask of its rows in the given split."""
    return lambda table: np.array([value == split for value in table["split"].to_pylist()], bool)


def _indices(values: Sequence[str | None], names: tuple[str, ...]) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(names)}
    return np.array([UNKNOWN if value is None else places[value] for value in values], np.int64)


def in_half(image_ids: Sequence[str], half: "Half") -> NDArray[np.bool_]:
    """Return a mask N of the images in this half; `first` and `second` each hold about one image in two."""
    digests = [hashlib.sha256(f"half/{image_id}".encode()).digest() for image_id in image_ids]
    second = np.array([digest[0] & 1 for digest in digests], bool)
    return {"first": ~second, "second": second, "both": np.ones(len(second), bool)}[half]
