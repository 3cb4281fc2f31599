"""Any folder: every picture of it comes out once, under an id that is safe and its own; no link leads out."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.corpora import folder as reader
from pipeline.corpora import images
from pipeline.corpora.folder import begins_as_picture, plan, safe_name, unique
from pipeline.corpora.images import MAX_IMAGE_BYTES
from pipeline.corpora.picture import MAX_ASPECT, Picture
from pipeline.corpora.records import Reason, Reject

from .conftest import encoded, picture
from .gallery import stored, write_files
from .test_wikiart import BOMB

WHOLE = stored()


def outcomes(folder: Path, shard_images: int = 1000) -> list[Picture | Reject]:
    return [outcome for unit in plan(folder, "mine", shard_images) for outcome in unit.read()]


def ids(folder: Path) -> list[str]:
    return [one.image_id if isinstance(one, Picture) else one.image_id_or_path for one in outcomes(folder)]


def holding(data: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(data)


def link_out(path: Path) -> None:
    (path.parents[1] / "outside.png").write_bytes(WHOLE)
    path.symlink_to(path.parents[1] / "outside.png")


def huge(path: Path) -> None:
    path.write_bytes(WHOLE)
    os.truncate(path, MAX_IMAGE_BYTES + 1)


EXAMPLES: dict[Reason, Callable[[Path], Any]] = {
    Reason.missing_image: lambda path: path.symlink_to("not_there.jpg"),
    Reason.unreadable_image: holding(b"\xff\xd8\xff\xd9"),
    Reason.truncated_image: holding(encoded(picture())[:-50]),
    Reason.decompression_bomb: holding(BOMB),
    Reason.unsupported_format: holding(b"<!DOCTYPE html><html>404</html>"),
    Reason.empty_file: holding(b""),
    Reason.file_too_large: huge,
    Reason.unreadable_file: os.mkfifo,
    Reason.path_outside_folder: link_out,
    Reason.malformed_path: lambda path: path.with_name("m\\m.jpg").write_bytes(WHOLE),
    Reason.extreme_shape: holding(encoded(Image.new("RGB", (MAX_ASPECT + 1, 1)), "PNG")),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reason", EXAMPLES)
def test_each_reason_has_an_example_that_leaves_its_neighbours_alone(tmp_path: Path, reason: Reason) -> None:
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE, "z.png": WHOLE})
    EXAMPLES[reason](folder / "m.jpg")
    first, reject, last = outcomes(folder)
    assert isinstance(reject, Reject)
    assert reject.reason is reason, reject
    assert reject.image_id_or_path.startswith("mine/m")
    assert "m.jpg" in reject.detail
    assert [one.image_id for one in (first, last) if isinstance(one, Picture)] == ["mine/a", "mine/z"]


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF"])
def test_a_picture_of_another_format_says_so_whatever_its_name(tmp_path: Path, file_format: str) -> None:
    data = encoded(picture(), file_format)
    found = outcomes(write_files(tmp_path, {f"a.{file_format.lower()}": data, "b.jpg": data}))
    assert [one.reason for one in found if isinstance(one, Reject)] == [Reason.unsupported_format] * 2


def test_pictures_are_found_at_any_depth_by_name_and_by_content(tmp_path: Path) -> None:
    files = {
        "b.JPG": encoded(picture(0)),
        "deep/er/c.webp": encoded(picture(1), "WEBP"),
        "deep/d.jpeg": encoded(picture(2), "PNG"),
        "without_suffix": encoded(picture(3)),
        "photo.2024": encoded(picture(4), "WEBP"),
    }
    found = outcomes(write_files(tmp_path, files | {"notes.txt": b"hello", "table.csv": b"", "deep/song.mp3": b"ID3"}))
    assert [one.image_id for one in found if isinstance(one, Picture)] == [
        "mine/b", "mine/deep/d", "mine/deep/er/c", "mine/photo.2024", "mine/without_suffix",
    ]  # fmt: skip
    assert {one.path: one.image_bytes for one in found if isinstance(one, Picture)} == files


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.png": WHOLE, "._a.png": b"junk", ".thumbnails/a.png": WHOLE, "b/.c/d.png": WHOLE})
    assert ids(tmp_path) == ["mine/a"]


def test_a_run_is_as_long_as_rows_and_bytes_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {f"{number}.png": WHOLE for number in range(5)})
    assert [unit.num_rows for unit in plan(tmp_path, "mine", 2)] == [2, 2, 1]
    monkeypatch.setattr(reader, "MAX_SHARD_BYTES", 3 * len(WHOLE))
    assert [unit.num_rows for unit in plan(tmp_path, "mine", 1000)] == [3, 2]


def test_ids_ascend_over_all_runs_whatever_the_order_of_paths(tmp_path: Path) -> None:
    write_files(tmp_path, dict.fromkeys(("a b.png", "a.png", "a/b.png", "a-b.png", "Z.png", "é.png"), WHOLE))
    found = [one for unit in plan(tmp_path, "mine", 2) for one in unit.files]
    assert [one.image_id for one in found] == sorted(one.image_id for one in found)
    assert len({one.image_id for one in found}) == 6


def test_names_that_differ_in_suffix_or_signs_alone_are_numbered(tmp_path: Path) -> None:
    write_files(tmp_path, dict.fromkeys(("a.jpg", "a.png", "a b.png", "a_b.png", "a+b.png"), WHOLE))
    assert ids(tmp_path) == ["mine/a", "mine/a-2", "mine/a_b", "mine/a_b-2", "mine/a_b-3"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b c.jpg", "a/b_c"),
        ("a'b\"$(c);&.PNG", "a_b_c_"),
        ("archive.tar.jpeg", "archive.tar"),
        ("photo.2024", "photo.2024"),
        ("café/猫.webp", "café/猫"),
        ("\udcff.png", "_"),
    ],
)
def test_a_safe_name_has_letters_digits_and_few_signs(path: str, name: str) -> None:
    assert safe_name(path) == name


def test_a_name_has_one_form_however_its_accents_are_written() -> None:
    assert safe_name(unicodedata.normalize("NFD", "é.png")) == safe_name(unicodedata.normalize("NFC", "é.png")) == "é"


@given(st.lists(st.sampled_from(["a", "a-2", "a-2-2", "a-3", "b"]), max_size=12))
def test_unique_names_are_unique_and_keep_the_first_of_each(names: list[str]) -> None:
    found = unique(names)
    assert len(set(found)) == len(names)
    assert all(one.startswith(name) for one, name in zip(found, names, strict=True))
    if names:
        assert found[0] == names[0]


def test_a_link_to_a_folder_outside_is_one_reject_and_one_inside_is_met_where_it_points(tmp_path: Path) -> None:
    write_files(tmp_path / "outside", {"secret.png": WHOLE})
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE, "b/c.png": WHOLE})
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "in").symlink_to("b")
    (folder / "loop").symlink_to(".")
    rejects = [one for one in outcomes(folder) if isinstance(one, Reject)]
    assert [(one.image_id_or_path, one.reason) for one in rejects] == [("mine/out", Reason.path_outside_folder)]
    assert ids(folder) == ["mine/a", "mine/b/c", "mine/out"]


def test_links_to_files_inside_are_read_and_links_without_a_pictures_name_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "canary").write_bytes(WHOLE)
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE})
    (folder / "b.png").symlink_to("a.png")
    (folder / "canary").symlink_to(tmp_path / "canary")
    os.mkfifo(folder / "pipe")
    assert ids(folder) == ["mine/a", "mine/b"]


def test_a_folder_that_may_not_be_read_is_a_reject_and_a_failing_disk_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE, "locked/b.png": WHOLE})
    real = os.scandir
    error: list[OSError] = [PermissionError(13, "Permission denied", str(folder / "locked"))]

    def scandir(path: str) -> Any:
        if path.endswith("locked"):
            raise error[0]
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    rejects = [one for one in outcomes(folder) if isinstance(one, Reject)]
    assert [(one.image_id_or_path, one.reason) for one in rejects] == [("mine/locked", Reason.unreadable_file)]
    assert rejects[0].detail == "'locked': the folder cannot be read: Permission denied"
    error[0] = OSError(5, "Input/output error", str(folder / "locked"))
    with pytest.raises(OSError, match="Input/output error"):
        plan(folder, "mine", 10)


def test_names_that_are_no_text_are_rejects_that_a_table_can_hold(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE})
    with open(os.path.join(os.fsencode(folder), b"b\xff.png"), "wb") as file:
        file.write(WHOLE)
    reject = outcomes(folder)[1]
    assert isinstance(reject, Reject)
    assert (reject.image_id_or_path, reject.reason) == ("mine/b_", Reason.malformed_path)
    reject.detail.encode()


def test_no_folder_and_no_picture_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        plan(tmp_path / "none", "mine", 10)
    write_files(tmp_path, {"notes.txt": b"hello", ".hidden.png": WHOLE})
    with pytest.raises(ValueError, match="has no images"):
        plan(tmp_path, "mine", 10)


def test_a_file_that_vanishes_after_the_plan_is_a_reject(tmp_path: Path) -> None:
    (unit,) = plan(write_files(tmp_path, {"a.png": WHOLE}), "mine", 10)
    (tmp_path / "a.png").unlink()
    (reject,) = unit.read()
    assert isinstance(reject, Reject)
    assert reject.reason is Reason.missing_image


def test_pictures_are_read_one_at_a_time_and_the_folder_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {f"{number}.png": WHOLE for number in range(3)})
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    (unit,) = plan(tmp_path, "mine", 10)
    opened: list[str] = []
    real = images._bytes_of
    monkeypatch.setattr(images, "_bytes_of", lambda place, *rest: opened.append(place) or real(place, *rest))
    stream = unit.read()
    assert not opened
    next(stream)
    assert len(opened) == 1
    list(stream)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_signatures_are_those_that_are_written(file_format: str) -> None:
    assert begins_as_picture(encoded(picture(), file_format)[: reader.SIGNATURE_BYTES])
    assert not begins_as_picture(b"RIFF\x24\0\0\0WAVE")
    assert not begins_as_picture(b"")
