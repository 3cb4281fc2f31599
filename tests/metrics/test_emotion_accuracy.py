"""Emo-A counts what judges say, and its interval covers the truth about as often as it says."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.metrics.bootstrap import interval
from pipeline.metrics.columns import vectors
from pipeline.metrics.emotion_accuracy import emotion_accuracy, right
from pipeline.runtime import numpy_generator


def scores(said: list[int], asked: list[int]) -> pa.Table:
    probabilities = vectors(0.7 * np.eye(8)[said] + 0.3 / 8)
    return pa.table({
        "emotion": [EMOTIONS[index] for index in asked],
        "classifier": probabilities,
        "judge": vectors(np.eye(8)[asked]),
    })  # fmt: skip


def test_accuracy_of_eight_and_of_two_classes_and_per_emotion() -> None:
    table = scores([0, 1, 5, 3], [0, 0, 4, 7])
    found = emotion_accuracy(table, numpy_generator(0))
    assert right(table, "classifier").tolist() == [True, False, False, False]
    assert found["emo_a/classifier"] == 0.25
    assert found["emo_a/classifier/polarity"] == 0.75
    assert found["emo_a/classifier/amusement"] == 0.5
    assert found["emo_a/judge"] == found["emo_a/judge/low"] == found["emo_a/judge/high"] == 1.0
    assert found["emo_a/classifier/probability"] == pytest.approx((0.7375 + 3 * 0.0375) / 4)
    assert "emo_a/classifier/fear" not in found
    assert (found["emo_a/classifier/amusement/n"], found["emo_a/judge/n"]) == (2, 4)


def test_the_gap_is_that_of_the_judges_image_by_image() -> None:
    found = emotion_accuracy(scores([0, 1, 5, 3], [0, 0, 4, 7]), numpy_generator(0))
    assert (found["emo_a/gap"], found["emo_a/gap/amusement"]) == (-0.75, -0.5)
    assert found["emo_a/gap/low"] < -0.75 < found["emo_a/gap/high"] <= 0


def test_the_interval_covers_the_true_mean_in_about_19_of_20_draws() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = interval((rng.random(300) < 0.7).astype(float), rng)
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 199
