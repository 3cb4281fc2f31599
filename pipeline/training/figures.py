"""Plot a training: its curve as a table for `dvc plots` and as an image, and contact sheets of samples."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.figures import drawn
from pipeline.work import written_aside

if TYPE_CHECKING:
    from pipeline.training.loop import Trained

NO_LOSSES = ("step", "rate_factor")  # columns of a curve that are not losses


def save_training(trained: "Trained", folder: Path) -> None:
    """Write the curve and the contact sheets of a training into its plots folder."""
    save_curve(trained.curve, folder)
    for sheet in trained.sheets:
        shutil.copyfile(sheet, folder / sheet.name)


def save_curve(curve: Mapping[str, Sequence[float]], folder: Path) -> None:
    """Write the losses by step to curve.csv and curve.png."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(curve)
    with written_aside(folder / "curve.csv") as aside, aside.open("w", newline="", encoding="utf-8") as file:
        rows = zip(*(curve[name] for name in names), strict=True)
        csv.writer(file).writerows([names, *[[f"{value:.6g}" for value in row] for row in rows]])
    shown = [name for name in names if name not in NO_LOSSES]
    with drawn(folder / "curve.png", 1, len(shown), figsize=(3.4 * len(shown), 2.6), squeeze=False) as (figure, axes):
        for axis, name in zip(axes[0], shown, strict=True):
            axis.plot(curve["step"], curve[name], color="#2b6f8f", linewidth=1)
            axis.set_title(name, fontsize=9)
            axis.set_xlabel("step")
        figure.tight_layout()


def contact_sheet(pictures: Sequence[NDArray[np.uint8]], num_columns: int, gap: int = 2) -> Image.Image:
    """Return images HW3 of one size, arranged row by row on white."""
    height, width = pictures[0].shape[:2]
    num_rows = -(-len(pictures) // num_columns)
    sheet = np.full((num_rows * (height + gap) + gap, num_columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, num_columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return Image.fromarray(sheet)
