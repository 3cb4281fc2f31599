"""Show where the queries look on a few test images, for the page (UniEmo Fig. 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from PIL import Image

from pipeline.emotion_set import EMOTIONS
from pipeline.report.figures import Figure, figure

if TYPE_CHECKING:
    from pipeline.uniemo.reader import EmotionReader

SHOWN_PX = 192
SPLIT = "test"


@dataclass(frozen=True)
class Seen:
    """A test image with its overlays, its labelled emotion, and what the model reads from it."""

    figures: tuple[Figure, ...]
    emotion: str
    predicted: str
    probability: float
    nearest: tuple[str, ...]


def shown_rows(rows: pa.Table) -> list[int]:
    """Return the row index of the first test image of each emotion; `rows` has the columns emotion and split."""
    pairs = list(zip(rows["emotion"].to_pylist(), rows["split"].to_pylist(), strict=True))
    return [pairs.index((emotion, SPLIT)) for emotion in EMOTIONS if (emotion, SPLIT) in pairs]


def look(reader: "EmotionReader", images: Sequence[Image.Image], emotions: Sequence[str]) -> list[Seen]:
    """Return each image unchanged and with an overlay for each kind of query, together with its reading."""
    readings = []
    for image, emotion, reading in zip(images, emotions, reader(images), strict=True):
        overlays = reader.overlay(image, reading)
        predicted, probability = max(reading.emotions.items(), key=lambda item: item[1])
        figures = [figure(image, f"a test image of {emotion}", SHOWN_PX)]
        figures += [figure(overlay, f"where {kind} queries look", SHOWN_PX) for kind, overlay in overlays.items()]
        nearest = tuple(f"{kind}: {names[0][0]}" for kind, names in reading.attributes.items() if names)
        readings.append(Seen(tuple(figures), emotion, predicted, probability, nearest))
    return readings
