"""Lists and annotations: split files, info.json, lists of the small data sets, captions of the user.

Held elsewhere: 26 damaged annotations, 22 paths that lead out, rows of another shape (tests/corpora/test_emoset.py),
wrong lines of the small data sets (test_small_sets.py), wrong captions (tests/captions/test_override.py).
"""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.captions.override import MAX_CSV_BYTES, read_captions
from pipeline.corpora.labelled import read
from pipeline.corpora.records import Reason, Reject
from tests.corpora.conftest import TinyEmoSet
from tests.corpora.test_small_sets import AMT, PLANS, TESTING, TRAINING, lay_out, outcomes

from .running import ROOT, process, refusal, run

SPLIT_FILES = {
    "nested a million deep": b"[" * 10**6,
    "deep objects": b'{"a":' * 10**5,
    "NaN among the rows": b"[NaN]",
    "an object": b"{}",
    "a number of 5000 digits": b"1" * 5000,
    "a lone surrogate": b'"\\ud800"',
    "UTF-16": "[]".encode("utf-16"),
    "a byte of Latin-1": b'["\xe9"]',
    "nothing": b"",
    "white space": b"   ",
    "two documents": b"[][]",
    "NUL": b"\0",
}


def emoset(place: Path) -> TinyEmoSet:
    tiny = TinyEmoSet(place / "data")
    for split in ("train", "val", "test"):
        tiny.add(split, scene="beach")
    tiny.write()
    return tiny


@pytest.mark.parametrize("name", SPLIT_FILES)
def test_a_hostile_split_file_is_one_line_that_names_it_and_the_remedy(place: Path, name: str) -> None:
    emoset(place).put("val.json", SPLIT_FILES[name])
    line = refusal("validate", "data")
    assert "cannot read val.json in" in line
    assert "unpack EmoSet's zip file there" in line


@pytest.mark.parametrize("name", [*SPLIT_FILES, "a pipe"])
def test_a_hostile_info_is_a_warning_and_the_folder_is_read_all_the_same(place: Path, name: str) -> None:
    tiny = emoset(place)
    if name in SPLIT_FILES:
        tiny.put("info.json", SPLIT_FILES[name])
    else:
        (tiny.root / "info.json").unlink()
        os.mkfifo(tiny.root / "info.json")
    result = run("validate", "data")
    assert result.exit_code == 0
    assert "3 usable images in 3 rows" in result.output


@pytest.mark.parametrize("name", ["train.json", "val.json"])
def test_a_split_file_that_is_a_pipe_or_leads_out_is_not_waited_for_or_opened(place: Path, name: str) -> None:
    tiny = emoset(place)
    (tiny.root / name).unlink()
    os.mkfifo(tiny.root / name)
    assert f"cannot read {name}" in refusal("validate", "data")
    (tiny.root / name).unlink()
    (tiny.root / name).symlink_to("/etc/passwd")
    line = refusal("validate", "data")
    assert "is a link to outside the folder" in line
    assert "root:" not in line


ROWS = {
    "a row of a thousand columns": (["awe"] * 1000, Reason.malformed_row),
    "a row that is a row of rows": ([["awe"], ["a"], ["b"]], Reason.malformed_row),
    "a row of null": (None, Reason.malformed_row),
    "a row of numbers": ([1, 2, 3], Reason.malformed_row),
    "an emotion in capitals": (["AWE", "image/awe/awe_00000.jpg", "x.json"], Reason.unknown_emotion),
    "an emotion with a blank": (["awe ", "image/awe/awe_00000.jpg", "x.json"], Reason.unknown_emotion),
    "an emotion of look-alike letters": (["\u0430we", "image/awe/awe_00000.jpg", "x.json"], Reason.unknown_emotion),
    "an emotion of a megabyte": (["a" * 10**6, "image/awe/awe_00000.jpg", "x.json"], Reason.unknown_emotion),
    "a path with a device of Windows": (["awe", "image\\CON", "x.json"], Reason.malformed_path),
    "a path of dots": (["awe", "image/./.././../canary", "x.json"], Reason.path_outside_folder),
    "a path of a URL": (["awe", "https://example.org/a.jpg", "x.json"], Reason.missing_image),
    "a path of a home": (["awe", "~/.ssh/id_rsa", "x.json"], Reason.missing_image),
    "a path of a variable": (["awe", "$HOME/a.jpg", "x.json"], Reason.missing_image),
    "a path of an encoded dot": (["awe", "%2e%2e/canary.jpg", "x.json"], Reason.missing_image),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_row_is_one_reject_of_its_reason(place: Path, name: str) -> None:
    tiny = emoset(place)
    row, reason = ROWS[name]
    tiny.rows["train"].append(row)
    (reject,) = [outcome for outcome in tiny.outcomes() if isinstance(outcome, Reject)]
    assert reject.reason is reason
    assert reject.detail.isprintable()
    assert len(reject.detail) < 400


@pytest.mark.parametrize("rejected", [1, 0])
def test_the_exit_status_of_a_process_says_whether_a_folder_is_usable(place: Path, rejected: int) -> None:
    tiny = emoset(place)
    if rejected:
        tiny.put(tiny.rows["test"][0][1], b"<html>")
    ended = process("-m", "evoke", "validate", "data")
    assert ended.code == rejected
    assert "Traceback" not in ended.output


LISTED = {
    "a line of a megabyte": b"joy/" + b"a" * 10**6 + b".jpg",
    "a path that leads out": b"joy/../../../canary.jpg",
    "a path of the system": b"joy//etc/passwd",
    "NUL": b"joy/\0.jpg",
    "an escape": b"joy/\x1b[31m.jpg",
    "a formula": b"=cmd|' /C calc'!A0",
    "an unknown class": b"bliss/a.jpg",
    "no class": b"/a.jpg",
}


@pytest.mark.parametrize("name", LISTED)
def test_a_hostile_line_of_emotionroi_is_one_reject_beside_the_others(place: Path, name: str) -> None:
    root = lay_out("emotionroi", place / "data", "az", "az")
    (root / TRAINING).write_bytes((root / TRAINING).read_bytes() + LISTED[name] + b"\n")
    rejects = [outcome for outcome in outcomes("emotionroi", root) if isinstance(outcome, Reject)]
    assert len(rejects) == 1
    assert (rejects[0].image_id_or_path + rejects[0].detail).isprintable()
    assert len(rejects[0].detail) < 400


VOTES = {
    "a million columns": b"m.jpg," * 10**6,
    "NUL": b"\0,5,1,4",
    "an open quote": b'"m.jpg,5,1,4',
    "a field beyond the limit": b"m" * 200_000 + b",5,1,4",
    "votes that are not finite": b"m.jpg,5,nan,inf",
    "votes of 5000 digits": b"m.jpg,5," + b"1" * 5000 + b",0",
    "votes of another script": "m.jpg,5,\u0663,\u0661".encode(),
    "superscript votes": "m.jpg,5,\u00b3,\u00b9".encode(),
    "a path that leads out": b"../../canary.jpg,5,1,4",
    "no name": b",5,1,4",
}


@pytest.mark.parametrize("name", VOTES)
def test_a_hostile_row_of_twitter_is_one_reject_beside_the_others(place: Path, name: str) -> None:
    root = lay_out("twitter_i", place / "data", "az", "az")
    (root / AMT).write_bytes((root / AMT).read_bytes() + VOTES[name] + b"\n")
    found = list(read(root, PLANS["twitter_i"](root)))
    rejects = [outcome for outcome in found if isinstance(outcome, Reject)]
    assert len(found) == 3
    assert len(rejects) == 1
    assert (rejects[0].image_id_or_path + rejects[0].detail).isprintable()


@pytest.mark.parametrize(("dataset", "name"), [("emotionroi", TESTING), ("twitter_i", AMT)])
def test_a_list_that_is_a_pipe_or_of_another_encoding_is_one_line(place: Path, dataset: str, name: str) -> None:
    root = lay_out(dataset, place / "data")
    for make in (lambda path: path.write_bytes(b"\xff\xfea\0"), os.mkfifo):
        (root / name).unlink()
        make(root / name)
        with pytest.raises(ValueError, match=f"cannot read .*{Path(name).name} in"):
            PLANS[dataset](root)


HEADER = b"image_id,caption\n"
CAPTIONS = {
    "a million columns in the header": (b"image_id,caption" + b",x" * 10**6, "line 1: the first line is"),
    "a million columns in a row": (HEADER + b"x," * 10**6, "1000001 columns, expected image_id,caption"),
    "an id of 100,000 characters": (HEADER + b"x" * 100_000 + b",y", "is not an image_id"),
    "an id with an escape": (HEADER + b"emoset/\x1b[31m,y", r"'emoset/\x1b[31m' is not an image_id"),
    "an id with a line break": (HEADER + b'"emoset/a\nb",y', r"is not an image_id"),
    "a caption with an escape": (HEADER + b"emoset/a,\x1b[31m" + b"z" * 100_000, "contains a control character"),
    "NUL in a caption": (HEADER + b"emoset/a,\0", "contains a control character"),
    "UTF-16": ("image_id,caption\n".encode("utf-16"), "not UTF-8"),
    "nothing": (b"", "the file is empty"),
    "a pickle": (b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.", "not UTF-8"),
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_hostile_file_of_captions_is_one_short_line(place: Path, name: str) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    data, said = CAPTIONS[name]
    (place / "mine.csv").write_bytes(data)
    line = refusal("captions", "import", "mine.csv")
    assert "mine.csv" in line
    assert said in line
    assert len(line) < 400
    assert not (place / "data").exists()


def test_a_caption_that_is_a_formula_is_text(place: Path) -> None:
    (place / "mine.csv").write_bytes(HEADER + b'emoset/a,"=HYPERLINK(""http://x"")"\n')
    assert read_captions(place / "mine.csv") == {"emoset/a": '=HYPERLINK("http://x")'}


def test_captions_from_a_device_that_never_ends_are_refused_at_a_size(place: Path) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    ended = process("-m", "evoke", "captions", "import", "/dev/zero", limit_mb=1000)
    assert ended.code == 1
    reason = f"larger than {MAX_CSV_BYTES} bytes; expected is a CSV file with the columns image_id,caption"
    assert ended.output == f"Error: /dev/zero: {reason}\n"
