"""What the judges learn from and are tested on: square pictures, decoded once, with what is annotated on them.

A scene or object that nobody annotated is unknown, which is not "none": none is the answer to a picture in which
nothing can be recognised (pipeline/judges/distortion.py).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.emotions import INDEX
from pipeline.features import decoded
from pipeline.judges.halves import in_half

if TYPE_CHECKING:
    from pipeline.params import Half

COLUMNS = ("image_id", "image", "emotion", "split", "scene", "objects")
NONE = "none"
DECODED = 32  # pictures of a corpus that are held at full size at a time
UNKNOWN = -1  # a target that no loss and no rate counts


@dataclass(frozen=True)
class Names:
    """What a trained judge may say, `none` first, then what is annotated anywhere in the corpus, sorted."""

    scenes: tuple[str, ...]
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Targets:
    """Of N pictures, each N int64: emotion by EMOTIONS; scene and first object by Names, 0 none, -1 not annotated."""

    emotions: NDArray[np.int64]
    scenes: NDArray[np.int64]
    objects: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.emotions)


@dataclass(frozen=True)
class Examples:
    """Squares NHWC uint8 and their targets, indices of `names`."""

    squares: NDArray[np.uint8]
    targets: Targets
    names: Names


def attribute_names(rows: pa.Table) -> Names:
    """The names of a corpus with columns scene and objects."""
    scenes = {scene for scene in rows["scene"].to_pylist() if scene is not None}
    objects = {name for names in rows["objects"].to_pylist() for name in names}
    return Names((NONE, *sorted(scenes - {NONE})), (NONE, *sorted(objects - {NONE})))


def targets(rows: pa.Table, names: Names) -> Targets:
    """What is annotated on rows with emotion, scene and objects; of several objects the first, which is the largest."""
    first = [objects[0] if objects else None for objects in rows["objects"].to_pylist()]
    emotions = np.array([INDEX[emotion] for emotion in rows["emotion"].to_pylist()], np.int64)
    return Targets(emotions, _indices(rows["scene"].to_pylist(), names.scenes), _indices(first, names.objects))


def joined_targets(parts: Sequence[Targets]) -> Targets:
    """Targets one after the other."""
    names = ("emotions", "scenes", "objects")
    return Targets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def examples(
    tables: Iterable[pa.Table], wanted: Callable[[pa.Table], NDArray[np.bool_]], names: Names, image_px: int
) -> Examples:
    """The wanted pictures of tables with COLUMNS, one table at a time in memory, squares of image_px.

    The squares are held once, in bytes that grow: 7 GB at the papers' size.
    """
    held, found = bytearray(), []
    for table in tables:
        rows = table.filter(wanted(table))
        for _, squares in decoded(rows, DECODED, partial(square, image_px=image_px)):
            held += b"".join(each.tobytes() for each in squares)
        found.append(targets(rows, names))
    pixels = np.frombuffer(held, np.uint8).reshape(-1, image_px, image_px, 3)
    return Examples(pixels, joined_targets(found), names)


def square(picture: Image.Image, image_px: int) -> NDArray[np.uint8]:
    """The middle of an RGB picture as HWC uint8; one of that size is not resampled."""
    return np.asarray(ImageOps.fit(picture, (image_px, image_px), Image.Resampling.BICUBIC))


def train_half(half: "Half") -> Callable[[pa.Table], NDArray[np.bool_]]:
    """Whether each row of a table is of this half of the train split."""
    return lambda table: in_split("train")(table) & in_half(table["image_id"].to_pylist(), half)


def in_split(split: str) -> Callable[[pa.Table], NDArray[np.bool_]]:
    """Whether each row of a table is of this split."""
    return lambda table: np.array([value == split for value in table["split"].to_pylist()], bool)


def _indices(values: Sequence[str | None], names: tuple[str, ...]) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(names)}
    return np.array([UNKNOWN if value is None else places[value] for value in values], np.int64)
