"""Rows of a table as a training counts them: emotion indices and the train split."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS, INDEX, Emotion

Integers = NDArray[np.int64]


def emotion_indices(table: pa.Table) -> Integers:
    """Return the column emotion as indices into EMOTIONS, N int64."""
    return np.array([INDEX[emotion] for emotion in table["emotion"].to_pylist()], np.int64)


def train_split(corpus: pa.Table) -> pa.Table:
    """Return the rows of the train split."""
    return corpus.filter(pc.equal(corpus["split"].cast(pa.string()), "train"))


def trained_emotions(corpus: pa.Table) -> tuple[Emotion, ...]:
    """Return the emotions that have an image in the train split, in the order of EMOTIONS.

    A method draws these emotions and no other: it was never shown another, and a baseline that draws more than the
    others is not comparable. The Gaussians of a space (pipeline/generation/space.py) cover the same emotions. `corpus`
    has the columns emotion and split.
    """
    there = set(train_split(corpus)["emotion"].to_pylist())
    return tuple(emotion for emotion in EMOTIONS if emotion in there)
