"""Shards: made once each, kept when the run stops, one table or one of each kind."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.artifacts import read_table
from pipeline.engine import map_shards
from pipeline.schemas import ID, Column, Schema, TableError
from pipeline.work import WorkFolder

SCHEMA = Schema((ID, Column("value", pa.int64(), "a number")))


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    return WorkFolder("toy", "a" * 64, tmp_path)


def table(value: int) -> pa.Table:
    return pa.table({"image_id": [f"emoset/{value}"], "value": [value]})


def test_finished_shards_are_not_made_again(work: WorkFolder) -> None:
    made = []

    def process(value: int) -> pa.Table:
        made.append(value)
        if made == [1, 2, 3]:
            raise ValueError("stop")
        return table(value)

    with work.lock():
        with pytest.raises(ValueError, match="stop"):
            map_shards(lambda: process, [1, 2, 3, 4], work, SCHEMA)
        names = map_shards(lambda: process, [1, 2, 3, 4], work, SCHEMA)
        assert map_shards(lambda: process, [1, 2, 3, 4], work, SCHEMA) == names
    assert made == [1, 2, 3, 3, 4]
    assert [read_table(work.part(name))["value"][0].as_py() for name in names] == [1, 2, 3, 4]


def test_a_shard_may_give_a_table_of_each_kind(work: WorkFolder) -> None:
    with work.lock():
        names = map_shards(
            lambda: lambda value: {"a": table(value), "b": table(-value)}, [1, 2], work, {"a": SCHEMA, "b": None}
        )
    assert names == {kind: [f"{kind}/part-00000.parquet", f"{kind}/part-00001.parquet"] for kind in ("a", "b")}
    assert read_table(work.part(names["b"][1]))["value"].to_pylist() == [-2]


def test_a_wrong_table_or_engine_is_refused(work: WorkFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with work.lock():
        with pytest.raises(TableError, match="missing"):
            map_shards(lambda: lambda value: pa.table({"value": [value]}), [1], work, SCHEMA)
        assert not work.has("shards/part-00000.parquet")
        monkeypatch.setenv("EVOKE_ENGINE", "spark")
        with pytest.raises(ValueError, match="EVOKE_ENGINE = 'spark': allowed are local, ray"):
            map_shards(lambda: table, [1], work, SCHEMA)


def test_nothing_is_loaded_where_every_shard_is_there(work: WorkFolder) -> None:
    loaded = []

    def load() -> Callable[[int], pa.Table]:
        loaded.append(True)
        return table

    with work.lock():
        for _ in range(2):
            map_shards(load, [1, 2], work, SCHEMA)
    assert loaded == [True]
