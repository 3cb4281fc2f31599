"""The curve of the CLIP filter: an area of 1 where similarity tells all, of a half where it tells nothing."""

import numpy as np
import pytest

from experiments.filter_roc import curve, is_right

RIGHT = np.array([True, True, True, False] * 100)
EMOTIONS = np.array(["awe", "fear"] * 200, object)


def test_similarity_that_tells_all_drops_wrong_captions_alone() -> None:
    found = curve(RIGHT + np.linspace(0, 0.1, 400), RIGHT, np.array(["awe"] * 400, object))
    assert found["wrong"] == 0.25
    assert found["area"] == 1.0
    assert (found["wrong_dropped_0.2"], found["right_dropped_0.2"]) == (0.8, 0.0)


def test_similarity_that_tells_nothing_drops_both_alike() -> None:
    found = curve(np.random.default_rng(0).normal(size=400), RIGHT, EMOTIONS)
    assert found["area"] == pytest.approx(0.5, abs=0.08)
    assert found["wrong_dropped_0.5"] == pytest.approx(found["right_dropped_0.5"], abs=0.15)


def test_captions_are_ranked_within_their_emotion() -> None:
    level = np.where(EMOTIONS == "awe", 10.0, 0.0)
    assert curve(level + RIGHT, RIGHT, EMOTIONS)["area"] == pytest.approx(curve(RIGHT * 1.0, RIGHT, EMOTIONS)["area"])


def test_a_caption_is_right_if_it_names_the_scene_and_only_what_is_there() -> None:
    captions = ["A dog in a street.", "A dog in a park.", "A bird and a dog in a street.", "Something else."]
    things = [[{"name": "dog"}]] * 4
    assert is_right(captions, ["street"] * 4, things).tolist() == [True, False, False, False]
