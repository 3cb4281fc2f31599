"""Every row of a WikiArt comes out once and in order, however its row groups are cut; a damaged file is named."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.corpora import images, wikiart
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reason, Reject
from pipeline.corpora.wikiart import plan
from pipeline.miniature import layouts
from pipeline.miniature.world import World

from .conftest import encoded, picture
from .gallery import IMAGE, row, stored, write_wikiart

BOMB = bytes.fromhex("89504e470d0a1a0a0000000d4948445200002ee000002ee0080000000074 2ed32d0000000049454e44ae426082")
MAX_BYTES = 5000  # in these tests, so that a file over the limit is quickly made
EXAMPLES: dict[Reason, dict[str, Any]] = {
    Reason.null_image: row(None),
    Reason.empty_file: row(b""),
    Reason.truncated_image: row(encoded(picture())[:-50]),
    Reason.unsupported_format: row(b"<!DOCTYPE html><html>404</html>"),
    Reason.unreadable_image: row(b"\xff\xd8\xff\xd9"),
    Reason.decompression_bomb: row(BOMB),
    Reason.file_too_large: row(bytes(MAX_BYTES + 1)),
    Reason.extreme_shape: row(encoded(Image.new("RGB", (1, 51)), "PNG")),
    Reason.unknown_class_label: row(stored(), style=27),
}


def outcomes(folder: Path, shard_images: int = 4) -> list[Picture | Reject]:
    return [outcome for unit in plan(folder, "emoart", shard_images) for outcome in unit.read()]


def ids(found: list[Picture | Reject]) -> list[str]:
    return [one.image_id if isinstance(one, Picture) else one.image_id_or_path for one in found]


@pytest.mark.parametrize("groups", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("shard_images", [1, 4, 1000])
def test_every_row_comes_once_in_order_however_row_groups_are_cut(
    tmp_path: Path, groups: int, shard_images: int
) -> None:
    data = [stored(number=number) for number in range(13)]
    write_wikiart(tmp_path, [row(one) for one in data[:8]], groups, "train-00000-of-00002")
    write_wikiart(tmp_path, [row(one) for one in data[8:]], groups, "train-00001-of-00002")
    units = plan(tmp_path, "emoart", shard_images)
    found = outcomes(tmp_path, shard_images)
    assert [one.image_bytes for one in found if isinstance(one, Picture)] == data
    assert ids(found) == [f"emoart/{index:06d}" for index in range(13)]
    assert [unit.first for unit in units] == np.cumsum([0, *(unit.num_rows for unit in units)])[:-1].tolist()
    assert all(unit.num_rows <= shard_images or len(unit.groups) == 1 for unit in units)
    assert [len(list(unit.read())) for unit in units] == [unit.num_rows for unit in units]


def test_a_run_is_as_long_as_rows_and_bytes_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wikiart(tmp_path, [row(stored(number=number)) for number in range(9)], 2)
    assert [unit.groups for unit in plan(tmp_path, "emoart", 5)] == [(0, 1), (2, 3, 4)]
    monkeypatch.setattr(wikiart, "MAX_SHARD_BYTES", 1)
    assert [unit.groups for unit in plan(tmp_path, "emoart", 5)] == [(0,), (1,), (2,), (3,), (4,)]


def test_ids_ascend_as_text_beyond_a_million_rows(tmp_path: Path) -> None:
    nothing = pa.table({"image": pa.nulls(1_000_001, IMAGE)})
    (tmp_path / "data").mkdir()
    pq.write_table(nothing, tmp_path / "data" / "all.parquet", row_group_size=1_000_000)
    first, last = plan(tmp_path, "emoart", 1)
    assert ids([next(first.read()), next(last.read())]) == ["emoart/0000000", "emoart/1000000"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reason", EXAMPLES)
def test_each_reason_has_an_example_that_leaves_its_neighbours_alone(
    tmp_path: Path, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", MAX_BYTES)
    first, reject, last = outcomes(write_wikiart(tmp_path, [row(stored()), EXAMPLES[reason], row(stored())]))
    assert isinstance(reject, Reject)
    assert (reject.image_id_or_path, reject.reason) == ("emoart/000001", reason)
    assert reject.detail
    assert reason.doc
    assert ids([first, last]) == ["emoart/000000", "emoart/000002"]


def test_a_row_whose_image_is_null_altogether_holds_no_picture(tmp_path: Path) -> None:
    (reject,) = outcomes(write_wikiart(tmp_path, [row() | {"image": None}]))
    assert isinstance(reject, Reject)
    assert reject.reason is Reason.null_image


def labels(folder: Path) -> tuple[str | None, ...]:
    (found,) = outcomes(folder)
    assert isinstance(found, Picture), found
    return found.artist, found.genre, found.style


def test_class_labels_have_the_names_of_the_metadata(tmp_path: Path) -> None:
    write_wikiart(tmp_path, [row(stored(), artist=0, genre=10, style=26)])
    assert labels(tmp_path) == ("Unknown Artist", "Unknown Genre", "Ukiyo_e")


def test_no_label_and_null_are_none(tmp_path: Path) -> None:
    write_wikiart(tmp_path, [row(stored(), artist=-1, genre=None)])
    assert labels(tmp_path) == (None, None, "Action_painting")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_stands_as_it_is_and_columns_may_be_absent_or_null(tmp_path: Path, kind: pa.DataType) -> None:
    rows = [{"image": {"bytes": stored(), "path": None}, "style": " Pop art ", "genre": None}]
    schema = pa.schema([("image", IMAGE), ("style", kind), ("genre", pa.null())])
    assert labels(write_wikiart(tmp_path, rows, schema=schema)) == (None, None, "Pop art")


@pytest.mark.parametrize("metadata", [None, b"{", b"[]", b'{"info": {"features": {"style": {"names": [1]}}}}'])
def test_numbers_without_names_stand_as_numbers_and_that_is_told(
    tmp_path: Path, metadata: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    schema = pa.schema([("image", IMAGE), ("style", pa.int64())], {b"huggingface": metadata} if metadata else None)
    write_wikiart(tmp_path, [row(stored(), style=23)], schema=schema)
    assert labels(tmp_path) == (None, None, "23")
    assert "column style has class numbers without names" in caplog.text


@pytest.mark.parametrize("name", ["a\nb", "x" * 201])
def test_text_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    schema = pa.schema([("image", IMAGE), ("style", pa.string())])
    (reject,) = outcomes(write_wikiart(tmp_path, [row(stored(), style=name)], schema=schema))
    assert isinstance(reject, Reject)
    assert reject.reason is Reason.unknown_class_label


def test_what_the_datasets_library_writes_is_read(tmp_path: Path) -> None:
    """Its Parquet files are those of the hub."""
    features = datasets.Features(
        image=datasets.Image(), style=datasets.ClassLabel(names=["Cubism", "Rococo"]), artist=datasets.Value("string")
    )
    columns = {"image": [picture(0), picture(1)], "style": [1, 0], "artist": ["a", "b"]}
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict(columns, features).to_parquet(tmp_path / "data" / "train.parquet")
    found = outcomes(tmp_path)
    assert [(one.artist, one.style) for one in found if isinstance(one, Picture)] == [("a", "Rococo"), ("b", "Cubism")]
    assert [np.asarray(one.pixels).tolist() for one in found if isinstance(one, Picture)] == [
        np.asarray(picture(number)).tolist() for number in range(2)
    ]


@pytest.mark.parametrize("name", ["polars_struct", "polars_binary", "duckdb_struct", "duckdb_binary"])
def test_what_polars_and_duckdb_write_is_read(tmp_path: Path, name: str) -> None:
    """polars 2.1 and DuckDB 2.0 wrote the files, as a struct without a path or as bytes."""
    (tmp_path / "data").mkdir()
    shutil.copy(Path(__file__).parent / "parquet" / f"{name}.parquet", tmp_path / "data")
    found = [one for one in outcomes(tmp_path) if isinstance(one, Picture)]
    assert [(one.style, one.pixels.getpixel((0, 0)), one.path) for one in found] == [
        ("Cubism", (1, 90, 30), None), ("Rococo", (2, 90, 30), None),
    ]  # fmt: skip


@pytest.mark.parametrize("as_struct", [True, False])
def test_what_pandas_writes_is_read(tmp_path: Path, as_struct: bool) -> None:
    (tmp_path / "data").mkdir()
    rows = [{"bytes": data, "path": None} if as_struct else data for data in (stored(), None)]
    frame = pd.DataFrame({"image": rows, "style": pd.Categorical(["Cubism", "Rococo"])})
    frame.to_parquet(tmp_path / "data" / "train.parquet")
    found, reject = outcomes(tmp_path)
    assert isinstance(found, Picture)
    assert (found.image_bytes, found.style) == (stored(), "Cubism")
    assert isinstance(reject, Reject)
    assert reject.reason is Reason.null_image


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view(), pa.null()])
@pytest.mark.parametrize("data", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_bytes_and_paths_may_be_of_any_width(tmp_path: Path, data: pa.DataType, text: pa.DataType) -> None:
    path = None if pa.types.is_null(text) else "a.png"
    kinds = {"image": pa.struct([("bytes", data), ("path", text)]), "style": text}
    rows = [{"image": {"bytes": stored(), "path": path}, "style": path}]
    (found,) = outcomes(write_wikiart(tmp_path, rows, schema=pa.schema(kinds)))
    assert isinstance(found, Picture)
    assert (found.image_bytes, found.path, found.style) == (stored(), path, path)


def test_a_row_that_has_only_a_path_says_so(tmp_path: Path) -> None:
    (reject,) = outcomes(write_wikiart(tmp_path, [{"image": {"bytes": None, "path": "../x.png"}}]))
    assert isinstance(reject, Reject)
    assert reject.detail == "column image has no bytes, only the path '../x.png'"


def test_the_drawn_wikiart_is_read_with_the_numbers_of_its_truth(tmp_path: Path) -> None:
    truth = list(layouts.write_wikiart(World(0), 5, tmp_path))
    found = outcomes(tmp_path)
    assert [image_id.replace("emoart", "wikiart") for image_id in ids(found)] == [image_id for image_id, _ in truth]
    assert [one.style for one in found if isinstance(one, Picture)] == [told.style for _, told in truth]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def damaged_page(data: bytes) -> bytes:
    return data[:4] + b"\xff" * 40 + data[44:]


@pytest.mark.parametrize("damage", [cut, damaged_page, lambda data: b"", lambda data: b"version https://git-lfs\n"])
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, damage: Any) -> None:
    write_wikiart(tmp_path, [row(stored())])
    path = tmp_path / "data" / "train-00000-of-00001.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"train-00000-of-00001\.parquet is damaged, truncated or not a Parquet file"
    ) as error:
        outcomes(tmp_path)
    assert "\n" not in str(error.value)
    assert "download it again" in str(error.value)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([("picture", IMAGE)], "column image is missing"),
        ([("image", pa.string())], "column image has type string"),
        ([("image", pa.struct([("path", pa.string())]))], "column image has type struct<path"),
        ([("image", IMAGE), ("style", pa.float64())], "column style has type double"),
        ([("image", IMAGE), ("artist", pa.list_(pa.string()))], "column artist has type list"),
    ],
)
def test_columns_of_another_kind_are_an_error_that_names_file_and_column(
    tmp_path: Path, schema: Any, message: str
) -> None:
    write_wikiart(tmp_path, [{}], schema=pa.schema(schema))
    with pytest.raises(ValueError, match=rf"train-00000-of-00001\.parquet: {message}.*; expected"):
        plan(tmp_path, "emoart", 4)


def test_files_without_a_row_are_an_error_unless_another_has_some(tmp_path: Path) -> None:
    write_wikiart(tmp_path, [], name="a")
    with pytest.raises(ValueError, match="have no rows"):
        plan(tmp_path, "emoart", 4)
    write_wikiart(tmp_path, [row(stored())], name="b")
    assert ids(outcomes(tmp_path)) == ["emoart/000000"]


def test_an_incomplete_download_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_wikiart(tmp_path, [row(stored())], name="train-00001-of-00002")
    plan(tmp_path, "emoart", 4)
    assert "only 1 of 2 files train-*.parquet exist" in caplog.text
    caplog.clear()
    write_wikiart(tmp_path, [row(stored())], name="train-00000-of-00002")
    plan(tmp_path, "emoart", 4)
    assert not caplog.text


def test_linked_files_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    """As the hub's cache links to blobs beside the folder."""
    write_wikiart(tmp_path / "blobs", [row(stored())])
    (tmp_path / "snapshot" / "data").mkdir(parents=True)
    source = tmp_path / "blobs" / "data" / "train-00000-of-00001.parquet"
    for name in ("train.parquet", ".train.parquet"):
        (tmp_path / "snapshot" / "data" / name).symlink_to(source)
    assert len(outcomes(tmp_path / "snapshot")) == 1


def test_rows_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wikiart(tmp_path, [row(stored(number=number)) for number in range(40)], 40)
    opened: list[io.BytesIO] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda file, **options: opened.append(file) or real(file, **options))
    (unit,) = plan(tmp_path, "emoart", 100)
    stream = unit.read()
    assert not opened
    next(stream)
    next(stream)
    assert len(opened) == 2
    stream.close()


def test_the_layout_has_the_names_that_the_library_writes() -> None:
    """Guards the other tests: their files carry class labels as huggan's do."""
    features = json.loads(layouts.wikiart_schema().metadata[b"huggingface"])["info"]["features"]
    assert [len(features[name]["names"]) for name in wikiart.LABELS] == [129, 11, 27]
