"""Convert records and rejects to the tables that store a corpus, and back."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import TypeVar

import pyarrow as pa

from pipeline.corpora.records import Reason, Record, Reject
from pipeline.schemas import EMOSET_SCHEMA, REJECTS_SCHEMA

Item = TypeVar("Item")
Weight = tuple[int, int]  # rows, size
STORED_ASIDE = ("image_bytes", "path")  # fields of a record that the table holds in its image column
MAX_SHARD_BYTES = 256_000_000  # of image files, where no param sets it; equals the limit of emoset.max_shard_mb
REPORTED = [field.name for field in fields(Record) if field.name not in STORED_ASIDE]


def tables(outcomes: Iterable[Record | Reject]) -> dict[str, pa.Table]:
    """Return the outcomes of a reader as two tables, "records" and "rejects", each sorted by its key."""
    listed = list(outcomes)
    records = [row_of(outcome) for outcome in listed if isinstance(outcome, Record)]
    return {
        "records": pa.Table.from_pylist(sorted(records, key=lambda row: str(row["image_id"])), EMOSET_SCHEMA.arrow),
        "rejects": reject_table(outcome for outcome in listed if isinstance(outcome, Reject)),
    }


def reject_table(rejects: Iterable[Reject]) -> pa.Table:
    """Return rejects as a table with the columns of REJECTS_SCHEMA, sorted by their id."""
    rows = [
        {"image_id": reject.image_id_or_path, "reason": reject.reason.value, "detail": reject.detail}
        for reject in rejects
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["image_id"]), REJECTS_SCHEMA.arrow)


def row_of(record: Record) -> dict[str, object]:
    """Return a record as a row with the columns of EMOSET_SCHEMA."""
    row = {name: value for name, value in asdict(record).items() if name in REPORTED}
    return row | {"image": {"bytes": record.image_bytes, "path": record.path}}


def outcomes(records: Iterable[pa.Table], rejects: pa.Table) -> Iterator[Record | Reject]:
    """Yield the records and rejects of finished tables, without the image bytes, for a report on the whole corpus."""
    for table in records:
        for row in table.to_pylist():
            yield Record(**row | {"objects": tuple(row["objects"]), "image_bytes": b"", "path": ""})
    for row in rejects.to_pylist():
        yield Reject(row["image_id"], Reason(row["reason"]), row["detail"])


def check_rejects(
    num_rejects: int,
    num_rows: int,
    max_reject_frac: float,
    corpus: str = "emoset",
    why: str = "`evoke validate FOLDER` lists the reasons",
) -> None:
    """Check that the share of rejected rows is at most max_reject_frac.

    Raises ValueError otherwise. `why` is the part of its message that gives the reasons or says where to find them.
    """
    if num_rejects > max_reject_frac * num_rows:
        raise ValueError(
            f"{num_rejects} of {num_rows} rows are rejected, more than max_reject_frac = {max_reject_frac} allows; "
            f"{why}; repair the folder, or raise {corpus}.max_reject_frac"
        )


def describe_rejects(rejects: pa.Table) -> str:
    """Return rejects as one line: the count of each reason, the most frequent first, each with its first reject.

    The detail of a reject begins with the path of its file where there is one.
    """
    first: dict[str, str] = {}
    for row in rejects.to_pylist():
        first.setdefault(row["reason"], f"{row['image_id']}: {row['detail']}" if row["detail"] else row["image_id"])
    counts = Counter(rejects["reason"].to_pylist()).most_common()
    return ", ".join(f"{number} {reason} (first {first[reason]})" for reason, number in counts)


def runs(items: Iterable[Item], max_rows: int, max_size: int, weigh: Callable[[Item], Weight]) -> Iterator[list[Item]]:
    """Yield lists of consecutive items with at most `max_rows` rows and `max_size` in total, but at least one item.

    weigh: returns the (rows, size) of an item, the size in the unit of `max_size`.
    """
    run: list[Item] = []
    num_rows = size = 0
    for item in items:
        more_rows, more_size = weigh(item)
        if run and (num_rows + more_rows > max_rows or size + more_size > max_size):
            yield run
            run, num_rows, size = [], 0, 0
        run.append(item)
        num_rows, size = num_rows + more_rows, size + more_size
    if run:
        yield run
