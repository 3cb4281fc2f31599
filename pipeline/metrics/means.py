"""Metrics that are means over images: per emotion, and overall the mean of these.

Emotions weigh alike, so that real pictures, of which some emotions have twice as many as others, stand beside
generated ones. Intervals are percentiles of the same over images drawn with replacement within each emotion; those of
shares are Wilson's, as a bootstrap of images that are all right has no width.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import wilson_interval
from pipeline.metrics.result import Measure, Result

NUM_SAMPLES = 1000
LEVEL = 0.95
Floats = NDArray[np.floating]


def mean_results(
    measure: Measure, values: Floats, emotions: NDArray[np.int64], generator: np.random.Generator
) -> list[Result]:
    """Values N of images whose emotions are N, 0 to 7 -> overall, then every emotion that occurs.

    An image with value NaN has none and is not of the n.
    """
    found, samples = [], []
    for index in np.unique(emotions):
        own = values[(emotions == index) & ~np.isnan(values)].astype(np.float64)
        drawn = resampled_means(own, generator)
        found.append(Result(measure, _mean(own), *_ends(drawn), len(own), EMOTIONS[index]))
        samples += [drawn] if len(own) else []
    means = [result.value for result in found if result.n]
    overall = np.mean(samples, 0) if samples else np.full(NUM_SAMPLES, np.nan)
    n = sum(result.n for result in found)
    return [Result(measure, _mean(np.array(means)), *_ends(overall), n), *found]


def share_results(measure: Measure, right: NDArray[np.bool_], emotions: NDArray[np.int64]) -> list[Result]:
    """Whether each of N images is right, and their emotions N, 0 to 7 -> overall, then every emotion that occurs.

    The overall interval is of as many images as would tell their plain share as surely (Kish's effective number): all N
    where each emotion has equally many. N >= 1.
    """
    found = []
    for index in np.unique(emotions):
        own = right[emotions == index]
        rate = float(own.mean())
        found.append(Result(measure, rate, *_ends_of_share(rate, len(own)), len(own), EMOTIONS[index]))
    overall = mean_over_emotions(right, emotions)
    effective = round(len(found) ** 2 / sum(1 / result.n for result in found))
    return [Result(measure, overall, *_ends_of_share(overall, effective), len(right)), *found]


def mean_over_emotions(values: NDArray[np.generic], emotions: NDArray[np.int64]) -> float:
    """The mean over emotions of the means of values N, each of which is there."""
    return _mean(np.array([values[emotions == index].mean(dtype=np.float64) for index in np.unique(emotions)]))


def resampled_means(values: Floats, generator: np.random.Generator) -> Floats:
    """Means of as many values drawn with replacement, NUM_SAMPLES times; NaN of none."""
    n = len(values)
    if n == 0:
        return np.full(NUM_SAMPLES, np.nan)
    means: Floats = generator.multinomial(n, np.full(n, 1 / n), NUM_SAMPLES) @ values / n
    return means


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _ends(samples: Floats) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _ends_of_share(rate: float, n: int) -> tuple[float, float]:
    """Never beyond the rate itself, which is not always a whole number of n."""
    low, high = wilson_interval(round(rate * n), n)
    return min(low, rate), max(high, rate)
