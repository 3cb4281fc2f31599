"""Access the columns of a table of scores, some of which hold vectors: in memory, or read from disk on demand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table


class Columns(Protocol):
    """The interface that metrics need from a table; a pyarrow Table satisfies it."""

    def __getitem__(self, name: str, /) -> pa.ChunkedArray: ...

    def __len__(self) -> int: ...

    def select(self, names: list[str], /) -> pa.Table: ...


@dataclass(frozen=True)
class OnDisk:
    """The columns of concatenated Parquet files; features of many images need not be in memory at the same time."""

    files: Sequence[Path]

    def __getitem__(self, name: str, /) -> pa.ChunkedArray:
        return self.select([name])[name]

    def __len__(self) -> int:
        return len(self.select(["image_id"]))

    def select(self, names: list[str], /) -> pa.Table:
        return pa.concat_tables([read_table(file, columns=names) for file in self.files])


def vectors(matrix: NDArray[np.floating]) -> pa.Array:
    """Return a column of N float32 vectors from an array ND."""
    values = np.ascontiguousarray(matrix, np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def no_vectors(n: int) -> pa.Array:
    """Return a column of N nulls in place of vectors."""
    return pa.nulls(n, pa.list_(pa.float32()))


def matrix(table: Columns, name: str) -> NDArray[np.float32]:
    """Return a column of N vectors as an array ND; it must have at least one row and no nulls."""
    column = table[name].combine_chunks()
    values: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(column), -1)
    return values
