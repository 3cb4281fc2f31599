"""Emo-A: the share of images whose most probable emotion is the one asked for (EmoGen; CoEmoGen 4.1).

By two judges: the classifier on CLIP features, as published, and one on pixels that no generator was conditioned on.
Their gap tells how far an image pleases the one and not the other.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS, INDEX
from pipeline.metrics.bootstrap import interval

JUDGES = ("classifier", "judge")


def right(scores: pa.Table, judge: str) -> NDArray[np.bool_]:
    """Whether each image is taken for its emotion, N."""
    return probabilities(scores, judge).argmax(1) == asked(scores)


def probabilities(scores: pa.Table, judge: str) -> NDArray[np.float32]:
    """What a judge says, N8."""
    column = scores[judge].combine_chunks()
    matrix: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(scores), len(EMOTIONS))
    return matrix


def asked(scores: pa.Table) -> NDArray[np.int64]:
    """The emotions asked for, N, 0 to 7."""
    return np.array([INDEX[emotion] for emotion in scores["emotion"].to_pylist()])


def emotion_accuracy(scores: pa.Table, generator: np.random.Generator) -> dict[str, float]:
    """Emo-A by both judges with intervals, of two classes, as mean probability, and per emotion; flat."""
    emotions = asked(scores)
    found: dict[str, float] = {}
    for judge in JUDGES:
        said, values = right(scores, judge), probabilities(scores, judge)
        low, high = interval(said.astype(np.float64), generator)
        found |= {f"emo_a/{judge}": float(said.mean()), f"emo_a/{judge}/low": low, f"emo_a/{judge}/high": high}
        found[f"emo_a/{judge}/polarity"] = float(((values.argmax(1) < 4) == (emotions < 4)).mean())
        found[f"emo_a/{judge}/probability"] = float(values[np.arange(len(values)), emotions].mean())
        for index in np.unique(emotions):
            found[f"emo_a/{judge}/{EMOTIONS[index]}"] = float(said[emotions == index].mean())
    return found
