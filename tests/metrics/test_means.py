"""Means over images: emotions weigh alike, and intervals cover what they should."""

import numpy as np
import pytest

from pipeline.judges.calibration import wilson_interval
from pipeline.metrics.means import mean_results, share_results
from pipeline.metrics.result import Measure, Protocol, Result
from pipeline.metrics.semantic_clarity import semantic_clarity

PROTOCOLS: tuple[Protocol, ...] = ("emogen", "clean")
EMOTIONS = np.array([0, 0, 0, 0, 0, 0, 7, 7])


def results(values: list[float], emotions: np.ndarray = EMOTIONS) -> list[Result]:
    return mean_results(Measure("sem_c", "small"), np.array(values), emotions, np.random.default_rng(0))


def test_overall_is_the_mean_over_emotions_and_not_over_images() -> None:
    overall, amusement, sadness = results([1, 1, 1, 1, 1, 1, 0, 0])
    assert (amusement.value, amusement.n, amusement.emotion) == (1, 6, "amusement")
    assert (sadness.value, sadness.n, sadness.emotion) == (0, 2, "sadness")
    assert (overall.value, overall.n, overall.emotion) == (0.5, 8, None)


def test_images_without_a_value_are_not_of_the_n() -> None:
    nan = float("nan")
    overall, amusement, sadness = results([1, 3, nan, nan, nan, nan, nan, nan])
    assert (amusement.value, amusement.n) == (2, 2)
    assert np.isnan([sadness.value, sadness.low]).all()
    assert sadness.n == 0
    assert (overall.value, overall.n) == (2, 2)


def test_no_value_at_all_is_nan_of_n_0() -> None:
    overall = results([float("nan")] * 8)[0]
    assert np.isnan(overall.value)
    assert overall.n == 0


def test_intervals_cover_the_truth_in_about_95_of_100_draws() -> None:
    rng, emotions = np.random.default_rng(1), np.repeat([0, 1], [30, 90])
    covered = 0
    for _ in range(200):
        values = rng.normal(np.where(emotions == 0, 1.0, 3.0), np.where(emotions == 0, 2.0, 0.5))
        overall = mean_results(Measure("a", "b"), values, emotions, rng)[0]
        covered += overall.low < 2 < overall.high
    assert 0.89 < covered / 200 <= 0.99


def test_the_interval_of_a_share_is_of_all_images_where_emotions_have_equally_many() -> None:
    overall, amusement, sadness = share_results(Measure("a", "b"), np.arange(8) < 7, np.repeat([0, 7], 4))
    assert (overall.value, overall.n, (overall.low, overall.high)) == (7 / 8, 8, wilson_interval(7, 8))
    assert (amusement.value, (sadness.low, sadness.high)) == (1, wilson_interval(3, 4))


def test_intervals_of_shares_hold_the_share_and_cover_the_truth_where_emotions_differ() -> None:
    rng, emotions = np.random.default_rng(1), np.repeat([0, 1, 2], [5, 30, 90])
    covered = 0
    for _ in range(500):
        right = rng.random(125) < np.array([0.9, 0.8, 0.6])[emotions]
        overall = share_results(Measure("a", "b"), right, emotions)[0]
        assert overall.low <= overall.value <= overall.high
        covered += overall.low < 2.3 / 3 < overall.high
    assert covered / 500 > 0.93


def test_semantic_clarity_is_the_mean_of_the_clarity() -> None:
    found = semantic_clarity(np.linspace(0, 1, 8, dtype=np.float32), np.zeros(8, int), np.random.default_rng(0), "x")
    assert found[0].value == pytest.approx(0.5)
    assert found[0].measure == Measure("sem_c", "x", "clean")


def test_emogen_pools_images_where_clean_weighs_emotions_alike() -> None:
    # 5 images of awe and 12 of each other emotion, of which nine of anger alone are right: 9/89, and (9/12) / 8.
    emotions = np.repeat(range(8), [12, 5, 12, 12, 12, 12, 12, 12])
    right = (emotions == 4) & (np.arange(89) < 41 + 9)
    assert right.sum() == 9
    published, clean = (share_results(Measure("emo_a", "x", protocol), right, emotions) for protocol in PROTOCOLS)
    assert (published[0].value, clean[0].value) == (pytest.approx(0.1011, abs=5e-5), 0.09375)
    assert (published[0].value, (published[0].low, published[0].high)) == (9 / 89, wilson_interval(9, 89))
    assert [one.value for one in published[1:]] == [one.value for one in clean[1:]]
    values, rng = right.astype(float), np.random.default_rng
    published, clean = (
        mean_results(Measure("sem_c", "x", protocol), values, emotions, rng(0)) for protocol in PROTOCOLS
    )
    assert (published[0].value, clean[0].value) == (pytest.approx(9 / 89), 0.09375)
    assert published[0].low < 9 / 89 < published[0].high
    assert published[0].n == clean[0].n == 89
