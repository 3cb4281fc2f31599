"""Plot the errors of an emotion classifier: its confusion matrix and a reliability diagram."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.captions.figures import DROPPED_COLOR, KEPT_COLOR, drawn
from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import expected_calibration_error, reliability
from pipeline.judges.report import uncalibrated

Integers = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def confusion(probabilities: Probabilities, emotions: Integers, path: Path) -> None:
    """Draw the confusion matrix of probabilities N8 to `path`.

    Rows are the labelled emotions, columns the most probable ones. Each cell shows its share of the row and its count.
    Lines separate the polarities.
    """
    counts = confusion_counts(probabilities, emotions)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    with drawn(path, 1, 1, figsize=(7.2, 6.4), constrained_layout=True) as (figure, axis):
        shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                color = "white" if shares[row, column] > 0.55 else "black"
                text = f"{shares[row, column]:.2f}"
                axis.text(column, row - 0.1, text, ha="center", va="center", color=color, fontsize=9)
                axis.text(column, row + 0.23, counts[row, column], ha="center", va="center", color=color, fontsize=6)
        axis.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for draw in (axis.axhline, axis.axvline):
            draw(len(EMOTIONS) / 2 - 0.5, color="black", linewidth=0.8)
        axis.set(xlabel="classified as", ylabel="labelled as")
        right, total = int(np.trace(counts)), int(counts.sum())
        axis.set_title(f"{right} of {total} test pictures right, {right / max(total, 1):.1%}", fontsize=10)
        figure.colorbar(shown, ax=axis, shrink=0.6, label="share of the row").outline.set_visible(False)


def confusion_counts(probabilities: Probabilities, emotions: Integers) -> Integers:
    """Return counts 8 x 8: images of each emotion (row) by predicted emotion (column)."""
    num = len(EMOTIONS)
    return np.bincount(num * emotions + probabilities.argmax(1), minlength=num**2).reshape(num, num)


def calibration(probabilities: Probabilities, temperature: float, emotions: Integers, path: Path) -> None:
    """Draw accuracy against confidence before and after temperature scaling, above the number of images per bin."""
    kinds = (
        ("before", uncalibrated(probabilities, temperature), DROPPED_COLOR),
        (f"after, T = {temperature:.2f}", probabilities, KEPT_COLOR),
    )
    options = {"figsize": (5.6, 6.0), "sharex": True, "height_ratios": (3, 1), "constrained_layout": True}
    with drawn(path, 2, 1, **options) as (_, (above, below)):
        above.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
        for name, values, color in kinds:
            num, confidence, accuracy = reliability(values, emotions).T
            error = expected_calibration_error(values, emotions)
            some = num > 0
            above.plot(confidence[some], accuracy[some], color=color, linewidth=1, label=f"{name}: ECE {error:.3f}")
            above.scatter(confidence[some], accuracy[some], 6 + 120 * num[some] / num.sum(), color=color)
            below.stairs(num, np.linspace(0, 1, len(num) + 1), color=color, fill=True, alpha=0.45)
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy", title=f"{len(emotions)} test pictures")
        above.legend(frameon=False, loc="upper left")
        below.set(xlabel="confidence: the largest probability", ylabel="pictures")
