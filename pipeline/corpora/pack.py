"""Records and rejects as the tables that a corpus is made of, and back."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields

import pyarrow as pa

from pipeline.corpora.records import Reason, Record, Reject
from pipeline.schemas import CORPUS_SCHEMA, REJECTS_SCHEMA

STORED_ASIDE = ("image_bytes", "path")  # of a record; the table has them in its image column
REPORTED = [field.name for field in fields(Record) if field.name not in STORED_ASIDE]


def tables(outcomes: Iterable[Record | Reject]) -> dict[str, pa.Table]:
    """What a reader yields -> {"records", "rejects"}, each sorted by its key."""
    found = list(outcomes)
    records = [row_of(outcome) for outcome in found if isinstance(outcome, Record)]
    rejects = [
        {"image_id": reject.image_id_or_path, "reason": reject.reason.value, "detail": reject.detail}
        for reject in found
        if isinstance(reject, Reject)
    ]
    return {
        name: pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["image_id"])), schema=schema.arrow)
        for name, rows, schema in (("records", records, CORPUS_SCHEMA), ("rejects", rejects, REJECTS_SCHEMA))
    }


def row_of(record: Record) -> dict[str, object]:
    """A record under the columns of CORPUS_SCHEMA."""
    row = {name: value for name, value in asdict(record).items() if name in REPORTED}
    return row | {"image": {"bytes": record.image_bytes, "path": record.path}}


def outcomes(records: Iterable[pa.Table], rejects: pa.Table) -> Iterator[Record | Reject]:
    """The records and rejects of finished tables, pictures left out, for a report on the corpus as a whole."""
    for table in records:
        for row in table.to_pylist():
            yield Record(**row | {"objects": tuple(row["objects"]), "image_bytes": b"", "path": ""})
    for row in rejects.to_pylist():
        yield Reject(row["image_id"], Reason(row["reason"]), row["detail"])


def check_rejects(num_rejects: int, num_rows: int, max_reject_frac: float) -> None:
    """Raises ValueError where more of the rows are rejected than the params allow."""
    if num_rejects > max_reject_frac * num_rows:
        raise ValueError(
            f"{num_rejects} of {num_rows} rows are rejected, more than max_reject_frac = {max_reject_frac} allows; "
            "`evoke validate FOLDER` says why; mend the folder, or raise emoset.max_reject_frac"
        )
