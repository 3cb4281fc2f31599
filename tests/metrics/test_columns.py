"""Columns on disk are those of the tables that were written, in order."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import write_table
from pipeline.metrics.columns import OnDisk, matrix, vectors


def test_columns_on_disk_are_those_of_the_tables_one_after_the_other(tmp_path: Path) -> None:
    parts = [
        pa.table({"image_id": ids, "feature": vectors(np.random.default_rng(len(ids)).random((len(ids), 4)))})
        for ids in (["a", "b", "c"], ["d"])
    ]
    files = [tmp_path / f"{index}.parquet" for index in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        write_table(file, part, None)
    whole, on_disk = pa.concat_tables(parts), OnDisk(files)
    assert len(on_disk) == 4
    assert on_disk["image_id"].to_pylist() == ["a", "b", "c", "d"]
    assert on_disk.select(["feature", "image_id"]).column_names == ["feature", "image_id"]
    assert (matrix(on_disk, "feature") == matrix(whole, "feature")).all()
