"""Verdicts: the paper's direction in the whole interval and in every seed, or nothing is said."""

import numpy as np
import pytest

from experiments.verdicts import compare, verdict


@pytest.mark.parametrize(
    ("seeds", "low", "high", "direction", "wanted"),
    [
        ([-0.1, -0.2, -0.1], -0.2, -0.05, -1, "agrees"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, -1, "disagrees"),
        ([-0.1, 0.02, -0.1], -0.2, -0.05, -1, "unresolved"),
        ([-0.1, -0.2, -0.1], -0.2, 0.01, -1, "unresolved"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, None, "higher"),
        ([-0.1, -0.2], -0.2, -0.05, -1, "none: 2 of 3 seeds"),
    ],
)
def test_a_verdict_needs_the_interval_and_every_seed(
    seeds: list[float], low: float, high: float, direction: int | None, wanted: str
) -> None:
    assert verdict(seeds, low, high, direction) == wanted


def test_a_real_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    whole = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    worse = [each * (rng.random(1000) < 0.9) for each in whole]
    found = compare(worse, whole, -1)
    assert found["verdict"] == "agrees"
    assert found["low"] < found["difference"] < found["high"] < 0
    other = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    assert compare(other, whole, -1)["verdict"] == "unresolved"


def test_seeds_on_the_same_pictures_are_not_more_pictures() -> None:
    values = np.random.default_rng(0).integers(0, 2, 500).astype(float)
    zeros = np.zeros(500)
    alone, thrice = (compare([values] * num, [zeros] * num, None, shared=True) for num in (1, 3))
    assert (alone["low"], alone["high"]) == (thrice["low"], thrice["high"])
    apart = compare([values] * 3, [zeros] * 3, None)
    assert apart["high"] - apart["low"] < 0.7 * (thrice["high"] - thrice["low"])
