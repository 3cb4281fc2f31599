"""Keep what a training leaves to look at: its curve as a table, which the report draws, and sheets of samples."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.work import written_aside

if TYPE_CHECKING:
    from pipeline.training.loop import Trained

NO_LOSSES = ("step", "rate_factor")  # columns of a curve that are not losses
OBSERVED = "observed_"  # begins the names of what a module reports beside its losses, such as norms of gradients


def save_training(trained: "Trained", folder: Path) -> None:
    """Write the curve and the contact sheets of a training into its plots folder."""
    save_curve(trained.curve, folder)
    for sheet in trained.sheets:
        shutil.copyfile(sheet, folder / sheet.name)


def is_loss(name: str) -> bool:
    """Return whether a column of a curve is a loss."""
    return name not in NO_LOSSES and not name.startswith(OBSERVED)


def final_values(trained: "Trained") -> dict[str, float]:
    """Return the last point of the curve: loss_NAME for losses, and what else was observed by its name."""
    last = {name: values[-1] for name, values in trained.curve.items() if name not in NO_LOSSES}
    return {f"loss_{name}" if is_loss(name) else name.removeprefix(OBSERVED): value for name, value in last.items()}


def save_curve(curve: Mapping[str, Sequence[float]], folder: Path) -> None:
    """Write the losses by step to curve.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(curve)
    with written_aside(folder / "curve.csv") as aside, aside.open("w", newline="", encoding="utf-8") as file:
        rows = zip(*(curve[name] for name in names), strict=True)
        csv.writer(file).writerows([names, *[[f"{value:.6g}" for value in row] for row in rows]])
