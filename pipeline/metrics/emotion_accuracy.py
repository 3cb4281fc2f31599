"""Compute Emo-A: the share of images whose most probable emotion is the requested one (EmoGen; CoEmoGen 4.1).

Two judges are used: the classifier on CLIP features, as published, and a judge on pixels, which no generator was
conditioned on. Their gap shows how far an image satisfies only the first. The overall value weighs all emotions equally
(means.py).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import INDEX
from pipeline.metrics.columns import Columns, matrix
from pipeline.metrics.means import mean_over_emotions, mean_results, share_results
from pipeline.metrics.result import Measure, Result, flat_under

JUDGES = ("classifier", "judge")


def right(scores: Columns, judge: str) -> NDArray[np.bool_]:
    """Return a mask N of the images whose most probable emotion is the requested one."""
    return probabilities(scores, judge).argmax(1) == asked(scores)


def probabilities(scores: Columns, judge: str) -> NDArray[np.float32]:
    """Return a judge's probabilities N8."""
    return matrix(scores, judge)


def asked(scores: Columns) -> NDArray[np.int64]:
    """Return the requested emotions as indices N, 0 to 7."""
    return np.array([INDEX[emotion] for emotion in scores["emotion"].to_pylist()])


def emotion_accuracy(scores: Columns, generator: np.random.Generator) -> dict[str, float | int | None]:
    """Return Emo-A of both judges and their gap as flat metrics, overall and per emotion, with interval and n.

    For each judge, polarity is the accuracy over two classes, each the sum of four probabilities, and probability is
    the mean probability of the requested emotion. The gap is the classifier's result minus the judge's, per image.
    """
    emotions = asked(scores)
    numbers: dict[str, float | int | None] = {}
    answers = {judge: right(scores, judge) for judge in JUDGES}
    for judge, answer in answers.items():
        numbers |= flat_under(f"emo_a/{judge}", share_results(Measure("emo_a", judge), answer, emotions))
        said = probabilities(scores, judge)
        of_two = (said[:, :4].sum(1) > said[:, 4:].sum(1)) == (emotions < 4)
        of_asked = said[np.arange(len(said)), emotions]
        numbers[f"emo_a/{judge}/polarity"] = mean_over_emotions(of_two, emotions)
        numbers[f"emo_a/{judge}/probability"] = mean_over_emotions(of_asked, emotions)
    gap = answers["classifier"].astype(np.float64) - answers["judge"]
    return numbers | flat_under("emo_a/gap", mean_results(Measure("emo_a", "gap"), gap, emotions, generator))


def accuracy_of_files(scores: Columns) -> list[Result]:
    """Return Emo-A of both judges under `emogen`, on JPEG-compressed images, overall and per emotion."""
    emotions, results = asked(scores), []
    for judge in JUDGES:
        answers = matrix(scores, f"stored_{judge}").argmax(1) == emotions
        results += share_results(Measure("emo_a", judge, "emogen"), answers, emotions)
    return results
