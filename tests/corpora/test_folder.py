"""Any folder: every picture of it comes out once, under an id that is safe and its own; no link leads out."""

import os
import subprocess
import sys
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
from pipeline.corpora.images import MAX_IMAGE_BYTES, SIGNATURE_BYTES, Folder
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


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF", "AVIF"])
def test_a_picture_of_another_format_is_read_whatever_its_name(tmp_path: Path, file_format: str) -> None:
    data = encoded(picture(), file_format)
    found = outcomes(write_files(tmp_path, {f"a.{file_format.lower()}": data, "b.jpg": data}))
    assert [one.image_bytes for one in found if isinstance(one, Picture)] == [data] * 2


def test_a_format_that_is_not_read_is_a_reject_that_lists_those_that_are(tmp_path: Path) -> None:
    (reject,) = outcomes(write_files(tmp_path, {"a.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40)}))
    assert isinstance(reject, Reject)
    assert reject.reason is Reason.unsupported_format
    assert "expected JPEG, PNG, WEBP, TIFF, BMP, GIF, AVIF, but the file begins with" in reject.detail


def test_a_raw_file_of_a_camera_is_no_picture_though_it_begins_as_a_tiff(tmp_path: Path) -> None:
    data = encoded(picture(), "TIFF")
    assert ids(write_files(tmp_path, {"a.tif": data, "a.nef": data})) == ["mine/a"]


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


@pytest.mark.parametrize(
    "name",
    [
        "._a.png", ".DS_Store", ".thumbnails/a.png", "b/.c/d.png", "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
        ".@__thumb/a.png", "b/#recycle/a.png", "@Recycle/a.png", "Thumbs.db", "desktop.ini", "__MACOSX/a.png",
        "$RECYCLE.BIN/a.png", "lost+found/a.png",
    ],
)  # fmt: skip
def test_hidden_files_and_thumbnails_of_systems_are_skipped_and_counted(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_files(tmp_path, {"a.png": WHOLE, name: WHOLE})
    assert ids(tmp_path) == ["mine/a"]
    assert "skipped: 1 hidden or system files" in caplog.text


def test_nothing_is_said_of_skipped_files_where_there_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(ids(write_files(tmp_path, {"a.png": WHOLE, "thumbs/b.png": WHOLE}))) == 2
    assert not caplog.text


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


def test_a_folder_that_dvc_has_added_with_links_is_read(tmp_path: Path) -> None:
    files = {"a.png": WHOLE, "deep/b.jpg": encoded(picture()), "c": encoded(picture(1))}
    folder = write_files(tmp_path / "folder", files)
    for words in ("init --no-scm -q", "config cache.type symlink", "add -q folder"):
        subprocess.run([sys.executable, "-m", "dvc", *words.split()], cwd=tmp_path, check=True)
    assert all((folder / path).is_symlink() for path in files)
    assert {one.path: one.image_bytes for one in outcomes(folder) if isinstance(one, Picture)} == files


@pytest.mark.parametrize("layout", ["cache/files/md5", ".dvc/cache"])
@pytest.mark.parametrize("name", ["b.png", "no_suffix"])
def test_links_of_dvc_into_its_cache_are_followed(tmp_path: Path, layout: str, name: str) -> None:
    (stored_file,) = [tmp_path / layout / "0a" / f"{1:030x}"]
    write_files(stored_file.parent, {stored_file.name: WHOLE})
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE})
    (folder / name).symlink_to(stored_file)
    assert [type(one) for one in outcomes(folder)] == [Picture, Picture]
    assert Folder(folder).read(name, 1000, Reason.missing_image) == WHOLE


@pytest.mark.parametrize(
    "place",
    ["cache/files/md5/0a/short", f"files/md5/0a/{1:031x}", f"md5/0a/{1:030x}", f"files/md5/0a/{1:030x}/a.png"],
)
def test_links_to_what_only_resembles_dvcs_cache_stay_refused(tmp_path: Path, place: str) -> None:
    write_files(tmp_path, {place: WHOLE})
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE})
    (folder / "b.png").symlink_to(tmp_path / place)
    (folder / "c").symlink_to((tmp_path / place).parent)
    rejects = [one for one in outcomes(folder) if isinstance(one, Reject)]
    assert [one.reason for one in rejects] == [Reason.path_outside_folder] * 2
    assert "--follow-links" in rejects[0].detail


def test_follow_links_reads_linked_files_and_folders_once_and_no_device(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"x.png": WHOLE, "deep/y.png": WHOLE, ".hidden/z.png": WHOLE})
    folder = write_files(tmp_path / "folder", {"a.png": WHOLE, "b/c.png": WHOLE})
    for name, target in (
        ("one.png", outside / "x.png"), ("out", outside), ("out2", outside / "deep"), ("up", tmp_path), ("in", "b"),
        ("loop", "."), ("zero.png", "/dev/zero"), ("gone.png", "nowhere"),
    ):  # fmt: skip
        (folder / name).symlink_to(target)
    (outside / "back").symlink_to(folder)
    found = [one for unit in plan(folder, "mine", 100, follow_links=True) for one in unit.read()]
    assert [one.path for one in found if isinstance(one, Picture)] == [
        "a.png", "b/c.png", "one.png", "out/x.png", "out2/y.png",
    ]  # fmt: skip
    rejects = {one.image_id_or_path: one.reason for one in found if isinstance(one, Reject)}
    assert rejects == {"mine/gone": Reason.missing_image, "mine/zero": Reason.unreadable_file}


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


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_signatures_are_those_that_are_written(file_format: str) -> None:
    assert begins_as_picture(encoded(picture(), file_format)[:SIGNATURE_BYTES])
    assert not begins_as_picture(b"RIFF\x24\0\0\0WAVE")
    assert not begins_as_picture(b"")
