"""Read an Arrow file as `Dataset.save_to_disk` of the datasets library writes it, whose rows are those of WikiArt.

The file is mapped, so that the system decides what of it is in memory; one row at a time is copied.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from pipeline.ahead import ahead
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reject, shown
from pipeline.corpora.wikiart import LABELS, MIN_DIGITS, class_names, columns_of, outcome, picture_column

STATE = "state.json"
SCRATCH = ("cache-", "tmp")  # prefixes of files that the library keeps beside its own


def is_listed(file: Path) -> bool:
    """Return True for a file of a saved data set, False for the library's scratch files and those of earlier saves."""
    state = file.with_name(STATE)
    if file.name.startswith(SCRATCH) or not state.is_file():
        return not file.name.startswith(SCRATCH)
    try:
        listed = {entry["filename"] for entry in json.loads(state.read_text(encoding="utf-8"))["_data_files"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{state} is damaged ({error!r}); save the data set again") from None
    return file.name in listed


def sizes(path: Path) -> list[tuple[int, int]]:
    """Return rows and bytes of every batch. Raises ValueError that names the file if it is damaged."""
    with _opened(path) as batches:
        return [(batch.num_rows, batch.get_total_buffer_size()) for batch in batches]


def read(path: Path, ids: str, chosen: range) -> Iterator[Picture | Reject]:
    """Yield one image or reject per row of the chosen batches. Raises ValueError as `sizes` does, or without images."""
    counts = [num_rows for num_rows, _ in sizes(path)]
    firsts, digits = [0, *accumulate(counts)], max(MIN_DIGITS, len(str(sum(counts) - 1)))
    with _opened(path) as batches:
        column = picture_column(batches.schema)
        if column is None:
            raise ValueError(f"{path} has no column with the bytes of images; its columns: {batches.schema.names}")
        columns = columns_of(batches.schema, column)
        rows = (
            (f"{ids}/{firsts[index] + row:0{digits}d}", batch.slice(row, 1).to_pylist()[0])
            for index, whole in enumerate(batches)
            if index in chosen
            for batch in [_checked(whole.select(columns))]
            for row in range(batch.num_rows)
        )
        yield from ahead(partial(outcome, class_names(batches.schema, LABELS), column), rows)


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch after a check of its offsets: through damaged ones foreign memory would be read."""
    batch.validate(full=True)
    return batch


@contextmanager
def _opened(path: Path) -> Iterator[pa.RecordBatchReader]:
    """Open a file; what Arrow raises about it becomes a one-line ValueError that names it."""
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
            yield batches
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        message = shown(" ".join(str(error).split()))
        raise ValueError(f"{path} is damaged, cut off or no Arrow stream ({message}); save it again") from None
