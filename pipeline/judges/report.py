"""Compute the metrics reported for every emotion classifier on the test split: rates with their n, and calibration."""

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS, SIGNS, polarity
from pipeline.judges.calibration import expected_calibration_error, negative_log_likelihood, softmax, wilson_interval

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
