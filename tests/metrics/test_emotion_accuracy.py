"""Emo-A counts what judges say, and its interval covers the truth about as often as it says."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.metrics.bootstrap import interval
from pipeline.metrics.emotion_accuracy import emotion_accuracy, right
from pipeline.metrics.judgement import luminance_and_chroma, names, vectors
from pipeline.metrics.summary import summary
from pipeline.runtime import numpy_generator


def scores(said: list[int], asked: list[int]) -> pa.Table:
    probabilities = vectors(0.7 * np.eye(8)[said] + 0.3 / 8)
    return pa.table({
        "emotion": [EMOTIONS[index] for index in asked],
        "classifier": probabilities,
        "judge": vectors(np.eye(8)[asked]),
        "clarity": pa.array(np.linspace(0, 1, len(said)), pa.float32()),
        "luminance": pa.array(np.full(len(said), 0.5), pa.float32()),
        "chroma": pa.array(np.full(len(said), 0.1), pa.float32()),
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


def test_the_interval_covers_the_true_mean_in_about_19_of_20_draws() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = interval((rng.random(300) < 0.7).astype(float), rng)
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 199


def test_the_summary_has_n_intervals_and_real_images_beside() -> None:
    real = summary(scores([0, 1], [0, 1]), numpy_generator(0))
    found = summary(scores([0, 1, 2, 2], [0, 1, 2, 3]), numpy_generator(0), real)
    assert found["n"] == 4
    assert found["sem_c/low"] <= found["sem_c"] <= found["sem_c/high"]
    assert found["sem_c"] == pytest.approx(0.5)
    assert (found["emo_a/classifier"], found["real/emo_a/classifier"]) == (0.75, 1.0)


def test_luminance_and_chroma_of_plain_colours() -> None:
    from PIL import Image

    assert luminance_and_chroma(Image.new("RGB", (4, 4), "white")) == pytest.approx((1.0, 0.0), abs=1e-5)
    assert luminance_and_chroma(Image.new("RGB", (4, 4), (255, 0, 0)))[1] > 0.5
    assert names(("none", "beach"), np.array([[0.2, 0.8], [0.9, 0.1]])).to_pylist() == ["beach", "none"]
