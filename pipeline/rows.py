"""Rows of a table as a training counts them: emotion indices, the train split, and what a generator trains on."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS, INDEX, Emotion

if TYPE_CHECKING:
    from pipeline.corpora.records import TrainingSplits

Integers = NDArray[np.int64]


def emotion_indices(table: pa.Table) -> Integers:
    """Return the column emotion as indices into EMOTIONS, N int64."""
    return np.array([INDEX[emotion] for emotion in table["emotion"].to_pylist()], np.int64)


def train_split(corpus: pa.Table) -> pa.Table:
    """Return the rows of the train split."""
    return corpus.filter(pc.equal(corpus["split"].cast(pa.string()), "train"))


def is_trained_on(corpus: pa.Table, splits: "TrainingSplits") -> NDArray[np.bool_]:
    """Return which images a generator is trained on, N bool: those of the train split, or all (as EmoGen's lists)."""
    return np.array([splits == "all" or split == "train" for split in corpus["split"].to_pylist()], bool)


def training_rows(corpus: pa.Table, splits: "TrainingSplits") -> pa.Table:
    """Return the rows that a generator is trained on."""
    return corpus.filter(pa.array(is_trained_on(corpus, splits)))


def trained_emotions(trained: pa.Table) -> tuple[Emotion, ...]:
    """Return the emotions of the images that a generator is trained on (column emotion), in the order of EMOTIONS.

    A method draws these emotions and no other: it was never shown another, and a baseline that draws more than the
    others is not comparable. The Gaussians of a space (pipeline/generation/space.py) cover the same emotions.
    """
    there = set(trained["emotion"].to_pylist())
    return tuple(emotion for emotion in EMOTIONS if emotion in there)
