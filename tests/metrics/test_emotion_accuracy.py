"""Emo-A counts what judges say, with emotions weighed alike and intervals of some width."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import wilson_interval
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


def test_accuracy_of_eight_and_per_emotion() -> None:
    table = scores([0, 1, 5, 7], [0, 0, 4, 4])
    found = emotion_accuracy(table, numpy_generator(0))
    assert right(table, "classifier").tolist() == [True, False, False, False]
    assert found["emo_a/classifier"] == 0.25
    assert found["emo_a/classifier/amusement"] == 0.5
    assert found["emo_a/judge"] == found["emo_a/judge/high"] == 1.0
    assert found["emo_a/classifier/probability"] == pytest.approx((0.7375 + 3 * 0.0375) / 4)
    assert "emo_a/classifier/fear" not in found
    assert (found["emo_a/classifier/amusement/n"], found["emo_a/judge/n"]) == (2, 4)


def test_emotions_weigh_alike_however_many_images_each_has() -> None:
    found = emotion_accuracy(scores([0, 0, 0, 5], [0, 0, 0, 4]), numpy_generator(0))
    assert (found["emo_a/classifier"], found["emo_a/gap"]) == (0.5, -0.5)
    assert found["emo_a/classifier/probability"] == pytest.approx((0.7375 + 0.0375) / 2)
    assert (found["emo_a/classifier/amusement"], found["emo_a/classifier/anger"]) == (1.0, 0.0)
    assert found["emo_a/classifier/low"] < 0.5 < found["emo_a/classifier/high"]


def test_images_that_are_all_right_have_an_interval_of_some_width() -> None:
    asked = [index % 8 for index in range(32)]
    found = emotion_accuracy(scores(asked, asked), numpy_generator(0))
    assert (found["emo_a/classifier/low"], found["emo_a/classifier/high"]) == wilson_interval(32, 32)
    assert (found["emo_a/classifier/awe/low"], found["emo_a/classifier/awe/high"]) == wilson_interval(4, 4)


def test_two_classes_are_sums_of_four_probabilities_each() -> None:
    said = np.full((2, 8), 0.5 / 4)
    said[:, 4:] = 0.3, 0.2, 0, 0  # anger is likeliest, but a pleasant emotion is as likely
    said[:, 0] += [0.01, -0.01]
    table = scores([0, 0], [0, 0]).set_column(1, "classifier", vectors(said))
    found = emotion_accuracy(table, numpy_generator(0))
    assert (found["emo_a/classifier"], found["emo_a/classifier/polarity"]) == (0.0, 0.5)


def test_the_gap_is_that_of_the_judges_image_by_image() -> None:
    found = emotion_accuracy(scores([0, 1, 5, 5], [0, 0, 4, 4]), numpy_generator(0))
    assert (found["emo_a/gap"], found["emo_a/gap/amusement"]) == (-0.75, -0.5)
    assert found["emo_a/gap/low"] <= -0.75 < found["emo_a/gap/high"] <= 0
