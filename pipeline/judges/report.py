"""Compute the metrics reported for every emotion classifier on the test split: rates with their n, and calibration.

How a classifier errs is kept as tables that the report draws: its confusions, and its calibration.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS, SIGNS, polarity
from pipeline.judges.calibration import (
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
    softmax,
    wilson_interval,
)

POSITIVE, NEGATIVE = (np.array([polarity(emotion) == sign for emotion in EMOTIONS]) for sign in SIGNS)


def emotion_metrics(
    probabilities: NDArray[np.float32], temperature: float, emotions: NDArray[np.int64]
) -> dict[str, float]:
    """Return flat metrics of calibrated probabilities N8 for images with emotions N.

    The metrics are n_test, accuracy with its 95 % interval, accuracy_polarity, temperature, ECE and NLL, and the recall
    of each emotion. accuracy_polarity sums the probabilities of each polarity first, as EmoGen does. The suffixes
    before and after mean without and with temperature scaling. An emotion without images has no recall. Raises
    ValueError if there are no images.
    """
    if not len(emotions):
        raise ValueError("No images in the test split: the report needs at least one.")
    before = uncalibrated(probabilities, temperature)
    right = probabilities.argmax(1) == emotions
    low, high = wilson_interval(int(right.sum()), len(right))
    numbers = {
        "n_test": len(right),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        **polarity_accuracy(probabilities, emotions),
        "temperature": temperature,
    }
    for name, values in (("before", before), ("after", probabilities)):
        numbers[f"ece_{name}"] = expected_calibration_error(values, emotions)
        numbers[f"nll_{name}"] = negative_log_likelihood(values, emotions)
    for index, emotion in enumerate(EMOTIONS):
        if (emotions == index).any():
            numbers[f"recall_{emotion}"] = float(right[emotions == index].mean())
    return numbers


def polarity_accuracy(probabilities: NDArray[np.float32], emotions: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy_polarity over the images whose emotion has a polarity; nothing where a polarity is missing."""
    signed = (POSITIVE | NEGATIVE)[emotions]
    if not (POSITIVE.any() and NEGATIVE.any() and signed.any()):
        return {}
    says_positive = probabilities[:, POSITIVE].sum(1) > probabilities[:, NEGATIVE].sum(1)
    return {"accuracy_polarity": float((says_positive == POSITIVE[emotions])[signed].mean())}


def uncalibrated(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities NC before temperature scaling: softmax(logits / T) -> softmax(logits)."""
    return softmax(temperature * np.log(probabilities.astype(np.float64).clip(1e-30)))


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
