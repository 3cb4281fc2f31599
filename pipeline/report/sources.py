"""What the page is made of, found in the folders of the pipeline: pictures of methods, plots, counts.

The folders may still hold what other params made; only what belongs to the present corpora and methods is taken.
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

NUM_SHOWN = 4  # pictures of an emotion by each method
FOREACH = ("caption_filter", "coemogen", "grids")  # folders of plots that have one for each corpus or method
FUNNEL = ("collected", "readable", "confident", "frequent", "captioned", "kept")


@dataclass(frozen=True)
class Method:
    """The first images of each emotion by a method, by emotion, and what made them."""

    name: str
    num_images: int
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    images: Mapping[str, list[Image.Image]]

    def sheet(self, emotion: str) -> Figure | None:
        """NUM_SHOWN of them; None for an emotion that the method does not know."""
        found = self.images.get(emotion)
        return sheet(found, 2, f"{emotion} by {self.name}") if found else None

    def first(self, emotion: str) -> Figure | None:
        found = self.images.get(emotion)
        return figure(found[0], f"{emotion} by {self.name}", longest_px=PICTURE_PX) if found else None


@dataclass(frozen=True)
class Counted:
    """A step of a funnel: how many pictures are left, as a number and as a share of the first step."""

    step: str
    num: int
    share: float


def read_method(name: str, folder: Path) -> Method:
    """The shards of images of a method; no more pictures than are shown are in memory."""
    rows = read_shards(folder, columns=["emotion", "prompt", "model"])
    emotions = rows["emotion"].to_pylist()
    places = {emotion: [place for place, other in enumerate(emotions) if other == emotion][:NUM_SHOWN]
              for emotion in map(str, EMOTIONS) if emotion in emotions}  # fmt: skip
    found = iter(pictures(take_rows(folder, [place for each in places.values() for place in each], columns=["image"])))
    images = {emotion: [next(found) for _ in each] for emotion, each in places.items()}
    prompts, models = (tuple(sorted(set(rows[column].to_pylist()))) for column in ("prompt", "model"))
    return Method(name, len(rows), prompts, models, images)


def find_plots(root: Path, name: str, items: Sequence[str]) -> Iterator[Figure]:
    """Plots of one file name, such as curve.png, over all stages; of the foreach stages those of the items."""
    for path in sorted(root.rglob(name)):
        stage, *rest = path.parent.relative_to(root).parts
        if stage not in FOREACH or rest[0] in items:
            said = " ".join([stage, *rest])
            yield plot(path, f"{path.stem} of {said}", said)


def plots_of(folder: Path, names: Sequence[str]) -> list[Figure]:
    """The plots of a stage by their names without .png, those that it drew."""
    paths = [folder / f"{name}.png" for name in names]
    said = f"{folder.parent.name} {folder.name}"
    return [plot(path, f"{path.stem}, {said}", f"{folder.name}: {path.stem}") for path in paths if path.exists()]


def emoset_funnel(metrics: Mapping[str, Mapping[str, Any]]) -> tuple[list[Counted], list[tuple[str, int]]]:
    """Rows that EmoSet lists, pictures that are packed, captions that training may use; and the rejects by reason."""
    packed, filtered = metrics["emoset"], metrics["caption_filter/emoset"]
    steps = [
        ("rows", packed["num_rows"]), ("packed", packed["num_images"]), ("train split", packed["images.train"]),
        ("captions kept", filtered["num_kept"]),
    ]  # fmt: skip
    rejects = [(key.partition(".")[2], num) for key, num in packed.items() if key.startswith("rejects.") and num]
    return _counted(steps), rejects


def emoart_funnel(metrics: Mapping[str, Mapping[str, Any]]) -> list[Counted]:
    """From the paintings to the captions that training may use."""
    found = metrics["emoart_funnel"]
    return _counted([(step, found[f"num_{step}"]) for step in FUNNEL])


def flat_params(params: Params) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of params.yaml with what they hold, by dotted key; single values under the name of none."""
    values = params.model_dump(mode="json")
    alone = [(key, _said(value)) for key, value in values.items() if not isinstance(value, dict)]
    return [("", alone), *((key, list(_flat(value))) for key, value in values.items() if isinstance(value, dict))]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _said(value)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "[]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _counted(steps: Sequence[tuple[str, int]]) -> list[Counted]:
    return [Counted(step, num, num / max(steps[0][1], 1)) for step, num in steps]
