"""Compute differences with intervals and verdicts: of the rows of experiments, and of folders of images.

A difference varies for two reasons: the images, drawn with replacement, and the trainings, of which each seed is one
(Student's t over seeds). The interval is the hull of both intervals, so it is never narrower than either. What is known
of the spread of other comparisons of the metric moderates that of the trainings (evoke/spread.py); the result then says
as `alone` what the comparison's own seeds would have given.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoke.spread import Spread
from pipeline.runtime import numpy_generator

NUM_SAMPLES = 2000
DRAWN_AT_ONCE = 4_000_000  # values of a bootstrap in memory at the same time
MIN_SEEDS = 3
FOUND = 2.8  # standard errors of a difference that is found in four of five experiments at 95 %
WORDS = {1: "higher", 0: "unresolved", -1: "lower"}


def compare(
    row: list[NDArray[np.float64]],
    whole: list[NDArray[np.float64]],
    direction: int | None,
    shared: bool = False,
    spread: Spread | None = None,
) -> dict[str, Any]:
    """Return the differences between a row and the first row, by seed and overall.

    direction: the paper's, 1 for better, -1 for worse, None if the paper says nothing. shared: True if all seeds use
    the same images. The images are then drawn once, and more seeds do not count as more images. spread: that of other
    comparisons of the metric.
    """
    generator = numpy_generator("verdicts")
    pairs = [one - other for one, other in zip(row, whole, strict=True)]
    drawn = [np.mean(pairs, 0)] if shared else pairs
    draws = np.mean([resampled(each, generator) for each in drawn], 0)
    low, high = np.quantile(draws, [0.025, 0.975])
    seeds, resolves = [float(each.mean()) for each in pairs], float(FOUND * draws.std())
    return _moderated(seeds, (low, high), resolves, direction, spread)


def over_seeds(seeds: list[float], direction: int | None = None, spread: Spread | None = None) -> dict[str, Any]:
    """Return the mean of the differences by seed with the interval of Student's t, moderated by a spread.

    A single seed has no interval.
    """
    mean = float(np.mean(seeds))
    return _moderated(seeds, (mean, mean), 0.0, direction, spread)


def _moderated(
    seeds: list[float], ends: tuple[float, float], resolves: float, direction: int | None, spread: Spread | None
) -> dict[str, Any]:
    """Return a comparison whose interval reaches to the ends that its images give, and `alone` beside it."""
    alone = judged(_by_trainings(seeds, None), *ends, resolves, direction)
    if spread is None:
        return alone
    found = judged(_by_trainings(seeds, spread), *ends, resolves, direction)
    return found | {"alone": {key: alone[key] for key in ("low", "high", "verdict")}}


def _by_trainings(seeds: list[float], spread: Spread | None) -> dict[str, Any]:
    mean, error = float(np.mean(seeds)), t_errors(seeds, spread=spread)
    resolves = t_errors(seeds, 0.8, spread)
    return {"difference": mean, "low": mean - error, "high": mean + error, "by_seed": seeds, "resolves": resolves}


def judged(found: dict[str, Any], low: float, high: float, resolves: float, direction: int | None) -> dict[str, Any]:
    """Return the result with its interval widened to include low and high, and with its verdict."""
    low, high = float(min(low, found["low"])), float(max(high, found["high"]))
    widened = {"low": low, "high": high, "resolves": max(resolves, found["resolves"])}
    return found | widened | {"verdict": verdict(found["by_seed"], low, high, direction)}


def t_errors(seeds: list[float], power: float = 0.5, spread: Spread | None = None) -> float:
    """Return half the width of the 95 % interval of the mean over seeds.

    With a power, return the difference that would be found that often.
    """
    if len(seeds) < MIN_SEEDS - 1:
        return 0.0
    from scipy.stats import t

    variance, degrees = float(np.var(seeds, ddof=1)), float(len(seeds) - 1)
    if spread is not None:
        variance, degrees = spread.moderated(variance, len(seeds) - 1)
    return float(t.ppf([0.975, power], degrees).sum() * (variance / len(seeds)) ** 0.5)


def resampled(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of NUM_SAMPLES draws of N values with replacement."""
    rows = max(1, DRAWN_AT_ONCE // len(values))
    sizes = [min(rows, NUM_SAMPLES - start) for start in range(0, NUM_SAMPLES, rows)]
    return np.concatenate([values[generator.integers(len(values), size=(size, len(values)))].mean(1) for size in sizes])


def verdict(seeds: list[float], low: float, high: float, direction: int | None) -> str:
    """Return "agrees", "disagrees" or "unresolved".

    If the paper says nothing, the words are "higher", "lower" or "unresolved". With too few seeds the verdict is "none"
    with their number.
    """
    if len(seeds) < MIN_SEEDS:
        return f"none: {len(seeds)} of {MIN_SEEDS} seeds"
    sign = 1 if low > 0 and min(seeds) > 0 else -1 if high < 0 and max(seeds) < 0 else 0
    if direction is None or not sign:
        return WORDS[sign]
    return "agrees" if sign == direction else "disagrees"
