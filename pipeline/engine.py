"""A function over shards, each finished shard kept in the work folder: the one place that knows where shards are made.

Identity across engines rests on three rules: a shard is made from nothing but its input, randomness is per row, and
batches never cross a shard. EVOKE_ENGINE chooses the engine; `local` makes one shard after the other in this process.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import shard_name, write_table
from pipeline.runtime import progress
from pipeline.schemas import Schema
from pipeline.work import WorkFolder

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("local",)


def map_shards(
    process: "Callable[[Path], pa.Table]",
    shards: Sequence[Path],
    work: WorkFolder,
    schema: Schema,
    folder: str = "shards",
) -> list[str]:
    """Makes a shard from each shard, skipping those that a killed run has made; returns their names in the work folder.

    process gets the path of an input shard and is not called at all where every shard is there, so it may load its
    model on the first call. Raises ValueError for an unknown engine and TableError for a table that is not of the
    schema.
    """
    engine = os.environ.get("EVOKE_ENGINE", "local")
    if engine not in ENGINES:
        raise ValueError(f"EVOKE_ENGINE = {engine!r}: allowed is {', '.join(ENGINES)}")
    names = [f"{folder}/{shard_name(index)}" for index in range(len(shards))]
    missing = [(name, shard) for name, shard in zip(names, shards, strict=True) if not work.has(name)]
    for name, shard in progress(missing, desc=folder):
        with work.publish(name) as path:
            write_table(path, process(shard), schema)
    return names
