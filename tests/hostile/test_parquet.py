"""WikiArt's Parquet and the pipeline's own tables where a file is a bomb, no file, or says what no honest one says.

Held elsewhere: cut files, columns of another kind, labels without names, null pictures (tests/corpora/test_wikiart.py);
missing, null and unsorted columns, numbers that are not finite (tests/test_artifacts.py).
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts import read_shards, read_table
from pipeline.corpora import wikiart
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reason, Reject
from pipeline.schemas import REJECTS_SCHEMA, TableError
from tests.corpora.gallery import IMAGE, stored

from .running import SPECIAL, process

WHOLE = stored()
LIMIT_MB = 1200  # of addresses, of which Python and Arrow take half


def write(folder: Path, table: pa.Table, name: str = "a.parquet") -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data" / name, compression="zstd")
    return folder


def images(*files: bytes | None, path: str | None = None) -> pa.Array:
    return pa.array([{"bytes": data, "path": path} for data in files], IMAGE)


def outcomes(folder: Path) -> list[Picture | Reject]:
    return [outcome for unit in wikiart.plan(folder, "emoart", 100) for outcome in unit.read()]


BOMBS: dict[str, Callable[[], pa.Array]] = {
    "one value of 250 MB": lambda: images(bytes(250 << 20)),
    "forty values that are one of 16 MB": lambda: pa.StructArray.from_arrays(
        [pa.array([bytes(16 << 20)] * 40, pa.large_binary()), pa.nulls(40, pa.string())], names=["bytes", "path"]
    ),
    "one value of 250 MB without a struct": lambda: pa.array([bytes(250 << 20)]),
}
READ = """
from collections import Counter
from pathlib import Path
from pipeline.corpora import wikiart
units = wikiart.plan(Path("bomb"), "emoart", 100)
print(Counter(getattr(one, "reason", "kept").value for unit in units for one in unit.read()))
"""


@pytest.mark.parametrize(
    ("name", "reason"), zip(BOMBS, ("file_too_large", "unsupported_format", "file_too_large"), strict=True)
)
def test_a_table_of_kilobytes_that_unpacks_to_far_more_is_rejects_in_bounded_memory(
    place: Path, name: str, reason: str
) -> None:
    file = write(place / "bomb", pa.table({"image": BOMBS[name]()})) / "data/a.parquet"
    assert file.stat().st_size < 100_000
    ended = process("-c", READ, limit_mb=LIMIT_MB)
    assert (ended.code, reason in ended.output) == (0, True), ended.output


@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_named_as_parquet_and_is_no_file_is_one_line_and_is_not_waited_for(place: Path, name: str) -> None:
    (place / "art/data").mkdir(parents=True)
    SPECIAL[name](place / "art/data/a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet is not a regular file; remove it or download it again"):
        wikiart.plan(place / "art", "emoart", 100)


@pytest.mark.parametrize("name", SPECIAL)
def test_a_table_of_the_pipeline_that_is_no_file_says_what_makes_it(place: Path, name: str) -> None:
    SPECIAL[name](place / "part-00000.parquet")
    for read in (lambda: read_table(place / "part-00000.parquet", REJECTS_SCHEMA), lambda: read_shards(place)):
        with pytest.raises(TableError, match=r"part-00000\.parquet does not exist; run `dvc repro` to create it"):
            read()


@pytest.mark.parametrize(
    "metadata",
    [
        b"[" * 100_000,
        b'{"info": ' * 5000,
        b'{"info": {"features": []}}',
        b'{"info": {"features": {"style": {"names": {"a": 1}}}}}',
        b'{"info": {"features": {"style": {"names": [1, 2]}}}}',
        b"\xff\xfe",
        b"NaN",
        b"",
    ],
    ids=lambda metadata: str(metadata[:40]),
)
def test_hostile_metadata_of_class_labels_is_as_if_there_were_none(place: Path, metadata: bytes) -> None:
    table = pa.table({"image": images(WHOLE), "style": [1]}).replace_schema_metadata({b"huggingface": metadata})
    (found,) = outcomes(write(place / "art", table))
    assert isinstance(found, Picture)
    assert found.style == "1"


def test_a_name_of_a_class_that_could_forge_a_line_rejects_its_rows(place: Path) -> None:
    metadata = {b"huggingface": rb'{"info": {"features": {"style": {"names": ["Rococo", "\u001b[31m\nx"]}}}}'}
    table = pa.table({"image": images(WHOLE, WHOLE), "style": [0, 1]}).replace_schema_metadata(metadata)
    first, second = outcomes(write(place / "art", table))
    assert isinstance(first, Picture)
    assert isinstance(second, Reject)
    assert second.reason is Reason.unknown_class_label
    assert second.detail.isprintable()


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**6, -2])
def test_a_class_label_far_outside_its_list_is_a_reject(place: Path, number: int) -> None:
    metadata = {b"huggingface": b'{"info": {"features": {"style": {"names": ["Rococo"]}}}}'}
    table = pa.table({"image": images(WHOLE), "style": pa.array([number], pa.int64())})
    (found,) = outcomes(write(place / "art", table.replace_schema_metadata(metadata)))
    assert isinstance(found, Reject)
    assert found.reason is Reason.unknown_class_label


def test_text_that_is_no_utf8_is_one_line_that_names_the_file(place: Path) -> None:
    artist = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    with pytest.raises(ValueError, match=r"a\.parquet is damaged.*'utf-8' codec.*download it again"):
        outcomes(write(place / "art", pa.table({"image": images(WHOLE), "artist": artist})))


@pytest.mark.parametrize("path", ["../../canary.jpg", "/etc/passwd", "a\0b", "C:\\x.jpg", "a\nb"], ids=ascii)
def test_the_path_beside_a_pictures_bytes_is_never_opened(place: Path, path: str) -> None:
    (found,) = outcomes(write(place / "art", pa.table({"image": images(WHOLE, path=path)})))
    assert isinstance(found, Picture)
    assert found.image_bytes == WHOLE


def test_twenty_thousand_columns_and_a_column_twice_do_no_harm(place: Path) -> None:
    write(place / "wide", pa.table({"image": images(WHOLE)} | {f"c{number}": [1] for number in range(20_000)}))
    write(place / "twice", pa.Table.from_arrays([images(WHOLE), images(WHOLE)], names=["image", "image"]))
    for folder in ("wide", "twice"):
        assert [type(found) for found in outcomes(place / folder)] == [Picture]
