"""Calibration against cases whose answer is known, and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from pipeline.judges.calibration import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    softmax,
    wilson_interval,
)


def drawn(temperature: float, num: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits N8 and targets that were drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (num, 8))
    cumulated = softmax(logits / temperature).cumsum(1)
    return logits, (generator.random((num, 1)) > cumulated).sum(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_targets_were_drawn_with_is_found_again(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_no_temperature_is_likelier_than_the_fitted_one() -> None:
    logits, targets = drawn(1.7, 500)
    best = minimize_scalar(lambda t: negative_log_likelihood(softmax(logits / t), targets), (0.5, 3), tol=1e-8).x
    assert fit_temperature(logits, targets) == pytest.approx(best, rel=1e-3)


def test_temperature_stays_in_its_bounds_where_all_is_right_or_all_is_wrong() -> None:
    logits = np.eye(8)
    assert fit_temperature(logits, np.arange(8)) == pytest.approx(1 / 20)
    assert fit_temperature(logits, (np.arange(8) + 1) % 8) == pytest.approx(20)
    assert fit_temperature(logits[:0], np.arange(0)) == 1


def test_ece_is_the_gap_of_accuracy_and_confidence_weighted_by_pictures() -> None:
    """Three of four right at confidence 0.9, none of one at 0.6: (4 * 0.15 + 1 * 0.6) / 5."""
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    targets = np.array([0, 0, 0, 1, 1])
    assert expected_calibration_error(probabilities, targets) == pytest.approx(0.24)
    bins = reliability(probabilities, targets)
    assert bins[:, 0].tolist() == [0] * 8 + [1] + [0] * 4 + [4, 0]
    assert bins[13] == pytest.approx([4, 0.9, 0.75])


def test_drawn_targets_are_calibrated_at_their_own_temperature_alone() -> None:
    logits, targets = drawn(2.0)
    assert expected_calibration_error(softmax(logits / 2), targets) < 0.015
    assert expected_calibration_error(softmax(logits), targets) > 0.1


def test_a_bin_holds_its_upper_edge_and_certainty_lies_in_the_last() -> None:
    bins = reliability(np.array([[0.6, 0.4], [1.0, 0.0]]), np.array([0, 0]), num_bins=5)
    assert bins[:, 0].tolist() == [0, 0, 1, 0, 1]


def test_likelihood_is_in_nats_and_finite_where_the_target_was_thought_impossible() -> None:
    assert negative_log_likelihood(np.array([[0.25, 0.75]]), np.array([0])) == pytest.approx(math.log(4))
    assert negative_log_likelihood(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(-math.log(1e-12))


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_intervals_are_those_of_scipy(num: int, share: float) -> None:
    num_right = round(share * num)
    wanted = binomtest(num_right, num).proportion_ci(method="wilson")
    assert wilson_interval(num_right, num) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0, 1)
