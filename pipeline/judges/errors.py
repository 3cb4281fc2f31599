"""Keep how an emotion classifier errs, as tables that the report draws: its confusions, and its calibration."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.judges.calibration import reliability
from pipeline.judges.report import uncalibrated

CONFUSION, CALIBRATION = "confusion.csv", "calibration.csv"
Integers = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def save_confusion(probabilities: Probabilities, emotions: Integers, folder: Path) -> None:
    """Write confusion.csv: how many images labelled with one emotion (rows N) are classified as another (of N8)."""
    counts = confusion_counts(probabilities, emotions)
    rows = ((EMOTIONS[row], EMOTIONS[column], int(counts[row, column])) for row, column in np.ndindex(*counts.shape))
    _write(folder / CONFUSION, ("labelled", "classified", "images"), rows)


def save_calibration(probabilities: Probabilities, temperature: float, emotions: Integers, folder: Path) -> None:
    """Write calibration.csv: per bin of confidence the images, their mean confidence and accuracy.

    The bins come once before and once after division by the temperature, which stands in each row.
    """
    kinds = (("before", uncalibrated(probabilities, temperature)), ("after", probabilities))
    rows = (
        (name, f"{temperature:.6g}", index, int(number), f"{confidence:.6g}", f"{accuracy:.6g}")
        for name, values in kinds
        for index, (number, confidence, accuracy) in enumerate(reliability(values, emotions))
    )
    _write(folder / CALIBRATION, ("scaling", "temperature", "bin", "images", "confidence", "accuracy"), rows)


def confusion_counts(probabilities: Probabilities, emotions: Integers) -> Integers:
    """Return 8 x 8 counts: images of each emotion (row) by the most probable emotion (column)."""
    num = len(EMOTIONS)
    return np.bincount(num * emotions + probabilities.argmax(1), minlength=num**2).reshape(num, num)


def _write(path: Path, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
