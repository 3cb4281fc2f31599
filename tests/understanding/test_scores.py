"""Scores of hand-made readings: who is asked what, who counts, and numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.corpora.classes import CLASSES
from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import wilson_interval
from pipeline.schemas import READINGS_SCHEMA
from pipeline.understanding import figures
from pipeline.understanding.scores import EMOTION, FOLDS, POLARITY, SPLIT, flat, rare_classes, score, scores, tasks_of

NAMES = ("a", "b", "c")


def probabilities(**shares: float) -> list[float]:
    return [shares.get(emotion, 0.0) for emotion in EMOTIONS]


def reading(
    image_id: str, label: str, told: list[float], reader: str = "r", feature: tuple[float, ...] = (), split: str = ""
) -> dict[str, object]:
    return {
        "image_id": image_id, "reader": reader, "label": label, "split": split or None, "probabilities": told,
        "feature": feature,
    }  # fmt: skip


def scored(rows: list[dict[str, object]], num_folds: int = 2) -> dict:
    rows = sorted(rows, key=lambda row: str(row["image_id"]))
    table = pa.Table.from_pylist(rows, READINGS_SCHEMA.arrow)
    return scores(table, num_folds, 1.0, lambda _: np.random.default_rng(0))


def test_a_score_is_what_one_counts_by_hand() -> None:
    found = score(np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1]), NAMES)
    assert (found.accuracy, found.n, found.majority) == (0.6, 5, 0.6)
    assert (found.low, found.high) == wilson_interval(3, 5)
    assert found.recalls == {"a": pytest.approx(2 / 3), "b": 0.5}
    assert found.macro_f1 == pytest.approx((2 * 1 * (2 / 3) / (1 + 2 / 3) + 0.5) / 2)  # a: p 1, r 2/3; b: p 1/2, r 1/2


def test_the_polarity_sums_the_emotions_of_each_sign() -> None:
    told = probabilities(anger=0.4, awe=0.3, amusement=0.3)
    found = scored([reading("fi/awe/a", "awe", told), reading("fi/anger/b", "anger", told)])
    assert found["fi", "r", POLARITY].recalls == {"positive": 1.0, "negative": 0.0}
    assert found["fi", "r", EMOTION].recalls == {"awe": 0.0, "anger": 1.0}


def test_emotionroi_asks_among_four_emotions_and_counts_joy_in_the_polarity_alone() -> None:
    told = probabilities(amusement=0.6, fear=0.3, anger=0.1)
    labels = ("fear", "anger", "joy", "surprise")
    found = scored([reading(f"emotionroi/{label}/1", label, told) for label in labels])
    assert found["emotionroi", "r", EMOTION].recalls == {"fear": 1.0, "anger": 0.0}
    assert found["emotionroi", "r", POLARITY].recalls == {"negative": 0.0, "positive": 1.0}
    assert found["emotionroi", "r", POLARITY].n == 3


def test_twitter_asks_for_the_polarity_alone() -> None:
    assert set(tasks_of(CLASSES["twitter_i"])) == {POLARITY}
    found = scored([reading("twitter_i/1", "positive", probabilities(awe=1.0))])
    assert set(found) == {("twitter_i", "r", POLARITY)}


@pytest.mark.parametrize("dataset", CLASSES)
def test_every_task_asks_for_each_emotion_once_at_most(dataset: str) -> None:
    for task in tasks_of(CLASSES[dataset]).values():
        assert task.member.sum(0).max() == 1
        assert set(task.targets.values()) == set(range(len(task.names)))


def test_readers_and_data_sets_are_kept_apart() -> None:
    right, wrong = probabilities(awe=1.0), probabilities(fear=1.0)
    found = scored([
        reading("fi/1", "awe", right), reading("fi/1", "awe", wrong, "s"), reading("emoset/1", "awe", wrong),
        reading("twitter_i/1", "positive", right), reading("twitter_ii/1", "positive", wrong),
    ])  # fmt: skip
    accuracy = {key: each.accuracy for key, each in found.items()}
    assert accuracy["fi", "r", EMOTION] == accuracy["twitter_i", "r", POLARITY] == 1
    assert (
        accuracy["fi", "s", EMOTION] == accuracy["emoset", "r", EMOTION] == accuracy["twitter_ii", "r", POLARITY] == 0
    )


def test_probes_know_all_classes_of_the_data_set_in_folds_and_by_its_own_split() -> None:
    names, eye = CLASSES["emotionroi"].names, np.eye(6)
    rows = [
        reading(f"emotionroi/{name}/{number}", name, probabilities(awe=1.0), "r", tuple(eye[names.index(name)]), split)
        for name in names
        for number, split in enumerate(("train", "train", "train", "test"))
    ]
    found = scored(rows)
    assert (found["emotionroi", "r", FOLDS].accuracy, found["emotionroi", "r", FOLDS].n) == (1.0, 24)
    assert (found["emotionroi", "r", SPLIT].accuracy, found["emotionroi", "r", SPLIT].n) == (1.0, 6)
    assert set(found["emotionroi", "r", FOLDS].recalls) == set(names)


def of_fi(**numbers: int) -> list[dict[str, object]]:
    """So many pictures of each emotion, each with a feature that tells it."""
    eye = np.eye(8)
    return [
        reading(f"fi/{name}/{index}", name, probabilities(awe=1.0), feature=tuple(eye[EMOTIONS.index(name)]))
        for name, number in numbers.items()
        for index in range(number)
    ]


def test_fi_is_probed_in_folds_with_as_few_pictures_of_an_emotion_as_there_are_folds() -> None:
    found = scored(of_fi(awe=9, anger=5), 5)["fi", "r", FOLDS]
    assert (found.accuracy, found.n, set(found.recalls)) == (1.0, 14, {"awe", "anger"})


def test_an_emotion_with_fewer_pictures_than_folds_is_told_and_nothing_is_probed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [*of_fi(awe=9, anger=4, fear=1), reading("twitter_i/1", "positive", probabilities(awe=1.0))]
    with caplog.at_level("WARNING", "evoke"):
        found = scored(rows, 5)
    assert set(found) == {("fi", "r", EMOTION), ("fi", "r", POLARITY), ("twitter_i", "r", POLARITY)}
    assert caplog.messages == [
        "fi: no probe with 5 folds, because there are fewer images of anger, fear; "
        "lower understanding_scores.folds or add images"
    ]
    assert rare_classes(pa.Table.from_pylist(rows, READINGS_SCHEMA.arrow), 5) == {"fi": ["anger", "fear"]}


def test_pictures_of_one_class_alone_are_no_task_for_a_probe() -> None:
    assert ("fi", "r", FOLDS) not in scored(of_fi(awe=9), 5)


def test_all_readers_of_a_data_set_are_probed_in_the_same_folds() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 3))
    rows = [
        reading(
            f"twitter_i/{number:02d}", ("positive", "negative")[number % 2], probabilities(awe=1.0), reader, tuple(one)
        )
        for reader in ("r", "s")
        for number, one in enumerate(noise)
    ]
    found = scored(rows)
    assert found["twitter_i", "r", FOLDS] == found["twitter_i", "s", FOLDS]


def test_keys_are_flat_and_numbers_finite() -> None:
    rows = [reading(f"fi/{number}", EMOTIONS[number % 8], probabilities(awe=1.0)) for number in range(16)]
    found = flat(scored(rows))
    assert found["fi/r/accuracy"] == 1 / 8
    assert found["fi/r/n"] == 16
    assert found["fi/r/recall/awe"] == 1
    assert found["fi/r/polarity/accuracy"] == found["fi/r/polarity/majority"] == 0.5
    assert found["fi/r/low"] < 1 / 8 < found["fi/r/high"]
    assert all(np.isfinite(value) for value in found.values())


def test_the_figure_is_drawn_of_few_and_of_many_tasks(tmp_path: Path) -> None:
    rows = [reading("fi/1", "awe", probabilities(awe=1.0)), reading("twitter_i/1", "positive", probabilities(fear=1.0))]
    figures.accuracies(scored(rows[:1]), tmp_path / "few.png")
    figures.accuracies(scored(rows), tmp_path / "more.png")
    with Image.open(tmp_path / "few.png") as few, Image.open(tmp_path / "more.png") as more:
        assert few.width <= more.width
