"""Accumulate additive sums over feature vectors, so that sets of images can be combined without reading them again."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROWS = 1024  # rows copied to float64 at the same time


@dataclass(frozen=True)
class Statistics:
    """The sum D and the sum of outer products DD of n feature vectors, float64. n may be a weight."""

    n: float
    total: Floats
    outer: Floats

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.n + other.n, self.total + other.total, self.outer + other.outer)

    def __sub__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.n - other.n, self.total - other.total, self.outer - other.outer)

    def scaled(self, weight: float) -> "Statistics":
        """Return the sums as if each vector occurred `weight` times."""
        return Statistics(weight * self.n, weight * self.total, weight * self.outer)

    @property
    def mean(self) -> Floats:
        return self.total / self.n

    @property
    def covariance(self) -> Floats:
        """Return the covariance DD, divided by n - 1; requires n > 1."""
        return (self.outer - self.n * np.outer(self.mean, self.mean)) / (self.n - 1)


def statistics_of(features: NDArray[np.floating]) -> Statistics:
    """Return the sums of features ND."""
    width = features.shape[1]
    total = Statistics(0, np.zeros(width), np.zeros((width, width)))
    for start in range(0, len(features), ROWS):
        rows = features[start : start + ROWS].astype(np.float64)
        total = total + Statistics(len(rows), rows.sum(0), rows.T @ rows)
    return total


def by_emotion(features: NDArray[np.floating], emotions: NDArray[np.int64]) -> dict[int, Statistics]:
    """Return the sums of features ND for each emotion that occurs in emotions N."""
    return {int(index): statistics_of(features[emotions == index]) for index in np.unique(emotions)}


def pooled(parts: Mapping[int, Statistics]) -> Statistics:
    """Return the sums over all emotions; there must be at least one."""
    first, *others = parts.values()
    for other in others:
        first = first + other
    return first


def pooled_as(parts: Mapping[int, Statistics], shares: Mapping[int, float]) -> Statistics:
    """Return the sums over all emotions, reweighted to the given shares.

    The total n stays the same. The shares must sum to 1.
    """
    n = sum(parts[index].n for index in shares)
    return pooled({index: parts[index].scaled(share * n / parts[index].n) for index, share in shares.items()})
