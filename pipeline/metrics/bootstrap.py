"""The interval of a mean over images: percentiles of means of samples drawn with replacement."""

import numpy as np
from numpy.typing import NDArray

NUM_SAMPLES = 1000
LEVEL = 0.95


def interval(values: NDArray[np.floating], generator: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of the mean of values N; N >= 1."""
    n = len(values)
    counts = generator.multinomial(n, np.full(n, 1 / n), NUM_SAMPLES)
    low, high = np.quantile(counts @ values / n, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def flat_mean(key: str, values: NDArray[np.floating], generator: np.random.Generator) -> dict[str, float]:
    """The mean of values N under its key, beside it key/low, key/high and key/n; N >= 1."""
    low, high = interval(values, generator)
    return {key: float(values.mean()), f"{key}/low": low, f"{key}/high": high, f"{key}/n": len(values)}
