"""Compute diversity metrics: the mean distance of pairs of images of the same emotion, with its interval.

Several pairs may share an image, so distances are not independent. The variance of their mean is the sum of the
covariances of pairs with a common image (the dyadic estimator of Fafchamps and Gubert, 2007). This equals the variance
for independent pairs if no image is shared, and the variance of a U-statistic if all pairs are taken. Deviations from a
mean of few images are too small, so they are scaled by n / (n - 2), as leaving out one image at a time would.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.metrics.result import Measure, Result

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
Z = 1.96  # 95 % quantile (two-sided) of the normal distribution


@dataclass(frozen=True)
class Pairs:
    """P pairs of images by row index, and the emotion of each pair, P, 0 to 7, ascending."""

    first: Integers
    second: Integers
    emotions: Integers

    def __len__(self) -> int:
        return len(self.emotions)


def pairs_within_emotions(emotions: Integers, num_pairs: int, generator: np.random.Generator) -> Pairs:
    """Return `num_pairs` distinct pairs of distinct images for each emotion, or all pairs if there are fewer.

    emotions has shape N. The draw is seeded by `generator`. An emotion with one image has no pair.
    """
    parts = []
    for index in np.unique(emotions):
        rows = generator.permutation(np.flatnonzero(emotions == index))
        second, first = _pair_of(_choice(len(rows) * (len(rows) - 1) // 2, num_pairs, generator))
        parts.append(np.stack([rows[first], rows[second], np.full(len(first), index)]))
    return Pairs(*np.concatenate(parts, axis=1))


def pair_results(measure: Measure, pairs: Pairs, distances: Floats) -> list[Result]:
    """Return the mean of distances P overall (the mean over emotions), then for every emotion; n counts pairs.

    A single pair has no interval.
    """
    places = [np.flatnonzero(pairs.emotions == index) for index in np.unique(pairs.emotions)]
    means = [float(distances[place].mean()) for place in places]
    residuals, weights = np.empty(len(pairs)), np.empty(len(pairs))
    for place, mean in zip(places, means, strict=True):
        residuals[place] = (distances[place] - mean) * _drawn_out(pairs.first[place], pairs.second[place])
        weights[place] = 1 / (len(places) * len(place))
    overall = float(np.mean(means)) if means else float("nan")
    results = [Result(measure, overall, *_ends(overall, pairs, weights * residuals), len(pairs))]
    for place, mean in zip(places, means, strict=True):
        own = Pairs(pairs.first[place], pairs.second[place], pairs.emotions[place])
        ends = _ends(mean, own, residuals[place] / len(place))
        results.append(Result(measure, mean, *ends, len(place), EMOTIONS[pairs.emotions[place[0]]]))
    return results


def _ends(mean: float, pairs: Pairs, parts: Floats) -> tuple[float, float]:
    """Return the ends of the interval; parts P are the contributions of the pairs to the error of the mean."""
    if len(pairs) < 2:
        return float("nan"), float("nan")
    images = np.concatenate([pairs.first, pairs.second])
    by_image = np.bincount(images, np.concatenate([parts, parts]))
    alone = float(parts @ parts)
    half = Z * max(float(by_image @ by_image) - alone, alone) ** 0.5
    return mean - half, mean + half


def _drawn_out(first: Integers, second: Integers) -> float:
    """Return n / (n - 2), where n is the number of distinct images in the pairs; 1 for a single pair."""
    n = len(np.union1d(first, second))
    return n / (n - 2) if n > 2 else 1.0


def _choice(total: int, number: int, generator: np.random.Generator) -> Integers:
    """Return `number` distinct integers below `total` in ascending order, or all of them."""
    if number >= total:
        return np.arange(total)
    return np.sort(generator.choice(total, number, replace=False, shuffle=False))


def _pair_of(codes: Integers) -> tuple[Integers, Integers]:
    """Return the pair for each code: 0, 1, 2, 3, ... are (1, 0), (2, 0), (2, 1), (3, 0), ..."""
    larger = np.floor((1 + np.sqrt(8.0 * codes + 1)) / 2).astype(np.int64)
    larger -= larger * (larger - 1) // 2 > codes  # where the root was rounded up
    return larger, codes - larger * (larger - 1) // 2
