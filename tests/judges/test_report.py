"""Rates of emotion classifiers against a case that is counted by hand."""

import numpy as np
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import softmax
from pipeline.judges.report import emotion_metrics, uncalibrated

AWE, CONTENTMENT, FEAR = (EMOTIONS.index(name) for name in ("awe", "contentment", "fear"))


def sure(*emotions: int) -> np.ndarray:
    """Probability 0.93 of each of these, 0.01 of every other emotion."""
    return (0.01 + 0.92 * np.eye(8)[list(emotions)]).astype(np.float32)


def test_rates_are_those_counted_by_hand() -> None:
    said, labelled = sure(AWE, AWE, CONTENTMENT, AWE), np.array([AWE, AWE, AWE, FEAR])
    numbers = emotion_metrics(said, 1.0, labelled)
    assert (numbers["n_test"], numbers["accuracy"], numbers["accuracy_polarity"]) == (4, 0.5, 0.75)
    assert numbers["accuracy_low"] < 0.5 < numbers["accuracy_high"]
    assert (numbers["recall_awe"], numbers["recall_fear"]) == (pytest.approx(2 / 3), 0)
    assert "recall_anger" not in numbers
    assert numbers["ece_before"] == pytest.approx(0.43)
    assert numbers["ece_after"] == pytest.approx(0.43)
    assert numbers["nll_after"] == pytest.approx(-(2 * np.log(0.93) + 2 * np.log(0.01)) / 4)


def test_the_polarity_is_the_sum_of_its_emotions_and_not_that_of_the_largest() -> None:
    probabilities = np.full((1, 8), 0.15, np.float32)
    probabilities[0, 4:] = (0.25, 0.05, 0.05, 0.05)
    numbers = emotion_metrics(probabilities, 1.0, np.array([AWE]))
    assert (numbers["accuracy"], numbers["accuracy_polarity"]) == (0, 1)


def test_before_is_without_temperature() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 8))
    np.testing.assert_allclose(
        uncalibrated(softmax(logits / 2.5).astype(np.float32), 2.5), softmax(logits), rtol=1e-4, atol=1e-9
    )


def test_a_corpus_without_test_pictures_is_an_error() -> None:
    with pytest.raises(ValueError, match="test split"):
        emotion_metrics(np.empty((0, 8), np.float32), 1.0, np.empty(0, np.int64))
