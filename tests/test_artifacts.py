"""Tables are checked when written and when read; equal values give equal bytes; failures leave nothing behind."""

import hashlib
import importlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import artifacts
from pipeline.artifacts import (
    Artifact,
    read_json,
    read_shards,
    read_table,
    shard_name,
    shard_paths,
    take_rows,
    write_json,
    write_table,
)
from pipeline.params import Params, read_yaml
from pipeline.schemas import (
    CAPTIONS_SCHEMA,
    EMOSET_SCHEMA,
    FEATURES_SCHEMA,
    IMAGE,
    REJECTS_SCHEMA,
    VECTOR,
    Schema,
    TableError,
)
from pipeline.stage import declaration_of

ROOT = Path(__file__).parents[1]
PARAMS = Params()
SCHEMAS = sorted(
    {
        value.path: value.schema for value in vars(artifacts).values() if isinstance(value, Artifact) and value.schema
    }.items()
)


def ids(num_rows: int, begin: int = 0) -> list[str]:
    return [f"emoset/amusement_{index:05d}" for index in range(begin, begin + num_rows)]


def corpus(num_rows: int = 3) -> pa.Table:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 3, 4)).save(file, "PNG")
    return example(EMOSET_SCHEMA, num_rows).set_column(
        1, "image", pa.array([{"bytes": file.getvalue(), "path": "image/a.png"}] * num_rows, IMAGE)
    )


def example(schema: Schema, num_rows: int = 3) -> pa.Table:
    """A valid table of any schema, by the types of its columns."""
    columns = {}
    for column in schema.columns:
        if column is schema.columns[0]:
            columns[column.name] = pa.array(ids(num_rows))
        elif column.words:
            columns[column.name] = pa.array([column.words[0]] * num_rows)
        elif column.type == VECTOR:
            columns[column.name] = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(4 * num_rows, np.float32)), 4)
        elif column.type == IMAGE:
            columns[column.name] = pa.array([{"bytes": b"x", "path": "x.jpg"}] * num_rows, IMAGE)
        else:
            columns[column.name] = pa.array([example_value(column.type)] * num_rows, column.type)
    return pa.table(columns)


def example_value(kind: pa.DataType) -> Any:
    """A value of a type."""
    if pa.types.is_struct(kind):
        return {field.name: example_value(field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return [example_value(kind.value_type)] * kind.list_size
    if pa.types.is_list(kind):
        return [example_value(kind.value_type)] * 2
    return {"string": "a", "bool": True}.get(str(kind), 1)


@pytest.mark.parametrize(("path", "schema"), SCHEMAS)
def test_every_table_is_read_as_written_and_equal_tables_have_equal_bytes(
    tmp_path: Path, path: str, schema: Schema
) -> None:
    file = tmp_path / "table.parquet"
    hashes = set()
    for _ in range(3):
        write_table(file, example(schema), schema)
        hashes.add(hashlib.sha256(file.read_bytes()).hexdigest())
    assert len(hashes) == 1
    assert read_table(file, schema).to_pylist() == example(schema).to_pylist()
    write_table(file, example(schema).slice(0, 0), schema)
    assert len(read_table(file, schema)) == 0


@pytest.mark.parametrize(("path", "schema"), SCHEMAS)
def test_every_column_missing_null_or_of_another_type_is_named(tmp_path: Path, path: str, schema: Schema) -> None:
    good = example(schema)
    for index, column in enumerate(schema.columns):
        wrong = [good.remove_column(index), good.set_column(index, column.name, pa.array([None, None, b"1"]))]
        if not column.nullable:
            nulls = pa.nulls(3, good.schema.field(column.name).type)
            wrong.append(good.set_column(index, column.name, nulls))
        for table in wrong:
            with pytest.raises(TableError, match=column.name):
                write_table(tmp_path / "table.parquet", table, schema)
    assert not list(tmp_path.iterdir())


def test_a_word_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    table = example(CAPTIONS_SCHEMA).set_column(1, "variant", pa.array(["emotion", "joy", "emotion"]))
    with pytest.raises(TableError, match="'joy' is not one of neutral, emotion"):
        write_table(tmp_path / "table.parquet", table, CAPTIONS_SCHEMA)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 1]])
def test_keys_must_be_sorted_and_unique(tmp_path: Path, order: list[int]) -> None:
    with pytest.raises(TableError, match="not sorted or not unique"):
        write_table(tmp_path / "table.parquet", example(FEATURES_SCHEMA).take(order), FEATURES_SCHEMA)


def test_rejects_may_name_an_image_twice(tmp_path: Path) -> None:
    write_table(tmp_path / "table.parquet", example(REJECTS_SCHEMA).take([0, 0, 1]), REJECTS_SCHEMA)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_must_be_finite(tmp_path: Path, value: float) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array([1, value, 1, 1, 1, 1], np.float32)), 2)
    with pytest.raises(TableError, match="not finite"):
        write_table(tmp_path / "a.parquet", example(FEATURES_SCHEMA).set_column(1, "feature", vectors), FEATURES_SCHEMA)


def test_reading_checks_again_and_names_file_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(example(FEATURES_SCHEMA).take([1, 0]), path)
    with pytest.raises(TableError, match=r"table\.parquet: column 'image_id' is not sorted.*dvc repro"):
        read_table(path, FEATURES_SCHEMA)
    write_table(path, example(FEATURES_SCHEMA), FEATURES_SCHEMA)
    for length in (0, 5, 100, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(TableError, match=r"table\.parquet"):
            read_table(path, FEATURES_SCHEMA)
    with pytest.raises(TableError, match="does not exist"):
        read_table(tmp_path / "none.parquet")


def test_columns_can_be_read_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", corpus(), EMOSET_SCHEMA)
    table = read_table(tmp_path / "a.parquet", EMOSET_SCHEMA, ["image_id", "emotion"])
    assert table.column_names == ["image_id", "emotion"]


def test_shards_are_one_sorted_table(tmp_path: Path) -> None:
    for index, begin in enumerate((0, 3)):
        table = example(FEATURES_SCHEMA).set_column(0, "image_id", pa.array(ids(3, begin)))
        write_table(tmp_path / shard_name(index), table, FEATURES_SCHEMA)
    assert read_shards(tmp_path, FEATURES_SCHEMA)["image_id"].to_pylist() == ids(6)
    assert take_rows(tmp_path, [4, 0, 5, 0], FEATURES_SCHEMA, ["image_id"])["image_id"].to_pylist() == [
        ids(6)[row] for row in (4, 0, 5, 0)
    ]
    with pytest.raises(AssertionError, match="has 6 rows"):
        take_rows(tmp_path, [6])
    (tmp_path / shard_name(0)).rename(tmp_path / shard_name(2))
    with pytest.raises(TableError, match="expected part-00000"):
        shard_paths(tmp_path)
    (tmp_path / shard_name(1)).rename(tmp_path / shard_name(0))
    (tmp_path / shard_name(2)).rename(tmp_path / shard_name(1))
    with pytest.raises(TableError, match="all shards together"):
        read_shards(tmp_path, FEATURES_SCHEMA)


def test_datasets_opens_a_corpus_with_decoded_images(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    for index in range(2):
        table = corpus().set_column(0, "image_id", pa.array(ids(3, 3 * index)))
        write_table(tmp_path / shard_name(index), table, EMOSET_SCHEMA)
    opened = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(opened) == 6
    assert opened[4]["image"].size == (8, 6)
    assert opened[4]["emotion"] == "amusement"


def test_json_is_sorted_short_and_flat(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"b": np.float32(1 / 3), "a": np.int64(3), "c": True, "d": None, "e": "x"})
    assert path.read_text() == '{\n  "a": 3,\n  "b": 0.333333,\n  "c": true,\n  "d": null,\n  "e": "x"\n}\n'
    assert read_json(path) == json.loads(path.read_text())
    for value in (float("nan"), float("inf"), [1], {"x": 1}):
        with pytest.raises(ValueError, match="wrong"):
            write_json(path, {"wrong": value})  # type: ignore[dict-item]


def test_paths_are_those_of_dvc_yaml() -> None:
    assert artifacts.CORPUS.template("features", True) == "data/corpora/${item}"
    assert artifacts.METRICS.template("features", True) == "metrics/features/${item}.json"
    assert artifacts.METRICS.template("emoset", False) == "metrics/emoset.json"
    assert artifacts.EMOSET_FOLDER.template("emoset", False) == "${emoset.folder}"
    assert artifacts.EMOSET_FOLDER.locate("emoset", None, PARAMS) == Path("data/miniature/emoset")
    assert artifacts.CORPUS.of("emoset").locate("emoset", None, PARAMS) == Path("data/corpora/emoset")
    with pytest.raises(AssertionError, match="needs an item"):
        artifacts.CORPUS.locate("emoset", None, PARAMS)


def test_no_two_artifacts_share_a_path() -> None:
    shared = {artifacts.PLOTS, artifacts.FIGURES}  # a stage's folder of plots: with tables for DVC, or images alone
    paths = [value.path for value in vars(artifacts).values() if isinstance(value, Artifact) and value not in shared]
    assert len(set(paths)) == len(paths)
    for name in read_yaml(ROOT / "dvc.yaml")["stages"]:
        assert not shared <= set(declaration_of(f"stages.{name}").writes), name
    assert replace(artifacts.CORPUS, path="x") != artifacts.CORPUS
