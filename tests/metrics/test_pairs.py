"""Pairs of images of one emotion, and the interval of their mean distance."""

import numpy as np
import pytest

from pipeline.metrics.pairs import Pairs, pair_results, pairs_within_emotions
from pipeline.metrics.result import Measure

EMOTIONS = np.array([0, 3, 3, 0, 3, 3, 5, 3])
MEASURE = Measure("feature_distance", "small")


def drawn(num_pairs: int, seed: int = 0) -> Pairs:
    return pairs_within_emotions(EMOTIONS, num_pairs, np.random.default_rng(seed))


@pytest.mark.parametrize("num_pairs", [1, 3, 10, 1000])
def test_pairs_are_distinct_of_distinct_images_within_one_emotion(num_pairs: int) -> None:
    pairs = drawn(num_pairs)
    assert (EMOTIONS[pairs.first] == pairs.emotions).all()
    assert (EMOTIONS[pairs.second] == pairs.emotions).all()
    assert (pairs.first != pairs.second).all()
    assert len({frozenset(pair) for pair in zip(pairs.first, pairs.second, strict=True)}) == len(pairs)
    assert (np.bincount(pairs.emotions, minlength=8) == np.minimum([1, 0, 0, 10, 0, 0, 0, 0], num_pairs)).all()


def test_pairs_are_seeded_and_every_pair_is_as_likely() -> None:
    assert (drawn(3).first == drawn(3).first).all()
    counts = np.zeros((8, 8))
    for seed in range(3000):
        pairs = drawn(1, seed)
        counts[pairs.first, pairs.second] += 1
        counts[pairs.second, pairs.first] += 1
    rows = np.flatnonzero(EMOTIONS == 3)
    assert abs(counts[np.ix_(rows, rows)][~np.eye(5, dtype=bool)] / 3000 - 0.1).max() < 0.03


def test_overall_is_the_mean_over_emotions() -> None:
    pairs = Pairs(np.array([0, 1, 1]), np.array([3, 2, 4]), np.array([0, 3, 3]))
    overall, amusement, excitement = pair_results(MEASURE, pairs, np.array([1.0, 4.0, 6.0]))
    assert (overall.value, overall.n) == (3, 3)
    assert (amusement.value, amusement.n, amusement.emotion) == (1, 1, "amusement")
    assert (excitement.value, excitement.n, excitement.emotion) == (5, 2, "excitement")
    assert np.isnan(amusement.low)


def test_no_pair_at_all_is_nan_of_n_0() -> None:
    pairs = pairs_within_emotions(np.array([1, 2]), 5, np.random.default_rng(0))
    (overall,) = pair_results(MEASURE, pairs, np.empty(0))
    assert np.isnan(overall.value)
    assert overall.n == 0


def test_pairs_that_share_no_image_are_independent() -> None:
    pairs = Pairs(np.arange(10), np.arange(10, 20), np.zeros(10, np.int64))
    distances = np.random.default_rng(0).random(10)
    result = pair_results(MEASURE, pairs, distances)[0]
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * distances.std() / 10**0.5 * 20 / 18)


@pytest.mark.parametrize(("n", "num_pairs"), [(24, 12), (24, 60), (24, 276), (120, 60), (120, 300)])
def test_intervals_cover_the_truth_whether_pairs_share_images_or_not(n: int, num_pairs: int) -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(300):
        images = rng.standard_normal((n, 3))
        pairs = pairs_within_emotions(np.zeros(n, int), num_pairs, rng)
        distances = np.linalg.norm(images[pairs.first] - images[pairs.second], axis=1)
        result = pair_results(MEASURE, pairs, distances)[0]
        found.append(result.low < 4 / np.pi**0.5 < result.high)  # the mean of a Maxwell distribution of scale 2^.5
    assert 0.88 < np.mean(found) <= 0.99
