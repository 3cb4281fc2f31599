"""The drawn small data sets are in the layouts that their readers know, each class as frequent as it should be."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.corpora import emotionroi, fi, twitter
from pipeline.corpora.labelled import Sample, read
from pipeline.emotions import polarity
from pipeline.miniature.small_sets import ekman, write_emotionroi, write_fi, write_twitter
from pipeline.miniature.table import truth_table
from pipeline.miniature.truth import Truth
from pipeline.miniature.world import World
from pipeline.schemas import TRUTH_SCHEMA, check_table
from tests.miniature.test_layouts import digest

Write = Callable[[World, Path], Iterator[tuple[str, Truth]]]
WRITERS: dict[str, Write] = {
    "fi": lambda world, folder: write_fi(world, 60, folder),
    "emotionroi": lambda world, folder: write_emotionroi(world, 60, folder),
    "twitter": lambda world, folder: write_twitter(world, 40, 30, folder),
}
PLANS = {"fi": [fi.plan], "emotionroi": [emotionroi.plan], "twitter": [twitter.plan_first, twitter.plan_second]}


@pytest.fixture(scope="module", params=list(WRITERS))
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, dict(WRITERS[request.param](World(3), folder))


def samples(name: str, folder: Path) -> list[Sample]:
    found = [one for plan in PLANS[name] for one in read(folder, plan(folder))]
    assert all(isinstance(one, Sample) for one in found), found
    return found  # type: ignore[return-value]


def test_each_is_read_without_a_reject_and_its_truth_has_the_same_ids(drawn: tuple[str, Path, dict]) -> None:
    name, folder, truths = drawn
    assert {one.picture.image_id for one in samples(name, folder)} == set(truths)
    check_table(truth_table(World(3), truths.items()), TRUTH_SCHEMA)


def test_each_is_the_same_when_drawn_again_and_another_of_another_seed(
    drawn: tuple[str, Path, dict], tmp_path: Path
) -> None:
    name, folder, _ = drawn
    list(WRITERS[name](World(3), tmp_path / "again"))
    list(WRITERS[name](World(4), tmp_path / "other"))
    assert digest(tmp_path / "again") == digest(folder) != digest(tmp_path / "other")


def test_no_picture_is_one_of_the_drawn_emoset(drawn: tuple[str, Path, dict]) -> None:
    world = World(3)
    assert not {truth.drawing_seed for truth in drawn[2].values()} & {
        world.truth("emoset", index).drawing_seed for index in range(500)
    }


def test_emotionroi_has_as_many_of_each_class_and_two_splits(tmp_path: Path) -> None:
    truths = dict(write_emotionroi(World(3), 60, tmp_path))
    found = samples("emotionroi", tmp_path)
    assert Counter(one.label for one in found) == dict.fromkeys(
        ("anger", "disgust", "fear", "joy", "sadness", "surprise"), 10
    )
    assert Counter(one.split for one in found) == {"train": 42, "test": 18}
    assert all(ekman(truths[one.picture.image_id]) == one.label for one in found)


def test_twitter_votes_follow_the_world_and_twitter_two_is_mostly_positive(tmp_path: Path) -> None:
    truths = dict(write_twitter(World(3), 100, 50, tmp_path))
    found = samples("twitter", tmp_path)
    first = [one for one in found if one.picture.image_id.startswith("twitter_i/")]
    second = [one for one in found if one.picture.image_id.startswith("twitter_ii/")]
    assert Counter(one.label for one in second) == {"positive": 39, "negative": 11}
    assert all(polarity(str(truths[one.picture.image_id].label)) == one.label for one in second)
    agreeing = [polarity(str(truths[one.picture.image_id].label)) == one.label for one in first]
    assert sum(agreeing) > 95
    votes = [line.split(",")[1:] for line in (tmp_path / "Twitter_PCNN/amt_result.csv").read_text().splitlines()[1:]]
    assert all(int(positive) + int(negative) == int(number) == 5 for number, positive, negative in votes)
    assert {"0", "5"} < {positive for _, positive, _ in votes}
