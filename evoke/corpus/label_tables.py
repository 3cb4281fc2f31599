"""Read the labels of tables: which columns hold them, and the rows of a CSV, TSV or Parquet file of paths."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from evoke.corpus.tables import schema_of
from pipeline.corpora.labelled import MAX_LIST_BYTES
from pipeline.corpora.records import shown
from pipeline.corpora.wikiart import class_names, errors_name

COLUMNS = {  # what a column holds, and the names that it may have
    "path": ("path", "file_name"), "emotion": ("emotion", "label"), "split": ("split",), "scene": ("scene",),
    "objects": ("objects", "object"), "caption": ("caption", "text"),
}  # fmt: skip


def columns_of(names: Iterable[str], file: Path, needed: Sequence[str]) -> dict[str, str]:
    """Return the column of each kind of label that a table has. Raises ValueError if one that is needed is missing."""
    own = {str(name).strip().lower(): name for name in names}
    columns = {key: next((own[word] for word in words if word in own), None) for key, words in COLUMNS.items()}
    for key in needed:
        if columns[key] is None:
            listed = ", ".join(own) or "none"
            raise ValueError(f"{file}: no column {' or '.join(COLUMNS[key])}; its columns are {shown(listed)}")
    return {key: column for key, column in columns.items() if column is not None}


def rows_of(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, counted from 1, and the path and labels of each row of a table.

    Raises ValueError that names the file, and the line of a CSV file, if it is damaged or lacks a column.
    """
    yield from _parquet_rows(file) if file.suffix.lower() == ".parquet" else _csv_rows(file)


def _csv_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the labels of each row of a CSV or TSV file, counted from 1 after the header."""
    if file.stat().st_size > MAX_LIST_BYTES:
        raise ValueError(f"{file}: larger than {MAX_LIST_BYTES} bytes; store it as Parquet")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 ({error.reason}); save it as a CSV file in UTF-8") from None
    head = text.split("\n", 1)[0]
    comma = "," if "," in head else ";"  # spreadsheets of many countries write ;
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if file.suffix.lower() == ".tsv" else comma)
    header = next(rows, [])
    columns = columns_of(header, file, ("path", "emotion"))
    try:
        for number, row in enumerate(filter(None, rows), 1):
            cells = dict(zip(header, row, strict=False))
            if len(row) != len(header):
                raise ValueError(f"{len(row)} columns, expected {len(header)}; put texts that contain commas in quotes")
            yield number, {key: cells[column] for key, column in columns.items()}
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{file}, line {rows.line_num}: {error}") from None


def _parquet_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    schema = schema_of(file)
    columns = columns_of(schema.names, file, ("path", "emotion"))
    names = class_names(schema, [*columns.values()])
    with errors_name(file):
        table = pq.read_table(file, columns=[*columns.values()], partitioning=None)
    for number, row in enumerate(table.to_pylist(), 1):
        yield number, {key: named(row[column], names.get(column)) for key, column in columns.items()}


def named(value: Any, names: tuple[str, ...] | None) -> Any:
    """Return a class label as its name, and any other value as it is."""
    if not isinstance(value, int) or names is None:
        return value
    return names[value] if 0 <= value < len(names) else None
