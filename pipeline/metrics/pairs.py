"""Metrics of diversity: the mean distance of pairs of images that show one emotion, and its interval.

Several pairs may share an image, so distances are not independent. The variance of their mean is the sum of the
covariances of pairs with a common image (the dyadic estimator of Fafchamps and Gubert, 2007): that of independent
pairs where none is shared, and of a U-statistic where all pairs are taken. Deviations from a mean of few images are too
small; they are drawn out by n / (n - 2), as leaving out one image at a time would.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.metrics.result import Measure, Result

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
Z = 1.96  # of the normal distribution, 95 %


@dataclass(frozen=True)
class Pairs:
    """P pairs of images by their rows, and the emotion of each pair, P, 0 to 7, ascending."""

    first: Integers
    second: Integers
    emotions: Integers

    def __len__(self) -> int:
        return len(self.emotions)


def pairs_within_emotions(emotions: Integers, num_pairs: int, generator: np.random.Generator) -> Pairs:
    """Of each emotion `num_pairs` distinct pairs of distinct images, or all where there are fewer; seeded.

    emotions N are those of the images. An emotion with one image has no pair.
    """
    parts = []
    for index in np.unique(emotions):
        rows = generator.permutation(np.flatnonzero(emotions == index))
        second, first = _pair_of(_choice(len(rows) * (len(rows) - 1) // 2, num_pairs, generator))
        parts.append(np.stack([rows[first], rows[second], np.full(len(first), index)]))
    return Pairs(*np.concatenate(parts, axis=1))


def pair_results(measure: Measure, pairs: Pairs, distances: Floats) -> list[Result]:
    """Distances P of the pairs -> overall, the mean over emotions, then every emotion; n are pairs.

    One pair alone has no interval.
    """
    places = [np.flatnonzero(pairs.emotions == index) for index in np.unique(pairs.emotions)]
    means = [float(distances[place].mean()) for place in places]
    residuals, weights = np.empty(len(pairs)), np.empty(len(pairs))
    for place, mean in zip(places, means, strict=True):
        residuals[place] = (distances[place] - mean) * _drawn_out(pairs.first[place], pairs.second[place])
        weights[place] = 1 / (len(places) * len(place))
    overall = float(np.mean(means)) if means else float("nan")
    found = [Result(measure, overall, *_ends(overall, pairs, weights * residuals), len(pairs))]
    for place, mean in zip(places, means, strict=True):
        own = Pairs(pairs.first[place], pairs.second[place], pairs.emotions[place])
        ends = _ends(mean, own, residuals[place] / len(place))
        found.append(Result(measure, mean, *ends, len(place), EMOTIONS[pairs.emotions[place[0]]]))
    return found


def _ends(mean: float, pairs: Pairs, parts: Floats) -> tuple[float, float]:
    """Ends of the interval, from what each pair adds to the error of the mean, P."""
    if len(pairs) < 2:
        return float("nan"), float("nan")
    images = np.concatenate([pairs.first, pairs.second])
    by_image = np.bincount(images, np.concatenate([parts, parts]))
    alone = float(parts @ parts)
    half = Z * max(float(by_image @ by_image) - alone, alone) ** 0.5
    return mean - half, mean + half


def _drawn_out(first: Integers, second: Integers) -> float:
    """n / (n - 2) of the n images of pairs; 1 of a pair alone."""
    n = len(np.union1d(first, second))
    return n / (n - 2) if n > 2 else 1.0


def _choice(total: int, number: int, generator: np.random.Generator) -> Integers:
    """So many distinct numbers below `total`, ascending, or all."""
    if number >= total:
        return np.arange(total)
    return np.sort(generator.choice(total, number, replace=False, shuffle=False))


def _pair_of(codes: Integers) -> tuple[Integers, Integers]:
    """0, 1, 2, 3 and on as pairs (1, 0), (2, 0), (2, 1), (3, 0) and on."""
    larger = np.floor((1 + np.sqrt(8.0 * codes + 1)) / 2).astype(np.int64)
    larger -= larger * (larger - 1) // 2 > codes  # where the root was rounded up
    return larger, codes - larger * (larger - 1) // 2
