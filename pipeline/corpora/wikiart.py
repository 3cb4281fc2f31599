"""Read WikiArt in huggan's layout: runs of row groups -> images and rejects (REFERENCE D).

    data/*.parquet    image {bytes, path} or bytes; artist, genre, style: class labels, text, or absent

The columns may have any of the types in which datasets, pandas, polars and DuckDB write bytes and text.

A plan reads only the footers. A run is streamed: besides the page that Parquet unpacks, one row is in memory at a time.
Images are not classified here; `pipeline.corpora.curate` does that.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ahead import ahead
from pipeline.corpora.images import MAX_IMAGE_BYTES
from pipeline.corpora.pack import MAX_SHARD_BYTES, runs
from pipeline.corpora.picture import Picture, checked
from pipeline.corpora.records import Reason, Reject, RejectedError, shown

IMAGE = "image"
LABELS = ("artist", "genre", "style")
BYTES = (pa.binary(), pa.large_binary(), pa.binary_view())
TEXT = (pa.string(), pa.large_string(), pa.string_view())
NO_LABEL = -1  # class label that the datasets library gives a row without one
MIN_DIGITS = 6  # of a row's number in its image_id
BUFFER_BYTES = 1 << 20  # makes Parquet read a column of a row group page by page, not at once
MAX_NAME_CHARS = 200
NUMBERED = re.compile(r"(.+)-\d{5}-of-(\d{5})\.parquet")
Names = dict[str, tuple[str, ...]]

_log = logging.getLogger("evoke")


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Consecutive row groups of one file.

    first: the number of their first row, counted over all files of the folder.
    digits: the number of digits of a row's number in its image_id.
    column: the column of the images.
    """

    file: Path
    groups: tuple[int, ...]
    first: int
    num_rows: int
    corpus: str
    digits: int
    column: str = IMAGE

    def read(self) -> Iterator[Picture | Reject]:
        """Yield one image or reject per row, in row order. Raises ValueError that names the file if it is damaged."""
        with errors_name(self.file), pq.ParquetFile(self.file, buffer_size=BUFFER_BYTES) as file:
            names = class_names(file.schema_arrow, LABELS)
            columns = columns_of(file.schema_arrow, self.column)
            rows = (row for group in self.groups for row in rows_of(file, group, columns))
            named = ((f"{self.corpus}/{index:0{self.digits}d}", row) for index, row in enumerate(rows, self.first))
            yield from ahead(partial(outcome, names, self.column), named)


def parquet_files(folder: Path) -> list[Path]:
    """Return data/*.parquet in order. Links are followed, because Hugging Face's cache consists of them."""
    return sorted(path for path in (folder / "data").glob("*.parquet") if not path.name.startswith("."))


def is_laid_out(folder: Path) -> bool:
    """Return True if a folder has this layout: data/*.parquet, at least one of which may hold images."""
    return any(not _is_of_other_things(file) for file in parquet_files(folder))


def _is_of_other_things(file: Path) -> bool:
    """Return True for a readable Parquet file without a column `image`."""
    if not file.is_file():
        return False
    try:
        return "image" not in pq.read_schema(file).names
    except (OSError, pa.ArrowException):
        return False


def plan(folder: Path, corpus: str, shard_images: int) -> list[RowGroups]:
    """Return all rows as runs of about `shard_images` rows, each with at least one row group.

    Raises ValueError if there is no row, or if a file is cut off, is not Parquet, lacks the images, or has labels of an
    unsupported type.
    """
    files = parquet_files(folder)
    _warn_of_missing(files)
    footers = [_footer(file) for file in files]
    total = sum(footer.num_rows for footer in footers)
    if not total:
        raise ValueError(f"{folder}: data/*.parquet have no rows")
    digits = max(MIN_DIGITS, len(str(total - 1)))
    planned: list[RowGroups] = []
    first = 0
    for file, footer in zip(files, footers, strict=True):
        sizes = [_size(footer, group) for group in range(footer.num_row_groups)]
        for run in runs(range(len(sizes)), shard_images, MAX_SHARD_BYTES, sizes.__getitem__):
            num_rows = sum(sizes[group][0] for group in run)
            planned.append(RowGroups(file, tuple(run), first, num_rows, corpus, digits))
            first += num_rows
    return planned


def _warn_of_missing(files: Sequence[Path]) -> None:
    """Log a warning if numbered files are missing: a part of WikiArt is accepted, but is hardly ever intended."""
    matches = [match for file in files if (match := NUMBERED.fullmatch(file.name))]
    for (prefix, total), count in Counter(match.groups() for match in matches).items():
        if count < int(total):
            _log.warning(
                "only %d of %d files %s-*.parquet exist; check that the download is complete", count, int(total), prefix
            )


def _footer(file: Path) -> pq.FileMetaData:
    """Return the footer of a file. Raises ValueError if its columns are not those of the layout."""
    if not file.is_file():  # opening a pipe would block
        raise ValueError(f"{file} is not a regular file; remove it or download it again")
    with errors_name(file), pq.ParquetFile(file) as opened:
        schema, footer = opened.schema_arrow, opened.metadata
    kinds = dict(zip(schema.names, schema.types, strict=True))
    if not holds_pictures(kinds.get("image")):
        problem = f"has type {kinds['image']}" if "image" in kinds else "is missing"
        raise ValueError(
            f"{file}: column image {problem}; expected is struct<bytes: binary, path: string> as in huggan/wikiart, or "
            "binary"
        )
    for name in LABELS:
        if name in kinds and not _holds_labels(kinds[name]):
            raise ValueError(f"{file}: column {name} has type {kinds[name]}; expected are class labels or text")
    for name in set(LABELS) & set(kinds) - set(class_names(schema, LABELS)):
        if pa.types.is_integer(kinds[name]):
            _log.warning(
                "%s: column %s has class numbers without names; the numbers are used as names", file.name, name
            )
    return footer


def rows_of(file: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, Any] | RejectedError]:
    """Yield the rows of a row group, with one in memory at a time.

    A page of a few bytes may unpack to gigabytes of rows. If the images of a row group have more than MAX_IMAGE_BYTES
    each on average, every row is yielded as a RejectedError.
    """
    footer = file.metadata.row_group(group)
    chunks = [footer.column(index) for index in range(footer.num_columns)]
    held = (columns[0], f"{columns[0]}.bytes")
    sizes = [chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in held]
    size = max(sizes, default=0)
    if size > footer.num_rows * MAX_IMAGE_BYTES:
        detail = f"{size} bytes for the {footer.num_rows} of its row group, at most {MAX_IMAGE_BYTES} each are read"
        yield from repeat(RejectedError(Reason.file_too_large, detail), footer.num_rows)
        return
    for batch in file.iter_batches(1, [group], columns, use_threads=False):
        yield from batch.to_pylist()


def columns_of(schema: pa.Schema, column: str) -> list[str]:
    """Return the columns that are read, that of the images first."""
    return [column, *(name for name in LABELS if name in schema.names and _holds_labels(schema.field(name).type))]


def picture_column(schema: pa.Schema) -> str | None:
    """Return `image` if that column holds images, else the only column with bytes and path, as datasets writes them."""
    if IMAGE in schema.names and holds_pictures(schema.field(IMAGE).type):
        return IMAGE
    others = [field.name for field in schema if pa.types.is_struct(field.type) and holds_pictures(field.type)]
    return others[0] if len(others) == 1 else None


def holds_pictures(kind: pa.DataType | None) -> bool:
    """Return True for bytes, and for a struct of bytes and perhaps a path, which is null where no row has one."""
    if kind is None or not pa.types.is_struct(kind):
        return kind in BYTES
    if kind.get_field_index("bytes") < 0:
        return False
    path = kind.field("path").type if kind.get_field_index("path") >= 0 else pa.null()
    return kind.field("bytes").type in BYTES and path in (*TEXT, pa.null())


def _holds_labels(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_integer(kind) or kind in (*TEXT, pa.null())


def _size(footer: pq.FileMetaData, group: int) -> tuple[int, int]:
    row_group = footer.row_group(group)
    return row_group.num_rows, row_group.total_byte_size


def class_names(schema: pa.Schema, columns: Sequence[str]) -> Names:
    """Return the names of each class label of these columns, from the metadata that the datasets library writes.

    A column without such metadata has no entry.
    """
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        listed = {name: features[name].get("names") for name in columns if name in features}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):  # absent, or of another shape
        return {}
    return {name: tuple(words) for name, words in listed.items() if isinstance(words, list) and _all_text(words)}


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def outcome(names: Names, column: str, named: tuple[str, dict[str, Any] | RejectedError]) -> Picture | Reject:
    """Return the image, or the reject, of a pair (image_id, row)."""
    image_id, row = named
    try:
        if isinstance(row, RejectedError):
            raise row
        image = row[column] if isinstance(row[column], dict) else {"bytes": row[column]}
        if image["bytes"] is None:
            linked = f", only the path {shown(image['path'])}" if image.get("path") else ""
            raise RejectedError(Reason.null_image, f"column {column} has no bytes{linked}")
        art = {name: _label(name, row.get(name), names.get(name)) for name in LABELS}
        return checked(image_id, image["bytes"], image.get("path"), **art)
    except RejectedError as why:
        return Reject(image_id, why.reason, why.detail)


def _label(column: str, value: int | str | None, names: tuple[str, ...] | None) -> str | None:
    """Return a class label as its name, text as it is, or None if the row has no label.

    Raises RejectedError for a number outside the file's own list, and for text that is too long or not printable.
    """
    if value is None or (value == NO_LABEL and names is not None):
        return None
    if isinstance(value, int) and names is not None and not 0 <= value < len(names):
        raise RejectedError(
            Reason.unknown_class_label, f"{column} is {value}, but only {len(names)} classes have names"
        )
    text = names[value] if isinstance(value, int) and names is not None else str(value).strip()
    if len(text) > MAX_NAME_CHARS or not text.isprintable():
        raise RejectedError(Reason.unknown_class_label, f"{column} is {shown(text)}, expected a name")
    return text or None


@contextmanager
def errors_name(file: Path) -> Iterator[None]:
    """Turn what Arrow raises about a file into a one-line ValueError that names the file.

    Of a file that is cut off not a single row can be read.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        message = " ".join(str(error).split())
        raise ValueError(
            f"{file} is damaged, truncated or not a Parquet file ({shown(message)}); download it again"
        ) from None
