"""A resumable stage in miniature, for tests/test_stage.py: one slow shard per shard, a table, metrics, a folder."""

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import METRICS, Artifact, read_table
from pipeline.engine import map_shards
from pipeline.schemas import ID, Column, Schema
from pipeline.stage import Run, stage

SCHEMA = Schema((ID, Column("value", pa.float64(), "a number")))
SOURCE = Artifact("data/source/{item}", "shards", SCHEMA)
SHARDS = Artifact("data/shards/{item}", "shards", SCHEMA)
TABLE = Artifact("data/table/{item}.parquet", "table", SCHEMA)
NOTES = Artifact("data/notes/{item}", "folder")


@stage(
    reads=(SOURCE,),
    writes=(SHARDS, TABLE, NOTES, METRICS),
    item="corpus",
    sections=("seed", "features", "caption_filter"),
)
def main(run: Run) -> None:
    """Adds noise to every value."""

    def noisy(shard: Path) -> pa.Table:
        time.sleep(float(os.environ.get("TOY_SLEEP_S", "0")))
        table = read_table(shard, SCHEMA)
        noise = run.generator(shard.name).normal(size=len(table))
        return table.set_column(1, "value", pa.array(np.asarray(table["value"]) + noise))

    run.assemble(SHARDS, map_shards(lambda: noisy, run.shards(SOURCE), run.work, SCHEMA))
    source = run.read(SOURCE)
    run.write(TABLE, source)
    for index in range(5):
        (run.out_folder(NOTES) / f"{index}.txt").write_text(f"{run.item} {index}\n" * 1000)
    run.metrics({"n": len(source), "drop_fraction": run.section("caption_filter").drop_fraction})


if __name__ == "__main__":
    main()
