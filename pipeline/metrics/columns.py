"""Vectors as a column of a table, and back."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def vectors(matrix: NDArray[np.floating]) -> pa.Array:
    """ND -> a column of N vectors of float32."""
    values = np.ascontiguousarray(matrix, np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def no_vectors(n: int) -> pa.Array:
    """A column of N nulls in place of vectors."""
    return pa.nulls(n, pa.list_(pa.float32()))


def matrix(table: pa.Table, name: str) -> NDArray[np.float32]:
    """A column of N vectors -> ND; at least one, none of them null."""
    column = table[name].combine_chunks()
    values: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(table), -1)
    return values
