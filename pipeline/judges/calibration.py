"""Calibrate probabilities and measure the error: temperature scaling, expected calibration error, Wilson intervals.

Follows Guo et al. 2017, "On Calibration of Modern Neural Networks". Curation at 0.75 (CoEmoGen 3.1) is a statement
about probabilities, so the classifier must be calibrated before it.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
NUM_BINS = 15  # as in Guo et al.
MAX_TEMPERATURE = 20.0
QUANTILE_95 = 1.959963984540054  # of the normal distribution, two-sided


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Return the softmax over classes: logits NC -> probabilities NC."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def fit_temperature(logits: Floats, targets: Integers) -> float:
    """Return the temperature T in [1/20, 20] that maximizes the likelihood of softmax(logits / T).

    logits NC, targets N -> T; 1 if there are no images.

    The log-likelihood is concave in 1/T, so its slope decreases and bisection finds its zero.
    """
    if not len(targets):
        return 1.0
    wide = logits.astype(np.float64)
    mean_of_targets = wide[np.arange(len(wide)), targets].mean()
    low, high = -math.log(MAX_TEMPERATURE), math.log(MAX_TEMPERATURE)
    for _ in range(50):
        middle = (low + high) / 2
        expected = (softmax(wide * math.exp(middle)) * wide).sum(1).mean()
        low, high = (middle, high) if expected < mean_of_targets else (low, middle)
    return math.exp(-(low + high) / 2)


def negative_log_likelihood(probabilities: Floats, targets: Integers) -> float:
    """Return the mean of -log p of the targets in nats; probabilities below 1e-12 count as 1e-12.

    probabilities NC, targets N -> float
    """
    chosen = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(chosen.clip(1e-12)).mean())


def reliability(probabilities: Floats, targets: Integers, num_bins: int = NUM_BINS) -> NDArray[np.float64]:
    """Return the image count, mean confidence and accuracy of each bin, as an array num_bins x 3.

    probabilities NC, targets N -> num_bins x 3

    The bins have equal width and split images by their confidence, the largest probability. A bin is a half-open
    interval (a, b]; an empty bin has zeros.
    """
    confidence, right = probabilities.max(1).astype(np.float64), probabilities.argmax(1) == targets
    places = (np.ceil(confidence * num_bins).astype(int) - 1).clip(0, num_bins - 1)
    num = np.bincount(places, minlength=num_bins)
    means = [np.bincount(places, values, num_bins) / num.clip(1) for values in (confidence, right)]
    return np.stack([num, *means], 1)


def expected_calibration_error(probabilities: Floats, targets: Integers, num_bins: int = NUM_BINS) -> float:
    """Return the ECE in [0, 1]: |accuracy - mean confidence| per bin of `reliability`, weighted by image count."""
    num, confidence, accuracy = reliability(probabilities, targets, num_bins).T
    return float((num * np.abs(accuracy - confidence)).sum() / num.sum())


def wilson_interval(num_right: int, num: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927), within [0, 1]; (0, 1) if `num` is 0."""
    if not num:
        return 0.0, 1.0
    rate, square = num_right / num, QUANTILE_95**2
    middle = (rate + square / (2 * num)) / (1 + square / num)
    spread = QUANTILE_95 / (1 + square / num) * math.sqrt(rate * (1 - rate) / num + square / (4 * num**2))
    return max(0.0, middle - spread), min(1.0, middle + spread)
