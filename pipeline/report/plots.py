"""Draw what trainings and judges leave as tables: curves, confusions, calibration."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.colors import DROPPED_COLOR, KEPT_COLOR
from pipeline.emotion_set import EMOTIONS
from pipeline.figure import drawn
from pipeline.training.curves import is_loss

COLORS = {"before": DROPPED_COLOR, "after": KEPT_COLOR}
Draw = Callable[[pd.DataFrame, IO[bytes]], None]


def draw(path: Path) -> Image.Image:
    """Return the plot of a table, by its file name: curve.csv, confusion.csv or calibration.csv."""
    buffer = io.BytesIO()
    DRAWINGS[path.name](pd.read_csv(path), buffer)
    return Image.open(buffer)


def curve(table: pd.DataFrame, target: IO[bytes]) -> None:
    """Draw each loss of a training by step."""
    columns = [name for name in table.columns if is_loss(name)]
    size = (3.4 * len(columns), 2.6)
    with drawn(target, 1, len(columns), figsize=size, squeeze=False, layout="tight") as (_, axes):
        for axis, name in zip(axes[0], columns, strict=True):
            axis.plot(table["step"], table[name], color=KEPT_COLOR, linewidth=1)
            axis.set_title(name, fontsize=9)
            axis.set_xlabel("step")


def confusion(table: pd.DataFrame, target: IO[bytes]) -> None:
    """Draw the confusion matrix: a share of its row and a count in each cell, lines between the polarities."""
    wide = table.pivot(index="labelled", columns="classified", values="images")
    counts = wide.reindex(index=list(EMOTIONS), columns=list(EMOTIONS)).to_numpy()
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    with drawn(target, 1, 1, figsize=(7.2, 6.4), constrained_layout=True) as (figure, axis):
        mesh = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(counts):
            _cell(axis, row, column, shares[row, column], counts[row, column])
        axis.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for line in (axis.axhline, axis.axvline):
            line(len(EMOTIONS) / 2 - 0.5, color="black", linewidth=0.8)
        axis.set(xlabel="classified as", ylabel="annotated as")
        right, total = int(np.trace(counts)), int(counts.sum())
        axis.set_title(f"{right} of {total} test images correct, {right / max(total, 1):.1%}", fontsize=10)
        figure.colorbar(mesh, ax=axis, shrink=0.6, label="fraction of the row").outline.set_visible(False)


def _cell(axis: Any, row: int, column: int, share: float, count: int) -> None:
    color = "white" if share > 0.55 else "black"
    axis.text(column, row - 0.1, f"{share:.2f}", ha="center", va="center", color=color, fontsize=9)
    axis.text(column, row + 0.23, int(count), ha="center", va="center", color=color, fontsize=6)


def calibration(table: pd.DataFrame, target: IO[bytes]) -> None:
    """Draw accuracy against confidence, before and after temperature, above the number of images in each bin."""
    options = {"figsize": (5.6, 6.0), "sharex": True, "height_ratios": (3, 1), "constrained_layout": True}
    with drawn(target, 2, 1, **options) as (_, (above, below)):
        above.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
        for name, bins in table.groupby("scaling", sort=False):
            error = (bins["images"] * (bins["accuracy"] - bins["confidence"]).abs()).sum() / bins["images"].sum()
            label = f"after, T = {bins['temperature'].iloc[0]:.2f}" if name == "after" else name
            some, color = bins[bins["images"] > 0], COLORS[str(name)]
            above.plot(
                some["confidence"], some["accuracy"], color=color, linewidth=1, label=f"{label}: ECE {error:.3f}"
            )
            above.scatter(some["confidence"], some["accuracy"], 6 + 120 * some["images"] / bins["images"].sum(), color)
            below.stairs(bins["images"], np.linspace(0, 1, len(bins) + 1), color=color, fill=True, alpha=0.45)
        num = int(table.groupby("scaling")["images"].sum().max())
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy", title=f"{num} test images")
        above.legend(frameon=False, loc="upper left")
        below.set(xlabel="confidence (largest probability)", ylabel="images")


DRAWINGS: Mapping[str, Draw] = {"curve.csv": curve, "confusion.csv": confusion, "calibration.csv": calibration}
