"""Every kind of source gives the corpus of the folder of the same images: tars, Parquet, Arrow, and those of a hub."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora import shards
from pipeline.corpora.curate import PIECES, Unit, judge, plan
from pipeline.corpora.hub import HubData
from pipeline.corpora.picture import Picture
from pipeline.corpora.shards import Shard, plan_hub
from tests.foundation.hubs import REVISION, fill_cache, hub

from .gallery import SETTINGS, ColourClip, ColourHead, row, stored, write_files, write_tar, write_wikiart

ROOT = Path(__file__).parents[2]
NUM = 24
FILES = {f"{number // 8}/{number:02d}.png": stored("awe", 0.5 + number / 100, number) for number in range(NUM)}
OF_A_TAR = [{path[2:]: data for path, data in FILES.items() if path[0] == str(shard)} for shard in range(3)]
IMAGE = datasets.Features({"image": datasets.Image(), "style": datasets.ClassLabel(names=["Cubism", "Pop Art"])})


def pieces(units: Sequence[Unit]) -> dict[str, list[dict[str, object]]]:
    """The rows of the first pass over all units, as they are stored."""
    tables = [judge(unit, ColourClip(), ColourHead(), SETTINGS) for unit in units]
    return {kind: pa.concat_tables([table[kind] for table in tables]).to_pylist() for kind in PIECES}


def rows(units: Sequence[Unit]) -> list[tuple[bytes, str | None]]:
    """Image and style in order, after a check that ids ascend and are unique."""
    found = [one for unit in units for one in unit.read() if isinstance(one, Picture)]
    ids = [one.image_id for one in found]
    assert ids == sorted(set(ids))
    return [(one.image_bytes, one.style) for one in found]


def saved(folder: Path, num_shards: int = 2) -> list[tuple[bytes, str | None]]:
    """Saves a data set as Arrow files with the datasets library and returns its rows."""
    images = [{"bytes": data, "path": None} for data in FILES.values()]
    styles = [index % 2 for index in range(NUM)]
    data = datasets.Dataset.from_dict({"image": images, "style": styles}, features=IMAGE)
    data.save_to_disk(folder, num_shards=num_shards)
    return [(image, ["Cubism", "Pop Art"][style]) for image, style in zip(FILES.values(), styles, strict=True)]


def tars(folder: Path) -> Path:
    for shard, files in enumerate(OF_A_TAR):
        write_tar(folder / f"{shard}.tar", files | {f"{shard}.json": b"{}"})
    return folder


def test_tars_give_what_the_folder_of_their_images_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = {"1/cut.png": stored()[:30], "2/page.jpg": b"<html>"}
    for path, data in damaged.items():
        monkeypatch.setitem(OF_A_TAR[int(path[0])], path[2:], data)
    expected = pieces(plan(write_files(tmp_path / "folder", FILES | damaged), "mine", 100))
    assert len(expected["judged"]) == NUM
    assert len(expected["rejects"]) == 2
    folder = tars(tmp_path / "tars")
    assert pieces(plan(folder, "mine", 100)) == expected
    assert len(plan(folder, "mine", 100)) == 3
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 3000)  # now each is read in parts
    units = plan(folder, "mine", 100)
    assert len(units) > 6
    assert max(sum(1 for _ in unit.read()) for unit in units) < 6
    assert pieces(units) == expected
    whole = write_tar(tmp_path / "whole.tar", FILES | damaged)
    assert pieces(plan(whole, "mine", 100)) == expected


def test_equal_names_in_and_over_tars_are_different_images(tmp_path: Path) -> None:
    for number, name in enumerate(("x.tar", "x/a.tar", "x_a.tar", "x a.tar")):
        files = {"a/b.png": stored(number=3 * number), "b.png": stored(number=3 * number + 1)}
        write_tar(tmp_path / name, files | {"b.jpg": stored(number=3 * number + 2)})
    assert len(rows(plan(tmp_path, "mine", 10))) == 12


def test_tables_of_the_datasets_library_are_read_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = saved(tmp_path / "saved")
    (tmp_path / "saved/cache-1.arrow").write_bytes(b"scratch")
    (tmp_path / "saved/data-00000-of-00009.arrow").write_bytes(b"of an earlier save")
    assert rows(plan(tmp_path / "saved", "mine", 10)) == expected
    table = pa.table(datasets.load_from_disk(str(tmp_path / "saved")).data.table)
    (tmp_path / "clone/default/train").mkdir(parents=True)
    pq.write_table(table, tmp_path / "clone/default/train/0000.parquet", row_group_size=5)
    assert rows(plan(tmp_path / "clone", "mine", 10)) == expected
    renamed = datasets.load_from_disk(str(tmp_path / "saved")).rename_column("image", "img")
    renamed.to_parquet(tmp_path / "img.parquet", batch_size=5)
    assert rows(plan(tmp_path / "img.parquet", "mine", 10)) == expected
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 1500)
    for source in ("saved", "clone", "img.parquet"):
        units = plan(tmp_path / source, "mine", 10)
        assert len(units) > 2
        assert rows(units) == expected
    datasets.DatasetDict({"train": datasets.load_from_disk(str(tmp_path / "saved"))}).save_to_disk(tmp_path / "both")
    assert rows(plan(tmp_path / "both", "mine", 10)) == expected


def test_rows_of_a_parquet_file_have_the_numbers_that_wikiart_gives_them(tmp_path: Path) -> None:
    art = write_wikiart(tmp_path, [row(data) for data in FILES.values()], 5)
    expected = pieces(plan(art, "mine", 100))
    assert pieces(plan(next(art.glob("data/*.parquet")), "mine", 100)) == expected


def test_loose_images_go_before_shards_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tar(tmp_path / "backup.tar", {"old.png": stored(number=9)})
    write_files(tmp_path, {"a.png": stored()})
    with caplog.at_level(logging.WARNING, "evoke"):
        assert rows(plan(tmp_path, "mine", 10)) == [(stored(), None)]
    assert "1 files such as" in caplog.text
    assert "backup.tar beside the images are not read" in caplog.text


@pytest.mark.parametrize("cut", [0, 10, 1000, -1000])
def test_a_damaged_table_is_one_line_that_names_it(tmp_path: Path, cut: int) -> None:
    saved(tmp_path / "saved", 1)
    (file,) = (tmp_path / "saved").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"data-00000-of-00001\.arrow is damaged, cut off or no Arrow stream"):
        rows(plan(tmp_path / "saved", "mine", 10))


def test_a_table_without_images_and_a_pipe_are_one_line(tmp_path: Path) -> None:
    pq.write_table(pa.table({"age": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"no column with the bytes of images; its columns: \['age'\]"):
        rows(plan(tmp_path / "a.parquet", "mine", 10))
    os.mkfifo(tmp_path / "b.tar")
    with pytest.raises(ValueError, match=r"b\.tar is not a regular file"):
        plan(tmp_path, "mine", 10)


READ = """
import sys
from pathlib import Path
from pipeline.corpora.hub import HubData
from pipeline.corpora.shards import plan_hub
from dataclasses import replace
try:
    for unit in plan_hub(HubData("owner/name", sys.argv[1]), "mine"):
        for one in replace(unit, spool=Path("spool")).read():
            print(getattr(one, "image_id", one), len(list(Path("spool").rglob("*.tar"))))
except ValueError as error:
    print(error)
"""


def read_hub(place: Path, **environment: str) -> list[str]:
    """Reads a data set in a process of its own, as the library reads its variables once; returns its lines."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(place / "home"), "HF_HUB_DISABLE_XET": "1"}
    (place / "spool").mkdir(exist_ok=True)
    ended = subprocess.run([sys.executable, "-c", READ, REVISION], cwd=place, env=variables | environment, check=True,
                           capture_output=True, text=True)  # fmt: skip
    assert not list((place / "spool").iterdir())
    return ended.stdout.splitlines()


def test_a_hub_is_read_shard_by_shard_and_a_broken_connection_is_one_line(tmp_path: Path) -> None:
    folder = tars(tmp_path / "tars")
    files = {f"data/{path.name}": path.read_bytes() for path in folder.iterdir()} | {"README.md": b""}
    assert "set HF_HUB_OFFLINE=1 and HF_HOME" in read_hub(tmp_path, HF_HUB_OFFLINE="1")[0]
    broken = {"data/1.tar"}
    with hub(files, broken, "datasets") as address:
        online = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
        lines = read_hub(tmp_path, **online)
        assert lines[:8] == [f"mine/data_0/{number:02d} 1" for number in range(8)]
        assert len(lines) == 9
        assert f"data/1.tar of the data set owner/name at {REVISION} did not arrive" in lines[8]
        assert "Run again to go on" in lines[8]
        broken.clear()
        lines = read_hub(tmp_path, **online)
        assert lines == [f"mine/data_{number // 8}/{number:02d} 1" for number in range(NUM)]
        broken.add("tree")
        (line,) = read_hub(tmp_path, **online)
        assert f"the list of its files of the data set owner/name at {REVISION} did not arrive" in line


def test_a_cache_that_was_filled_elsewhere_is_enough_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home/hub"))
    folder = tars(tmp_path / "tars")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    snapshot = fill_cache(tmp_path / "home", files, kind="datasets")
    units = plan_hub(HubData("owner/name", REVISION), "mine")
    assert pieces(units) == pieces(plan(folder, "mine", 100))
    assert sorted(path.name for path in snapshot.iterdir()) == ["0.tar", "1.tar", "2.tar"]


def test_a_data_set_of_scripts_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home/hub"))
    fill_cache(tmp_path / "home", {"name.py": b"raise SystemExit", "a.zip": b""}, kind="datasets")
    with pytest.raises(ValueError, match=r"has no Parquet, Arrow or tar files at .* refs/convert/parquet"):
        plan_hub(HubData("owner/name", REVISION), "mine")


def test_planning_opens_no_shard(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"anything")
    (tmp_path / "a.tar").chmod(0)
    assert plan(tmp_path, "mine", 10) == [Shard(tmp_path / "a.tar", "mine/a", "a/")]
