"""Rows of a table as a training counts them: emotion indices and the train split."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotions import INDEX

Integers = NDArray[np.int64]


def emotion_indices(table: pa.Table) -> Integers:
    """Return the column emotion as indices into EMOTIONS, N int64."""
    return np.array([INDEX[emotion] for emotion in table["emotion"].to_pylist()], np.int64)


def train_split(corpus: pa.Table) -> pa.Table:
    """Return the rows of the train split."""
    return corpus.filter(pc.equal(corpus["split"].cast(pa.string()), "train"))
