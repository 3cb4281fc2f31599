"""Emo-A: the share of images whose most probable emotion is the one asked for (EmoGen; CoEmoGen 4.1).

By two judges: the classifier on CLIP features, as published, and one on pixels that no generator was conditioned on.
Their gap tells how far an image pleases the one and not the other.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS, INDEX
from pipeline.metrics.bootstrap import flat_mean
from pipeline.metrics.columns import matrix

JUDGES = ("classifier", "judge")


def right(scores: pa.Table, judge: str) -> NDArray[np.bool_]:
    """Whether each image is taken for its emotion, N."""
    return probabilities(scores, judge).argmax(1) == asked(scores)


def probabilities(scores: pa.Table, judge: str) -> NDArray[np.float32]:
    """What a judge says, N8."""
    return matrix(scores, judge)


def asked(scores: pa.Table) -> NDArray[np.int64]:
    """The emotions asked for, N, 0 to 7."""
    return np.array([INDEX[emotion] for emotion in scores["emotion"].to_pylist()])


def emotion_accuracy(scores: pa.Table, generator: np.random.Generator) -> dict[str, float]:
    """Emo-A by both judges and their gap, overall and per emotion, each with interval and n; flat.

    By each judge also of two classes and as mean probability. The gap is the classifier's less the judge's, image by
    image.
    """
    emotions = asked(scores)
    values = {judge: right(scores, judge).astype(np.float64) for judge in JUDGES}
    values["gap"] = values["classifier"] - values["judge"]
    found: dict[str, float] = {}
    for name, each in values.items():
        found |= flat_mean(f"emo_a/{name}", each, generator)
        for index in np.unique(emotions):
            found |= flat_mean(f"emo_a/{name}/{EMOTIONS[index]}", each[emotions == index], generator)
    for judge in JUDGES:
        said = probabilities(scores, judge)
        found[f"emo_a/{judge}/polarity"] = float(((said.argmax(1) < 4) == (emotions < 4)).mean())
        found[f"emo_a/{judge}/probability"] = float(said[np.arange(len(said)), emotions].mean())
    return found
