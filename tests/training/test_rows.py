"""Which pictures a step takes: EmoGen's oversampling to the letter, and positions that need no memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime import numpy_generator
from pipeline.training.rows import mixed_order, oversampled, row_order

EMOTIONS = st.lists(st.integers(0, 7), min_size=1, max_size=80).map(np.array)


@given(EMOTIONS)
def test_oversampling_gives_every_emotion_the_size_of_the_largest_and_repeats_evenly(emotions: np.ndarray) -> None:
    rows = oversampled(emotions, numpy_generator(0))
    sizes, taken = np.bincount(emotions), np.bincount(rows, minlength=len(emotions))
    for emotion in np.unique(emotions):
        members = taken[emotions == emotion]
        assert members.sum() == sizes.max()
        assert set(members) <= {sizes.max() // sizes[emotion], -(-sizes.max() // sizes[emotion])}


def test_oversampling_of_a_small_example() -> None:
    """Three of emotion 0, one of emotion 5: the one is taken three times."""
    assert sorted(oversampled(np.array([0, 0, 0, 5]), numpy_generator(1))) == [0, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("sampler", ["oversample", "plain"])
def test_an_epoch_is_taken_in_the_same_order_over_and_over(sampler: str) -> None:
    order = row_order(np.array([0, 0, 0, 1, 1, 2]), sampler, numpy_generator(2))
    length = len(order.rows)
    first = np.concatenate([order.at(step, 1, 0).numpy() for step in range(length)])
    assert sorted(first) == sorted(order.rows)
    assert order.at(length + 2, 1, 0) == first[2]
    assert order.at(1, length, 0).tolist() == first.tolist()


def test_weighted_rows_depend_on_the_step_alone_and_balance_the_emotions() -> None:
    emotions = np.array([0] * 90 + [1] * 10)
    order = row_order(emotions, "weighted", numpy_generator(3))
    assert order.at(5, 64, 0).tolist() == order.at(5, 64, 0).tolist() != order.at(6, 64, 0).tolist()
    drawn = np.concatenate([emotions[order.at(step, 100, 0).numpy()] for step in range(50)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="No image left to train on"):
        row_order(np.array([], dtype=np.int64), "plain", numpy_generator(0))


@pytest.mark.parametrize("sampler", ["plain", "oversample"])
def test_a_share_of_the_draws_falls_evenly_on_the_generated_images(sampler: str) -> None:
    emotions = np.array([0] * 90 + [1] * 10)
    order = mixed_order(emotions, sampler, 5, 0.2)
    taken = np.bincount(np.concatenate([order.at(step, 100, 0).numpy() for step in range(100)]), minlength=105)
    assert taken[100:].sum() == pytest.approx(2000, abs=150)
    assert taken[100:].min() > 300
    assert taken[90:100].sum() == pytest.approx(4000 if sampler == "oversample" else 800, abs=250)


def test_without_a_share_no_generated_image_is_drawn_and_a_share_wants_some() -> None:
    assert mixed_order(np.array([0, 1]), "plain", 3, 0.0).at(0, 200, 0).max() == 1
    assert mixed_order(np.array([0, 1]), "plain", 0, 0.0).at(0, 200, 0).max() == 1
    with pytest.raises(ValueError, match=r"generated_frac = 0.2, but no generated image passed"):
        mixed_order(np.array([0, 1]), "plain", 0, 0.2)


@given(EMOTIONS, st.sampled_from(["plain", "oversample", "weighted"]), st.integers(1, 30), st.floats(0, 0.99))
def test_the_weights_of_a_mixture_are_shares_even_within_an_emotion_and_among_the_generated(
    emotions: np.ndarray, sampler: str, num_generated: int, generated_frac: float
) -> None:
    weights = mixed_order(emotions, sampler, num_generated, generated_frac).weights
    real, generated = weights[: len(emotions)], weights[len(emotions) :]
    assert (weights >= 0).all()
    assert real.sum() == pytest.approx(1 - generated_frac)
    assert generated.tolist() == pytest.approx([generated_frac / num_generated] * num_generated)
    by_emotion = [real[emotions == emotion] for emotion in np.unique(emotions)]
    assert all(np.ptp(each) == 0 for each in by_emotion)
    sums = [real.sum() for real in (by_emotion if sampler != "plain" else [each[:1] for each in by_emotion])]
    assert sums == pytest.approx([sums[0]] * len(sums))


@given(EMOTIONS, st.sampled_from(["plain", "oversample", "weighted"]), st.integers(0, 9), st.integers(1, 20))
def test_a_step_takes_as_many_rows_as_asked_all_of_them_pictures(
    emotions: np.ndarray, sampler: str, step: int, batch_size: int
) -> None:
    rows = row_order(emotions, sampler, numpy_generator(0)).at(step, batch_size, 0)
    assert len(rows) == batch_size
    assert set(rows.tolist()) <= set(range(len(emotions)))
