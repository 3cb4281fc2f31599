"""Hostile pictures and places through every reader of pictures: each a reject with its reason, beside sound neighbours.

Held elsewhere: an example of each reason for each layout (tests/corpora/test_{emoset,folder,wikiart,small_sets}.py),
cuts at every place, modes and EXIF (test_images.py), links out (test_emoset.py, test_folder.py), files that vanish.
"""

import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from evoke.scored_folder import plan_emotions
from pipeline.corpora import folder, wikiart
from pipeline.corpora.images import MAX_PATH_CHARS
from pipeline.corpora.labelled import Sample
from pipeline.corpora.labelled import read as read_labelled
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reason, Record, Reject, RejectedError
from pipeline.uniemo.reader import opened
from tests.corpora.conftest import TinyEmoSet, encoded, picture
from tests.corpora.gallery import row, stored, write_files, write_wikiart
from tests.corpora.test_small_sets import PLACES, PLANS, lay_out

from .images import PICTURES, many_scans
from .running import process, refusal, run

WHOLE = stored()
Outcome = Record | Picture | Sample | Reject


@cache
def made(name: str) -> bytes:
    return PICTURES[name].make()


def by_emoset(data: bytes, root: Path) -> list[Outcome]:
    tiny = TinyEmoSet(root)
    for split, image in (("train", WHOLE), ("val", data), ("test", encoded(picture(2)))):
        tiny.add(split, image=image)
    return list(tiny.outcomes())


def by_folder(data: bytes, root: Path) -> list[Outcome]:
    planned = folder.plan(write_files(root, {"a.png": WHOLE, "m.jpg": data, "z.png": WHOLE}), "mine", 1000)
    return [outcome for unit in planned for outcome in unit.read()]


def by_score(data: bytes, root: Path) -> list[Outcome]:
    planned = plan_emotions(write_files(root, {"awe/a.png": WHOLE, "awe/m.jpg": data, "fear/z.png": WHOLE}))
    return list(folder.Files(root, planned.files).read())


def by_wikiart(data: bytes, root: Path) -> list[Outcome]:
    planned = wikiart.plan(write_wikiart(root, [row(WHOLE), row(data), row(WHOLE)]), "emoart", 1000)
    return [outcome for unit in planned for outcome in unit.read()]


def by_small_set(dataset: str) -> Callable[[bytes, Path], list[Outcome]]:
    def read(data: bytes, root: Path) -> list[Outcome]:
        lay_out(dataset, root)
        (root / PLACES[dataset].format("m")).write_bytes(data)
        return list(read_labelled(root, PLANS[dataset](root)))

    return read


READERS: dict[str, Callable[[bytes, Path], list[Outcome]]] = {
    "emoset": by_emoset, "folder": by_folder, "score": by_score, "wikiart": by_wikiart,
    **{dataset: by_small_set(dataset) for dataset in PLANS},
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_picture_is_a_reject_with_its_reason_between_its_neighbours(
    place: Path, reader: str, name: str
) -> None:
    first, middle, last = READERS[reader](made(name), place / "data")
    assert not isinstance(first, Reject)
    assert not isinstance(last, Reject)
    assert (middle.reason if isinstance(middle, Reject) else None) is PICTURES[name].reason, middle
    if isinstance(middle, Reject):
        assert middle.detail.isprintable()
        assert len(middle.detail) < 400


@pytest.mark.parametrize("name", [name for name, each in PICTURES.items() if each.reason is not Reason.extreme_shape])
def test_a_hostile_picture_that_is_to_be_read_is_refused_by_its_reason(place: Path, name: str) -> None:
    write_files(place, {"x.jpg": made(name)})
    if PICTURES[name].reason is None:
        assert opened(place / "x.jpg").mode == "RGB"
        return
    with pytest.raises(RejectedError) as caught:
        opened(place / "x.jpg")
    assert caught.value.reason is PICTURES[name].reason


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def loop_of_two(path: Path) -> None:
    path.symlink_to("other.jpg")
    path.with_name("other.jpg").symlink_to(path.name)


SPECIAL: dict[str, tuple[Callable[[Path], object], set[Reason]]] = {
    "a link to itself": (loop, {Reason.missing_image, Reason.unreadable_file}),
    "two links to each other": (loop_of_two, {Reason.missing_image, Reason.unreadable_file}),
    "a folder": (Path.mkdir, {Reason.missing_image, Reason.unreadable_file}),
    "a link to a device that never ends": (lambda path: path.symlink_to("/dev/zero"), {Reason.path_outside_folder}),
    "a link to the terminal": (lambda path: path.symlink_to("/dev/tty"), {Reason.path_outside_folder}),
    "a link to a process": (lambda path: path.symlink_to("/proc/self/mem"), {Reason.path_outside_folder}),
}
PLACED = {"emoset": "image/awe/m.jpg", "folder": "m.jpg", "emotionroi": "images/joy/m.jpg"}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("reader", PLACED)
def test_what_is_named_as_a_picture_and_is_no_file_is_a_reject_and_is_not_waited_for(
    place: Path, reader: str, name: str
) -> None:
    make, reasons = SPECIAL[name]
    root = place / "data"
    if reader == "emoset":
        tiny = TinyEmoSet(root)
        tiny.add()
        tiny.rows["val"].append(["awe", PLACED[reader], "annotation/awe/awe_00000.json"])
        make(root / PLACED[reader])
        found: Iterator[Outcome] | list[Outcome] = tiny.outcomes()
    elif reader == "emotionroi":
        lay_out(reader, root)
        make(root / PLACED[reader])
        found = read_labelled(root, PLANS[reader](root))
    else:
        write_files(root, {"a.png": WHOLE})
        make(root / "m.jpg")
        found = [outcome for unit in folder.plan(root, "mine", 9) for outcome in unit.read()]
    rejects = [outcome for outcome in found if isinstance(outcome, Reject)]
    if name == "a folder" and reader == "folder":
        assert rejects == []  # pictures would be looked for in it
    else:
        assert {reject.reason for reject in rejects} <= reasons
        assert rejects


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/", "pipe"])
def test_reading_a_picture_from_no_regular_file_is_refused_at_once(place: Path, path: str) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(RejectedError, match="unreadable_file"):
        opened(path)


def test_names_that_differ_in_case_or_in_how_accents_are_written_are_pictures_of_their_own(place: Path) -> None:
    names = [
        "Awe.jpg",
        "awe.JPG",
        "awe.jpeg",
        *(unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD")),
    ]
    write_files(place / "data", dict.fromkeys(names, WHOLE))
    found = [outcome for unit in folder.plan(place / "data", "mine", 9) for outcome in unit.read()]
    assert not [outcome for outcome in found if isinstance(outcome, Reject)]
    assert len({outcome.image_id for outcome in found if isinstance(outcome, Picture)}) == 5


@pytest.mark.parametrize(
    "name", ["a\nb.jpg", "a\x1b[31mb.jpg", "a\rb.jpg", "a\x7fb.jpg", "a\\b.jpg", "a\x01/b.jpg"], ids=ascii
)
def test_a_name_that_could_forge_a_line_is_a_malformed_path_shown_in_print(place: Path, name: str) -> None:
    root = write_files(place / "data", {"a.png": WHOLE, name: WHOLE})
    (reject,) = [o for unit in folder.plan(root, "mine", 9) for o in unit.read() if isinstance(o, Reject)]
    assert reject.reason is Reason.malformed_path
    assert (reject.image_id_or_path + reject.detail).isprintable()


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0.jpg", "<script>.jpg", "{{7*7}}.jpg", "%s%n.jpg", "-rf.jpg", "\u202egpj.jpg"]
)
def test_a_name_that_other_programs_would_obey_becomes_an_id_of_letters(place: Path, name: str) -> None:
    root = write_files(place / "data", {name: WHOLE})
    (found,) = [outcome for unit in folder.plan(root, "mine", 9) for outcome in unit.read()]
    assert isinstance(found, Picture)
    assert not set("=<>{}|%'\u202e ") & set(found.image_id)


def test_folders_nested_beyond_any_path_are_one_reject_and_no_endless_walk(place: Path) -> None:
    root = write_files(place / "data", {"a.png": WHOLE})
    os.chdir(root)
    for _ in range(1050):
        os.mkdir("d")
        os.chdir("d")
    found = [outcome for unit in folder.plan(root, "mine", 9) for outcome in unit.read()]
    for _ in range(1050):
        os.chdir("..")
        os.rmdir("d")
    (reject,) = [outcome for outcome in found if isinstance(outcome, Reject)]
    assert reject.reason is Reason.malformed_path
    assert str(MAX_PATH_CHARS) in reject.detail
    assert len(found) == 2


def test_a_folder_that_holds_itself_by_a_link_is_walked_once(place: Path) -> None:
    root = write_files(place / "data", {"inner/a.png": WHOLE})
    (root / "inner" / "again").symlink_to("..")
    found = [outcome for unit in folder.plan(root, "mine", 9) for outcome in unit.read()]
    assert [outcome.image_id for outcome in found if isinstance(outcome, Picture)] == ["mine/inner/a"]


@pytest.mark.parametrize("files", [{}, {".hidden.jpg": WHOLE}, {"notes.txt": b"x"}, {".git/a.jpg": WHOLE}])
def test_a_folder_without_pictures_is_one_line_that_says_what_is_wanted(place: Path, files: dict[str, bytes]) -> None:
    write_files(place / "models/foundation/clip", {"x": b""})
    write_files(place / "models/emotion_classifier", {"x": b""})
    write_files(place / "data", files)
    line = refusal("curate", "data", "--out", "out")
    assert "data has no images: expected are data/*.parquet, or image files at any depth" in line
    assert ("skipped: 1 hidden or system files" in line) == any(name.startswith(".") for name in files)
    assert not (place / "out").exists()


def test_validating_bombs_of_every_kind_takes_bounded_memory_and_names_each(place: Path) -> None:
    tiny = TinyEmoSet(place / "data")
    for split in ("train", "val", "test"):
        tiny.add(split)
    bombs = [name for name, hostile in PICTURES.items() if hostile.reason is Reason.decompression_bomb]
    for name in (*bombs, "a PNG of a gigabyte of pixels beyond its own"):
        tiny.add(image=made(name))
    tiny.write()
    ended = process("-m", "evoke", "validate", "data", "--json", "--strict", limit_mb=1000)
    assert "Traceback" not in ended.output
    found = json.loads(ended.output[ended.output.index("{") : ended.output.rindex("}") + 1])
    assert (ended.code, found["usable"]) == (1, True)
    assert found["numbers"]["rejects.decompression_bomb"] == len(bombs)


def test_a_picture_of_many_passes_is_refused_before_the_first(place: Path) -> None:
    write_files(place, {"x.jpg": many_scans(3000, 2000)})
    with pytest.raises(RejectedError, match="scans, at most 500 are decoded"):
        opened(place / "x.jpg")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_report_of_rejects_has_no_control_characters_whatever_the_files_say(place: Path, flags: tuple[str]) -> None:
    tiny = TinyEmoSet(place / "data")
    for split in ("train", "val", "test"):
        tiny.add(split)
    tiny.rows["train"].append(["\x1b[31mjoy\n", "image/awe/awe_00000.jpg", "x.json"])
    tiny.rows["train"].append(["awe", "image/\x1b]0;title\x07.jpg", "x.json"])
    tiny.write()
    result = run("validate", "data", *flags, "--strict")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
