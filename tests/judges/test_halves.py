"""The half of a picture hangs on its id alone, and the two are disjoint, even, and fixed for ever."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judges.examples import in_half

IDS = [f"emoset/amusement_{index:05d}" for index in range(4000)]


@given(st.lists(st.text(min_size=1), unique=True))
def test_every_picture_lies_in_one_half_and_in_both(ids: list[str]) -> None:
    first, second = in_half(ids, "first"), in_half(ids, "second")
    assert (first ^ second).all()
    assert in_half(ids, "both").all()
    assert len(first) == len(ids)


def test_halves_are_even_within_four_deviations() -> None:
    assert abs(in_half(IDS, "first").mean() - 0.5) < 4 * 0.5 / len(IDS) ** 0.5


def test_a_picture_keeps_its_half_in_any_company() -> None:
    whole, order = in_half(IDS, "first"), np.random.default_rng(0).permutation(len(IDS))[:50]
    assert (in_half([IDS[index] for index in order], "first") == whole[order]).all()


def test_the_halves_are_these_for_ever() -> None:
    assert in_half(IDS[:12], "second").astype(int).tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0]
