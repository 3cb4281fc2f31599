"""Compute the metrics reported for every emotion classifier on the test split: rates with their n, and calibration."""

import numpy as np
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS, polarity
from pipeline.judges.calibration import expected_calibration_error, negative_log_likelihood, softmax, wilson_interval

POSITIVE = np.array([polarity(emotion) == "positive" for emotion in EMOTIONS])


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
    says_positive = probabilities[:, POSITIVE].sum(1) > probabilities[:, ~POSITIVE].sum(1)
    numbers = {
        "n_test": len(right),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_polarity": float((says_positive == POSITIVE[emotions]).mean()),
        "temperature": temperature,
    }
    for name, values in (("before", before), ("after", probabilities)):
        numbers[f"ece_{name}"] = expected_calibration_error(values, emotions)
        numbers[f"nll_{name}"] = negative_log_likelihood(values, emotions)
    for index, emotion in enumerate(EMOTIONS):
        if (emotions == index).any():
            numbers[f"recall_{emotion}"] = float(right[emotions == index].mean())
    return numbers


def uncalibrated(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities NC before temperature scaling: softmax(logits / T) -> softmax(logits)."""
    return softmax(temperature * np.log(probabilities.astype(np.float64).clip(1e-30)))
