"""Read rows of images from Parquet files, and from Arrow files as `datasets` saves them, one group at a time.

A group is a row group of a Parquet file or a batch of an Arrow file. What the rows mean is left to the reader.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpora.records import RejectedError
from pipeline.corpora.wikiart import BUFFER_BYTES, errors_name, rows_of

ARROW = ".arrow"


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive rows of one file, with their size in bytes."""

    file: Path
    index: int
    num_rows: int
    num_bytes: int

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any] | RejectedError]:
        """Yield these columns of each row, or the reason why the rows cannot be read.

        Raises ValueError that names the file if it is damaged.
        """
        with errors_name(self.file):
            if self.file.suffix == ARROW:
                yield from _arrow_rows(self, columns)
                return
            with pq.ParquetFile(self.file, buffer_size=BUFFER_BYTES) as file:
                yield from rows_of(file, self.index, list(columns))


def schema_of(file: Path) -> pa.Schema:
    """Return the schema of a file. Raises ValueError that names the file if it is damaged."""
    with errors_name(file):
        if file.suffix != ARROW:
            return pq.read_schema(file)
        with _opened(file) as reader:
            return reader.schema


def groups_of(file: Path) -> list[Group]:
    """Return the groups of a file in order. Raises ValueError that names the file if it is damaged."""
    with errors_name(file):
        if file.suffix == ARROW:
            with _opened(file) as reader:
                return [Group(file, index, batch.num_rows, batch.nbytes) for index, batch in enumerate(reader)]
        footer = pq.read_metadata(file)
        sizes = [footer.row_group(index) for index in range(footer.num_row_groups)]
        return [Group(file, index, size.num_rows, size.total_byte_size) for index, size in enumerate(sizes)]


def _arrow_rows(group: Group, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    with _opened(group.file) as reader:
        for index, batch in enumerate(reader):
            if index == group.index:
                chosen = batch.select(list(columns))
                yield from (chosen.slice(row, 1).to_pylist()[0] for row in range(chosen.num_rows))


@contextmanager
def _opened(file: Path) -> Iterator[pa.RecordBatchStreamReader]:
    """Open an Arrow file as `datasets` writes it, mapped into memory so that only the rows that are used are read."""
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
        yield reader
