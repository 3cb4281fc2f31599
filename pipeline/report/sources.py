"""Collect the content of the page from the folders of the pipeline: images of methods, plots, counts.

The folders may still contain results of other params; only those of the present corpora and methods are used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.artifacts import read_shards, take_rows
from pipeline.emotions import EMOTIONS
from pipeline.features import pictures
from pipeline.params import Params
from pipeline.report.figures import PICTURE_PX, Figure, figure, plot, sheet

NUM_SHOWN = 4  # images per emotion and method
# stages with a folder of plots for each corpus or method
FOREACH = ("caption_filter", "coemogen", "grids", "textual_inversion", "dreambooth", "emogen")
FUNNEL = ("collected", "readable", "confident", "frequent", "captioned", "kept")


@dataclass(frozen=True)
class Method:
    """The first images of each emotion by a method, with its total number of images, prompts and models."""

    name: str
    num_images: int
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    images: Mapping[str, list[Image.Image]]

    def sheet(self, emotion: str) -> Figure | None:
        """Return up to NUM_SHOWN images as a sheet; None for an emotion that the method has no images of."""
        samples = self.images.get(emotion)
        return sheet(samples, 2, f"{emotion} by {self.name}") if samples else None

    def first(self, emotion: str) -> Figure | None:
        samples = self.images.get(emotion)
        return figure(samples[0], f"{emotion} by {self.name}", longest_px=PICTURE_PX) if samples else None


@dataclass(frozen=True)
class Counted:
    """A step of a funnel: the number of images left, and its share of the first step."""

    step: str
    num: int
    share: float


def read_method(name: str, folder: Path) -> Method:
    """Read the image shards of a method; only the images that are shown are in memory at the same time."""
    rows = read_shards(folder, columns=["emotion", "prompt", "model"])
    emotions = rows["emotion"].to_pylist()
    places = {emotion: [place for place, other in enumerate(emotions) if other == emotion][:NUM_SHOWN]
              for emotion in map(str, EMOTIONS) if emotion in emotions}  # fmt: skip
    decoded = iter(
        pictures(take_rows(folder, [place for chosen in places.values() for place in chosen], columns=["image"]))
    )
    images = {emotion: [next(decoded) for _ in chosen] for emotion, chosen in places.items()}
    prompts, models = (tuple(sorted(set(rows[column].to_pylist()))) for column in ("prompt", "model"))
    return Method(name, len(rows), prompts, models, images)


def find_plots(root: Path, name: str, items: Sequence[str]) -> Iterator[Figure]:
    """Yield all plots with a file name such as curve.png.

    Of stages that run for several items, only the plots of `items` are used.
    """
    for path in sorted(root.rglob(name)):
        stage, *rest = path.parent.relative_to(root).parts
        if stage not in FOREACH or rest[0] in items:
            title = " ".join([stage, *rest])
            yield plot(path, f"{path.stem} of {title}", title)


def plots_of(folder: Path, names: Sequence[str]) -> list[Figure]:
    """Return the existing plots of a stage with these names (without .png)."""
    paths = [folder / f"{name}.png" for name in names]
    title = f"{folder.parent.name} {folder.name}"
    return [plot(path, f"{path.stem}, {title}", f"{folder.name}: {path.stem}") for path in paths if path.exists()]


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
    counts = metrics["emoart_funnel"]
    return _counted([(step, counts[f"num_{step}"]) for step in FUNNEL])


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
