"""The drawn world on disk is in the official layouts, and the same however many processes draw it."""

import hashlib
import importlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.corpora import emoset
from pipeline.corpora.records import Record
from pipeline.emotions import EMOTIONS
from pipeline.miniature.layouts import ARTISTS, GENRES, STYLES, summary, write_emoset, write_wikiart
from pipeline.miniature.table import truth_table
from pipeline.miniature.vocabulary import STYLES as PAINTED
from pipeline.miniature.world import World


def digest(folder: Path) -> str:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    folder = tmp_path_factory.mktemp("emoset")
    return folder, list(write_emoset(World(3), 600, folder))


def test_an_emoset_has_the_official_files_and_reads_without_a_reject(drawn: tuple[Path, list]) -> None:
    folder, rows = drawn
    assert {path.name for path in folder.iterdir()} == {
        "info.json",
        "train.json",
        "val.json",
        "test.json",
        "image",
        "annotation",
    }
    sizes = {split: len(json.loads((folder / f"{split}.json").read_text())) for split in ("train", "val", "test")}
    assert sizes == {"train": 480, "val": 30, "test": 90}
    records = list(emoset.read(folder, emoset.plan(folder)))
    assert all(isinstance(record, Record) for record in records)
    assert sorted(record.image_id for record in records) == sorted(image_id for image_id, _ in rows)
    assert {record.emotion for record in records} == set(EMOTIONS)
    assert not emoset.vocabulary(folder).missing


def test_the_truth_has_a_row_for_each_picture_and_its_label_is_the_folder(drawn: tuple[Path, list]) -> None:
    table = truth_table(World(3), drawn[1])
    assert table["image_id"].to_pylist() == sorted(table["image_id"].to_pylist())
    assert all(row["label"] in row["image_id"] and len(row["objects"]) >= 1 for row in table.to_pylist())
    assert all(sum(row["posterior"]) == pytest.approx(1, abs=1e-5) for row in table.to_pylist())


def test_the_folder_is_the_same_with_two_processes(drawn: tuple[Path, list], tmp_path: Path) -> None:
    list(write_emoset(World(3), 600, tmp_path, workers=2))
    assert digest(tmp_path) == digest(drawn[0])


def test_a_wikiart_is_in_huggans_layout(tmp_path: Path) -> None:
    rows = list(write_wikiart(World(3), 300, tmp_path))
    (shard,) = (tmp_path / "data").iterdir()
    assert shard.name == "train-00000-of-00001.parquet"
    file = pq.ParquetFile(shard)
    assert file.schema_arrow.names == ["image", "artist", "genre", "style"]
    assert file.num_row_groups == 2
    features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
    assert [len(features[key]["names"]) for key in ("artist", "genre", "style")] == [129, 11, 27]
    table = file.read()
    assert {STYLES[index] for index in table["style"].to_pylist()} == set(PAINTED)
    assert max(table["artist"].to_pylist()) < len(ARTISTS)
    assert max(table["genre"].to_pylist()) < len(GENRES)
    assert len(rows) == 300
    assert sum(truth.emotion is None for _, truth in rows) / 300 == pytest.approx(0.65, abs=0.08)


def test_a_wikiart_opens_with_the_datasets_library(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    list(write_wikiart(World(3), 10, tmp_path))
    files = [str(path) for path in (tmp_path / "data").iterdir()]
    opened = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(opened[0]["image"], Image.Image)
    assert opened.features["style"].num_classes == 27


def test_the_summary_tells_how_well_the_world_can_be_read(drawn: tuple[Path, list]) -> None:
    numbers = summary(World(3), [truth for _, truth in drawn[1]])
    assert numbers["n"] == 600
    assert 0.8 < numbers["bayes_accuracy"] < 0.92
