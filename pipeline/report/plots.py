"""Prepare what the page draws: curves, matrices, calibrations and histograms, as numbers and as paths of SVG.

The page draws them itself, so that they take its colors, in the dark too, and stay text that can be read and searched.
Images are embedded as WebP data URIs, no larger than they are shown, so that one file contains everything.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from pipeline.corpora.images import to_rgb
from pipeline.emotion_set import EMOTIONS
from pipeline.report.names import readable
from pipeline.training.curves import is_loss

PICTURE_PX, LARGE_PX = 128, 256  # longest edges of an image among many, and of one in the story
QUALITY = 82


@dataclass(frozen=True)
class Figure:
    """An image as a data URI with its size in px and its alternative text."""

    uri: str
    width: int
    height: int
    alt: str


def figure(image: Image.Image, alt: str, longest_px: int) -> Figure:
    """Return an image as a figure, shrunk if an edge exceeds longest_px."""
    small = to_rgb(image)
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=4)
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Figure(uri, small.width, small.height, alt)


WIDTH, HEIGHT = 300, 100  # units of the drawings; y grows downwards
MAX_POINTS = 150  # of a curve
# stages with a folder of plots for each corpus or method
FOREACH = ("coemogen", "textual_inversion", "dreambooth", "emogen", "caption_filter", "grids")


@dataclass(frozen=True)
class Curve:
    """A value by step: its path, the range of the axis, and the last step and value."""

    name: str
    path: str
    low: float
    high: float
    step: int
    last: float


@dataclass(frozen=True)
class Matrix:
    """A table of shares in [0, 1] that is drawn by shading; `texts` are shown, `corner` says what the rows are."""

    title: str
    corner: str
    rows: Sequence[str]
    columns: Sequence[str]
    shares: Sequence[Sequence[float]]
    texts: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Calibration:
    """Accuracy by confidence, before or after temperature scaling: points of (confidence, accuracy, images)."""

    title: str
    points: Sequence[tuple[float, float, int]]


def tables(root: Path, name: str, items: Sequence[str]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield all tables with a file name such as curve.csv, after the unit that wrote each and a title.

    Of stages that run for several items, only the tables of `items` are used.
    """
    for path in sorted(root.rglob(name)):
        stage, *rest = path.parent.relative_to(root).parts
        if stage not in FOREACH or rest[0] in items:
            yield "@".join([stage, *rest[: stage in FOREACH]]), _title(stage, rest), pd.read_csv(path)


def curves(table: pd.DataFrame) -> list[Curve]:
    """Return each loss of a training by step."""
    steps = table["step"].to_numpy()
    return [_curve(name, steps, table[name].to_numpy()) for name in table.columns if is_loss(name)]


def confusion(title: str, table: pd.DataFrame) -> Matrix:
    """Return a confusion matrix: annotated emotions as rows, classified ones as columns, as shares of the row."""
    wide = table.pivot(index="labelled", columns="classified", values="images")
    counts = wide.reindex(index=list(EMOTIONS), columns=list(EMOTIONS)).fillna(0).to_numpy()
    right, total = int(np.trace(counts)), int(counts.sum())
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    return matrix(f"{title}: {right} of {total} correct", "annotated as", EMOTIONS, EMOTIONS, shares)


def matrix(
    title: str, corner: str, rows: Sequence[str], columns: Sequence[str], shares: NDArray[np.floating[Any]]
) -> Matrix:
    """Return a matrix of shares whose texts are percent, empty for 0."""
    texts = [[f"{100 * share:.0f}" if share >= 0.005 else "" for share in row] for row in shares]
    return Matrix(title, corner, list(rows), list(columns), shares.tolist(), texts)


def calibrations(title: str, table: pd.DataFrame) -> list[Calibration]:
    """Return the calibration before and after temperature scaling."""
    curves = []
    for name, bins in table.groupby("scaling", sort=False):
        gaps = bins["images"] * (bins["accuracy"] - bins["confidence"]).abs()
        some = bins[bins["images"] > 0]
        points = [(float(x), float(y), int(num)) for x, y, num in
                  zip(some["confidence"], some["accuracy"], some["images"], strict=True)]  # fmt: skip
        error = gaps.sum() / max(bins["images"].sum(), 1)
        curves.append(Calibration(f"{title}, {name} scaling: ECE {error:.3f}", points))
    return curves


def emotions_by(metrics: Mapping[str, Mapping[str, Any]], methods: Sequence[str], key: str) -> Matrix | None:
    """Return a score of each emotion by method, such as emo_a/judge; None if there is none."""
    values = [[metrics.get(f"scores/{name}", {}).get(f"{key}/{emotion}") for emotion in EMOTIONS] for name in methods]
    shares = np.array(values, dtype=float)
    if np.isnan(shares).all():
        return None
    names = [readable(name) for name in methods]
    return matrix("", "method", names, EMOTIONS, np.nan_to_num(shares))


def _curve(name: str, steps: NDArray[np.int64], values: NDArray[np.float64]) -> Curve:
    low, high = float(values.min()), float(values.max())
    rows = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MAX_POINTS)).astype(int))
    x = WIDTH * (steps[rows] - steps[0]) / max(steps[-1] - steps[0], 1)
    y = HEIGHT * (1 - (values[rows] - low) / ((high - low) or 1))
    path = "M" + "L".join(f"{one:.0f},{other:.0f}" for one, other in zip(x, y, strict=True))
    return Curve(name, path, low, high, int(steps[-1]), float(values[-1]))


def _title(stage: str, rest: Sequence[str]) -> str:
    own = [f"{stage}_{rest[0]}" if stage == "coemogen" else stage, *rest[stage in FOREACH :]]
    return ", ".join(map(readable, own))
