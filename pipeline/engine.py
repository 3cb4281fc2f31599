"""A function over shards, each finished shard kept in the work folder: the one place that knows where shards are made.

Identity across engines rests on three rules: a shard is made from nothing but its input, randomness is per row, and
batches never cross a shard. EVOKE_ENGINE chooses the engine; `local` makes one shard after the other in this process.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pipeline.artifacts import shard_name, write_table
from pipeline.runtime import progress
from pipeline.schemas import Schema
from pipeline.work import WorkFolder

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("local",)
Shard = TypeVar("Shard")


@overload
def map_shards(
    process: "Callable[[Shard], pa.Table]", shards: Sequence[Shard], work: WorkFolder, schema: Schema | None
) -> list[str]: ...


@overload
def map_shards(
    process: "Callable[[Shard], Mapping[str, pa.Table]]",
    shards: Sequence[Shard],
    work: WorkFolder,
    schema: Mapping[str, Schema | None],
) -> dict[str, list[str]]: ...


def map_shards(
    process: Callable[[Shard], Any],
    shards: Sequence[Shard],
    work: WorkFolder,
    schema: Schema | Mapping[str, Schema | None] | None,
) -> list[str] | dict[str, list[str]]:
    """Makes a table, or a table of each kind, from each shard, but from those that a killed run has finished.

    process gets a shard (the path of one, or what to make one of) and gives a table of the schema, or one under each
    name of a mapping of schemas. It is not called at all where everything is there, so it may load its model on the
    first call. Returns the names of the pieces in the work folder, in order, likewise. Raises ValueError for an unknown
    engine and TableError for a table that is not of its schema.
    """
    engine = os.environ.get("EVOKE_ENGINE", "local")
    if engine not in ENGINES:
        raise ValueError(f"EVOKE_ENGINE = {engine!r}: allowed is {', '.join(ENGINES)}")
    if not isinstance(schema, Mapping):
        return map_shards(lambda shard: {"shards": process(shard)}, shards, work, {"shards": schema})["shards"]
    pieces = [{kind: f"{kind}/{shard_name(index)}" for kind in schema} for index in range(len(shards))]
    missing = [index for index, names in enumerate(pieces) if not all(map(work.has, names.values()))]
    for index in progress(missing):
        tables = process(shards[index])
        for kind, name in pieces[index].items():
            with work.publish(name) as path:
                write_table(path, tables[kind], schema[kind])
    return {kind: [names[kind] for names in pieces] for kind in schema}
