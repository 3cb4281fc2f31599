"""Algorithm 1: every image has a reason, the counts add up, and the extremes of either metric go."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emotions import EMOTIONS
from pipeline.feedback.select import ranked, select, summary
from pipeline.metrics.judgement import vectors
from pipeline.params import Feedback
from pipeline.runtime import numpy_generator
from pipeline.schemas import FEEDBACK_SCHEMA, check_table, encode_words

SETTINGS: dict[str, Any] = {
    "low": 0.2, "high": 0.8, "metrics": "both", "ranks": "descending", "per_emotion": False, "control": "none",
}  # fmt: skip


def scores(probability: np.ndarray, clarity: np.ndarray, emotions: np.ndarray | None = None) -> pa.Table:
    num = len(probability)
    asked = np.zeros(num, int) if emotions is None else emotions
    said = np.repeat((1 - probability[:, None]) / 7, 8, 1)
    said[np.arange(num), asked] = probability
    return pa.table({
        "image_id": [f"uniemo_joint/x/{index:05d}" for index in range(num)],
        "emotion": [EMOTIONS[index] for index in asked],
        "classifier": vectors(said),
        "clarity": pa.array(clarity, pa.float32()),
    })  # fmt: skip


def ranked_by(values: np.ndarray, groups: np.ndarray, descending: bool) -> np.ndarray:
    return ranked(values, groups, descending, numpy_generator(0))


def kept(table: pa.Table, **changes: Any) -> list[bool]:
    return select(table, Feedback(**SETTINGS | changes), numpy_generator(0))["kept"].to_pylist()


@given(st.integers(5, 60), st.integers(0, 1000), st.sampled_from(["both", "emotion", "clarity"]), st.booleans())
def test_every_image_is_accounted_for(num: int, seed: int, metrics: str, per_emotion: bool) -> None:
    rng = np.random.default_rng(seed)
    table = scores(rng.random(num), rng.random(num), np.arange(num) % min(8, num // 5))
    settings = Feedback(**SETTINGS | {"metrics": metrics, "per_emotion": per_emotion})
    selected = select(table, settings, numpy_generator(0))
    check_table(encode_words(selected, FEEDBACK_SCHEMA), FEEDBACK_SCHEMA)
    found = summary(selected)
    assert sum(value for name, value in found.items() if name.startswith("num_")) == num == found["n"]
    assert sum(selected["kept"].to_pylist()) == found["num_kept"]


def test_without_clarity_the_emotion_alone_selects_and_any_other_choice_says_what_to_set() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20)
    with_clarity, without = scores(probability, rng.random(20)), scores(probability, np.full(20, np.nan))
    without = without.set_column(3, "clarity", pa.nulls(20, pa.float32()))
    for metrics in ("both", "clarity"):
        with pytest.raises(ValueError, match=f"feedback.metrics = '{metrics}': .* set feedback.metrics to emotion"):
            kept(without, metrics=metrics)
    selected = select(without, Feedback(**SETTINGS | {"metrics": "emotion"}), numpy_generator(0))
    check_table(encode_words(selected, FEEDBACK_SCHEMA), FEEDBACK_SCHEMA)
    assert selected["clarity"].null_count == selected["clarity_rank"].null_count == 20
    assert selected["kept"].to_pylist() == kept(with_clarity, metrics="emotion")
    assert not [name for name in summary(selected) if name.startswith("clarity")]


def test_about_36_of_100_survive_where_the_metrics_are_independent() -> None:
    rng = np.random.default_rng(0)
    found = np.mean(kept(scores(rng.random(5000), rng.random(5000))))
    assert found == pytest.approx(0.36, abs=0.02)


def test_the_best_and_the_worst_fifth_of_either_metric_go() -> None:
    """Ten images, alike ordered by both; the slice [2:8] of the sorted list stays."""
    rising = np.linspace(0, 1, 10)
    assert kept(scores(rising, rising)) == [False] * 2 + [True] * 6 + [False] * 2
    assert kept(scores(rising, np.full(10, 0.5)), metrics="emotion") == [False] * 2 + [True] * 6 + [False] * 2


@pytest.mark.parametrize(("num", "first", "stop"), [(5, 1, 4), (7, 1, 5), (11, 2, 8), (100, 20, 80)])
def test_the_slice_is_floor_of_eta_n_to_floor_of_delta_n(num: int, first: int, stop: int) -> None:
    falling = np.linspace(1, 0, num)
    assert np.flatnonzero(kept(scores(falling, falling))).tolist() == list(range(first, stop))
    assert all(kept(scores(falling, falling), low=0.0, high=1.0))


def test_tied_images_in_order_of_emotions_keep_equal_shares_of_all() -> None:
    """Check that ties are not broken by row order, which would drop the first and the last emotion whole."""
    emotions = np.repeat(np.arange(8), 100)
    stays = np.array(kept(scores(np.full(800, 0.99), np.full(800, 0.5), emotions)))
    assert stays.sum() == pytest.approx(0.36 * 800, abs=25)
    shares = [stays[emotions == emotion].mean() for emotion in range(8)]
    assert min(shares) > 0.2
    assert max(shares) < 0.52


def test_too_few_images_are_refused() -> None:
    for num in (0, 4):
        with pytest.raises(ValueError, match=rf"Only {num} generated images to choose from: .* Raise images.num"):
            kept(scores(np.linspace(0, 1, num), np.linspace(0, 1, num)))
    table = scores(np.linspace(0, 1, 12), np.linspace(0, 1, 12), np.array([0] * 9 + [1] * 3))
    with pytest.raises(ValueError, match="Only 3 of an emotion"):
        kept(table, per_emotion=True)
    assert sum(kept(table)) == 7


def test_thresholds_directions_and_single_metrics() -> None:
    rising, other = np.linspace(0, 1, 11), np.tile([0.1, 0.9], 6)[:11]
    best = kept(scores(rising, other), low=0.0, high=0.5, metrics="emotion")
    assert best == [False] * 6 + [True] * 5
    worst = kept(scores(rising, other), low=0.0, high=0.5, metrics="emotion", ranks="ascending")
    assert worst == [True] * 5 + [False] * 6
    reasons = select(scores(rising, rising), Feedback(**SETTINGS), numpy_generator(0))["reason"].to_pylist()
    assert reasons[0] == "both_ranks"


def test_per_emotion_ranks_are_within_each_emotion() -> None:
    probability = np.concatenate([np.linspace(0.8, 0.9, 11), np.linspace(0.1, 0.2, 11)])
    emotions = np.repeat([0, 5], 11)
    table = scores(probability, np.full(22, 0.5), emotions)
    within = kept(table, metrics="emotion", per_emotion=True)
    assert within[:11] == within[11:] == [False] * 3 + [True] * 6 + [False] * 2
    assert kept(table, metrics="emotion") != within


def test_the_control_draws_as_many_without_looking() -> None:
    rng = np.random.default_rng(1)
    table = scores(rng.random(500), rng.random(500))
    ours, control = (np.array(kept(table, control=name)) for name in ("none", "random"))
    assert ours.sum() == control.sum()
    once, again = (ranked_by(np.ones(9), np.zeros(9, int), True) for _ in range(2))
    assert once.tolist() == again.tolist()


def test_an_empty_band_is_refused() -> None:
    with pytest.raises(ValueError, match="low must be less than high"):
        Feedback(**SETTINGS | {"low": 0.8, "high": 0.2})


VALUES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=50)


@given(VALUES, st.booleans())
def test_ranks_of_a_group_are_each_taken_once_and_follow_the_values(
    pairs: list[tuple[int, int]], descending: bool
) -> None:
    values, groups = np.array(pairs, float).T[0], np.array(pairs).T[1]
    ranks = ranked_by(values, groups, descending)
    for group in np.unique(groups):
        inside, own = values[groups == group], ranks[groups == group]
        assert sorted(own) == pytest.approx(np.arange(len(own)) / len(own))
        ordered = inside[np.argsort(own)] * (-1 if descending else 1)
        assert (np.diff(ordered) >= 0).all()


@given(VALUES, st.booleans())
def test_ranks_depend_on_the_order_of_the_values_alone(pairs: list[tuple[int, int]], descending: bool) -> None:
    values, groups = np.array(pairs, float).T[0], np.array(pairs).T[1]
    ranks = ranked_by(values, groups, descending).tolist()
    assert ranks == ranked_by(np.exp(values) - 7, groups, descending).tolist()
    assert ranks == ranked_by(-values, groups, not descending).tolist()
