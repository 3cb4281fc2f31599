"""Map a function over shards, and keep each finished shard in the work folder.

Only this module knows where shards are made. Engines give identical results because of three rules: a shard is made
from nothing but its input, randomness is per row, and batches never cross a shard. EVOKE_ENGINE chooses the engine:
`local` makes one shard after the other in this process, `ray` makes them on the actors of a Ray cluster.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pipeline.artifacts import shard_name, write_table
from pipeline.runtime import progress
from pipeline.schemas import Schema
from pipeline.work import WorkFolder

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("local", "ray")
SINGLE = "shards"  # the kind of the pieces if a shard gives one table
Shard = TypeVar("Shard")


@overload
def map_shards(
    load: "Callable[[], Callable[[Shard], pa.Table]]", shards: Sequence[Shard], work: WorkFolder, schema: Schema | None
) -> list[str]: ...


@overload
def map_shards(
    load: "Callable[[], Callable[[Shard], Mapping[str, pa.Table]]]",
    shards: Sequence[Shard],
    work: WorkFolder,
    schema: Mapping[str, Schema | None],
) -> dict[str, list[str]]: ...


def map_shards(
    load: Callable[[], Callable[[Shard], Any]],
    shards: Sequence[Shard],
    work: WorkFolder,
    schema: Schema | Mapping[str, Schema | None] | None,
) -> list[str] | dict[str, list[str]]:
    """Make one table, or one table of each kind, from each shard, except shards that a killed run has finished.

    load: returns the function that makes the tables: shard (its path, or a description of it) -> a table of the schema,
    or, for a mapping of schemas, one table under each of its names. It is called where shards are made, in this process
    or in each actor, and not at all if everything exists already, so models are loaded in it.

    Returns the names of the pieces in the work folder, in order: a list, or one list under each name of the mapping.
    Raises ValueError for an unknown engine and TableError for a table that does not match its schema.
    """
    engine = os.environ.get("EVOKE_ENGINE", "local")
    if engine not in ENGINES:
        raise ValueError(f"EVOKE_ENGINE = {engine!r}: allowed are {', '.join(ENGINES)}")
    schemas = schema if isinstance(schema, Mapping) else {SINGLE: schema}
    pieces = [{kind: f"{kind}/{shard_name(index)}" for kind in schemas} for index in range(len(shards))]
    jobs = [Job(shard, names, schemas, work) for shard, names in zip(shards, pieces, strict=True)]
    missing = [job for job in jobs if not all(map(work.has, job.names.values()))]
    if missing and engine == "ray":
        from pipeline.engine_ray import make_all

        make_all(load, missing)
    elif missing:
        process = load()
        for job in progress(missing):
            job.make(process)
    names = {kind: [piece[kind] for piece in pieces] for kind in schemas}
    return names if isinstance(schema, Mapping) else names[SINGLE]


@dataclass(frozen=True)
class Job:
    """A shard, and the names by kind of the pieces in the work folder that are made from it."""

    shard: Any
    names: Mapping[str, str]
    schemas: Mapping[str, Schema | None]
    work: WorkFolder

    def make(self, process: Callable[[Any], Any]) -> None:
        """Write the pieces, each whole or not at all."""
        result = process(self.shard)
        tables = result if isinstance(result, Mapping) else {SINGLE: result}
        for kind, name in self.names.items():
            with self.work.publish(name) as path:
                write_table(path, tables[kind], self.schemas[kind])
