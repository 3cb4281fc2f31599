"""Columns of a table of scores, some of them vectors: in memory, or on disk until they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table


class Columns(Protocol):
    """What metrics need of a table; a Table of pyarrow is one."""

    def __getitem__(self, name: str, /) -> pa.ChunkedArray: ...

    def __len__(self) -> int: ...

    def select(self, names: list[str], /) -> pa.Table: ...


@dataclass(frozen=True)
class OnDisk:
    """The columns of Parquet files, one after the other: features of many pictures need not be in memory at once."""

    files: Sequence[Path]

    def __getitem__(self, name: str, /) -> pa.ChunkedArray:
        return self.select([name])[name]

    def __len__(self) -> int:
        return len(self.select(["image_id"]))

    def select(self, names: list[str], /) -> pa.Table:
        return pa.concat_tables([read_table(file, columns=names) for file in self.files])


def vectors(matrix: NDArray[np.floating]) -> pa.Array:
    """ND -> a column of N vectors of float32."""
    values = np.ascontiguousarray(matrix, np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def no_vectors(n: int) -> pa.Array:
    """A column of N nulls in place of vectors."""
    return pa.nulls(n, pa.list_(pa.float32()))


def matrix(table: Columns, name: str) -> NDArray[np.float32]:
    """A column of N vectors -> ND; at least one, none of them null."""
    column = table[name].combine_chunks()
    values: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(column), -1)
    return values
