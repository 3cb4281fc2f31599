"""Collect what the page shows from the folders of the pipeline: images with what a judge reads in them, and counts.

The folders may still contain results of other params; only those of the present corpora and methods are used. On a few
test images it is shown where the queries look (UniEmo Fig. 9).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.artifacts import read_shards, take_rows
from pipeline.emotion_set import EMOTIONS
from pipeline.features import pictures
from pipeline.params import Params
from pipeline.report.names import readable
from pipeline.report.plots import Figure, figure

if TYPE_CHECKING:
    from pipeline.uniemo.reader import EmotionReader


NUM_SHOWN = 4  # images per emotion and method
REAL, TEST = "real", "test"
FUNNEL = ("collected", "readable", "confident", "frequent", "captioned", "kept")


@dataclass(frozen=True)
class Picture:
    """An image for an emotion, and which emotion the judge on pixels reads in it, with its probability.

    prompt, seed and model are those of a generated image, empty for a real one; `read` is empty without scores.
    """

    image: Image.Image
    image_id: str
    emotion: str
    read: str = ""
    probability: float = 0.0
    prompt: str = ""
    seed: str = ""
    model: str = ""

    def figure(self, longest_px: int) -> Figure:
        """Return the image for the page."""
        source, _, _ = self.image_id.partition("/")
        return figure(self.image, f"{self.emotion}, {readable(source) if self.seed else 'a real image'}", longest_px)


@dataclass(frozen=True)
class Method:
    """The first images of each emotion by a method, or real ones; with its number of images, prompts and models."""

    name: str
    num_images: int
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    pictures: Mapping[str, list[Picture]]


@dataclass(frozen=True)
class Counted:
    """A step of a funnel: the number of images left, and its share of the first step."""

    step: str
    num: int
    share: float


def read_method(name: str, folder: Path, scores: Path) -> Method:
    """Read the image shards of a method and, if they exist, its scores."""
    rows = read_shards(folder, columns=["image_id", "emotion", "prompt", "seed", "model"])
    prompts, models = (tuple(sorted(set(rows[column].to_pylist()))) for column in ("prompt", "model"))
    return Method(name, len(rows), prompts, models, _pictures(rows.to_pylist(), folder, scores))


def read_real(folder: Path, scores: Path) -> Method:
    """Read the test images of a corpus as read_method reads those of a method."""
    rows = read_shards(folder, columns=["image_id", "emotion", "split"]).to_pylist()
    num = sum(row["split"] == TEST for row in rows)
    return Method(REAL, num, (), (), _pictures(rows, folder, scores))


def _pictures(rows: Sequence[Mapping[str, Any]], folder: Path, scores: Path) -> dict[str, list[Picture]]:
    """Return the first images of each emotion; of real images, those of the test split."""
    usable = [index for index, row in enumerate(rows) if row.get("split", TEST) == TEST]
    chosen = {emotion: [index for index in usable if rows[index]["emotion"] == emotion][:NUM_SHOWN]
              for emotion in map(str, EMOTIONS)}  # fmt: skip
    order = [index for indices in chosen.values() for index in indices]
    images = dict(zip(order, pictures(take_rows(folder, order, columns=["image"])), strict=True)) if order else {}
    readings = _readings(scores)
    return {
        emotion: [_picture(rows[index], images[index], readings) for index in indices]
        for emotion, indices in chosen.items()
        if indices
    }


def _picture(row: Mapping[str, Any], image: Image.Image, readings: Mapping[str, tuple[str, float]]) -> Picture:
    read, probability = readings.get(row["image_id"], ("", 0.0))
    recipe = {key: str(row[key]) for key in ("prompt", "seed", "model") if key in row}
    return Picture(image, row["image_id"], row["emotion"], read, probability, **recipe)


def _readings(scores: Path) -> dict[str, tuple[str, float]]:
    """Return the emotion that the judge on pixels reads in each scored image, with its probability."""
    if not scores.exists():
        return {}
    table = read_shards(scores, columns=["image_id", "judge"])
    chances = np.array(table["judge"].to_pylist())
    best = chances.argmax(1)
    read = [(str(EMOTIONS[index]), float(row[index])) for index, row in zip(best, chances, strict=True)]
    return dict(zip(table["image_id"].to_pylist(), read, strict=True))


def labelled_funnel(
    metrics: Mapping[str, Mapping[str, Any]], corpus: str
) -> tuple[list[Counted], list[tuple[str, int]]]:
    """Return the steps of the funnel of a labelled corpus and the rejects by reason.

    The steps count rows listed, images packed, images in the train split, and captions kept for training.
    """
    packed, filtered = metrics[corpus], metrics[f"caption_filter/{corpus}"]
    steps = [
        ("rows", packed["num_rows"]), ("packed", packed["num_images"]), ("train split", packed["images.train"]),
        ("captions kept", filtered["num_kept"]),
    ]  # fmt: skip
    rejects = [(key.partition(".")[2], num) for key, num in packed.items() if key.startswith("rejects.") and num]
    return _counted(steps), rejects


def emoart_funnel(metrics: Mapping[str, Mapping[str, Any]]) -> list[Counted]:
    """Return the steps of the EmoArt funnel, from the collected paintings to the captions kept for training."""
    counts = metrics.get("emoart_funnel", {})
    return _counted([(step, counts[f"num_{step}"]) for step in FUNNEL if f"num_{step}" in counts])


def flat_params(params: Params) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sections of params.yaml with their values by dotted key.

    Values outside sections come first, under an empty name.
    """
    values = params.model_dump(mode="json")
    alone = [(key, _text(value)) for key, value in values.items() if not isinstance(value, dict)]
    return [("", alone), *((key, list(_flat(value))) for key, value in values.items() if isinstance(value, dict))]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "[]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _counted(steps: Sequence[tuple[str, int]]) -> list[Counted]:
    return [Counted(step, num, num / max(steps[0][1], 1)) for step, num in steps]


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
