"""Compute metrics that are means over images: per emotion, and overall as a weighted mean over emotions.

Emotions weigh equally, so that real images, where some emotions have twice as many images as others, are comparable
with generated ones. Under `emogen` each weighs as many images as it has, because the published code pools all images.
Intervals are percentiles of the same mean over images drawn with replacement within each emotion. Shares have Wilson
intervals, because the bootstrap interval of images that are all right has no width.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.judges.calibration import wilson_interval
from pipeline.metrics.result import Measure, Result, undefined

NUM_SAMPLES = 1000
LEVEL = 0.95
Floats = NDArray[np.floating]


def mean_results(
    measure: Measure, values: Floats, emotions: NDArray[np.int64], generator: np.random.Generator
) -> list[Result]:
    """Return the mean of values N overall, then for every emotion that occurs; emotions N, 0 to 7.

    An image with value NaN has no value and is not counted in n.
    """
    results, samples = [], []
    for index in np.unique(emotions):
        own = values[(emotions == index) & ~np.isnan(values)].astype(np.float64)
        drawn = resampled_means(own, generator)
        results.append(Result(measure, _mean(own), *_ends(drawn), len(own), EMOTIONS[index]))
        samples += [drawn] if len(own) else []
    counted = [result for result in results if result.n]
    if not counted:
        return [undefined(measure, 0), *results]
    weights = _weights(counted)
    value, overall = (np.average(means, 0, weights) for means in ([result.value for result in counted], samples))
    return [Result(measure, float(value), *_ends(overall), sum(result.n for result in counted)), *results]


def share_results(measure: Measure, right: NDArray[np.bool_], emotions: NDArray[np.int64]) -> list[Result]:
    """Return the share of right images overall, then for every emotion that occurs; right N, emotions N, 0 to 7.

    The overall interval uses Kish's effective sample size, the number of images that would determine a plain share with
    the same precision: it is N if each emotion has equally many images, and if images are pooled. N must be at least 1.
    """
    results = []
    for index in np.unique(emotions):
        own = right[emotions == index]
        rate = float(own.mean())
        results.append(Result(measure, rate, *_ends_of_share(rate, len(own)), len(own), EMOTIONS[index]))
    weights = _weights(results)
    overall = float(np.average([result.value for result in results], weights=weights))
    effective = round(sum(weights) ** 2 / sum(w**2 / result.n for w, result in zip(weights, results, strict=True)))
    return [Result(measure, overall, *_ends_of_share(overall, effective), len(right)), *results]


def mean_over_emotions(values: NDArray[np.generic], emotions: NDArray[np.int64]) -> float:
    """Return the mean over emotions of the means of values N, none of which may be NaN."""
    return _mean(np.array([values[emotions == index].mean(dtype=np.float64) for index in np.unique(emotions)]))


def resampled_means(values: Floats, generator: np.random.Generator) -> Floats:
    """Return NUM_SAMPLES means of n values drawn with replacement from n values; NaN for no values."""
    n = len(values)
    if n == 0:
        return np.full(NUM_SAMPLES, np.nan)
    means: Floats = generator.multinomial(n, np.full(n, 1 / n), NUM_SAMPLES) @ values / n
    return means


def _weights(results: Sequence[Result]) -> list[int]:
    """Return the weight of each emotion in the overall value: its n if the protocol pools images, else 1."""
    return [result.n if result.measure.pools_images else 1 for result in results]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _ends(samples: Floats) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _ends_of_share(rate: float, n: int) -> tuple[float, float]:
    """Return the interval of a rate, widened to contain the rate, which may not be a multiple of 1/n."""
    low, high = wilson_interval(round(rate * n), n)
    return min(low, rate), max(high, rate)
