"""Every row of an EmoSet folder comes out once, as a record or a reject; nothing outside the folder is opened."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.corpora import emoset as reader
from pipeline.corpora.emoset import plan, read, snake_case, vocabulary
from pipeline.corpora.images import MAX_IMAGE_BYTES
from pipeline.corpora.records import Reason, Record, Reject

from .conftest import INFO, TinyEmoSet, encoded, picture

HOSTILE = [
    "../canary.jpg",
    "image/../../canary.jpg",
    "image/awe/../../../canary.jpg",
    "..",
    "{outside}/canary.jpg",
    "/etc/passwd",
    "//etc/passwd",
    "..\\canary.jpg",
    "image\\..\\..\\canary.jpg",
    "link_to_file.jpg",
    "link_to_folder/canary.jpg",
    "inner/link_up/canary.jpg",
    "chain_of_links.jpg",
    "image/awe_0.jpg\0.png",
    "image/\nawe.jpg",
    "image/\ud800.jpg",
    "image/",
    ".",
    "",
    "a" * 300 + ".jpg",
    "a/" * 2500 + "b.jpg",
    "a" * 5000,
]


def reject_of(emoset: TinyEmoSet) -> Reject:
    """The only reject of a folder."""
    (reject,) = [outcome for outcome in emoset.outcomes() if isinstance(outcome, Reject)]
    return reject


def annotated(data: bytes) -> Callable[[TinyEmoSet], Any]:
    """A damage: one picture whose annotation holds these bytes."""

    def damage(emoset: TinyEmoSet) -> None:
        emoset.add()
        emoset.annotate(data)

    return damage


def without(index: int) -> Callable[[TinyEmoSet], Any]:
    """A damage: one picture whose image (-2) or annotation (-1) file is deleted."""

    def damage(emoset: TinyEmoSet) -> None:
        emoset.add()
        (emoset.root / emoset.rows["train"][-1][index]).unlink()

    return damage


def repeated(emoset: TinyEmoSet) -> None:
    emoset.add()
    emoset.rows["test"].append(emoset.rows["train"][0])


def pipe_as_image(emoset: TinyEmoSet) -> None:
    without(-2)(emoset)
    os.mkfifo(emoset.root / emoset.rows["train"][-1][-2])


def huge_image(emoset: TinyEmoSet) -> None:
    emoset.add()
    os.truncate(emoset.root / emoset.rows["train"][-1][-2], MAX_IMAGE_BYTES + 1)


def with_path(path: str) -> Callable[[TinyEmoSet], Any]:
    return lambda emoset: emoset.rows["train"].append(["awe", path, "annotation/awe/x.json"])


BOMB = bytes.fromhex("89504e470d0a1a0a0000000d4948445200002ee000002ee0080000000074 2ed32d0000000049454e44ae426082")
EXAMPLES: dict[Reason, Callable[[TinyEmoSet], Any]] = {
    Reason.missing_image: without(-2),
    Reason.unreadable_image: lambda emoset: emoset.add(image=b"\xff\xd8\xff\xd9"),
    Reason.truncated_image: lambda emoset: emoset.add(image=encoded(picture())[:-50]),
    Reason.decompression_bomb: lambda emoset: emoset.add(image=BOMB),
    Reason.unsupported_format: lambda emoset: emoset.add(image=b"<!DOCTYPE html><html>404</html>"),
    Reason.empty_file: lambda emoset: emoset.add(image=b""),
    Reason.file_too_large: huge_image,
    Reason.unreadable_file: pipe_as_image,
    Reason.missing_annotation: without(-1),
    Reason.malformed_annotation: annotated(b'{"emotion": "awe", '),
    Reason.non_finite_value: annotated(b'{"brightness": NaN}'),
    Reason.value_out_of_range: lambda emoset: emoset.add(brightness=1.5),
    Reason.unknown_emotion: lambda emoset: emoset.add(emotion="joy"),
    Reason.emotion_mismatch: annotated(b'{"emotion": "fear"}'),
    Reason.duplicate_id: repeated,
    Reason.path_outside_folder: with_path("../canary.jpg"),
    Reason.malformed_path: with_path("image\\awe.jpg"),
    Reason.malformed_row: lambda emoset: emoset.rows["train"].append(["awe", "image/awe/x.jpg"]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reason", EXAMPLES)
def test_each_reason_has_an_example_that_leaves_its_neighbours_alone(emoset: TinyEmoSet, reason: Reason) -> None:
    emoset.add("val")
    EXAMPLES[reason](emoset)
    emoset.add("test")
    outcomes = emoset.outcomes()
    assert len(outcomes) == sum(map(len, emoset.rows.values()))
    (reject,) = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
    assert reject.reason is reason, reject
    assert reject.image_id_or_path
    assert reject.detail
    assert reason.doc


def test_a_record_carries_all_that_the_folder_says(emoset: TinyEmoSet) -> None:
    data = encoded(picture(7, size=(20, 10)))
    stem = emoset.add(
        "val", "fear", data, brightness=0.3, colorfulness="0.7", scene="Boxing ring",
        object=["Alarm clock", "Tree", "Tree"], facial_expression="sad", human_action="waving",
    )  # fmt: skip
    (record,) = emoset.outcomes()
    assert record == Record(
        image_id=f"emoset/{stem}", image_bytes=data, path=f"image/fear/{stem}.jpg", emotion="fear", polarity="negative",
        split="val", width=20, height=10, sha256=record.sha256, brightness=0.3, colorfulness=0.7, scene="boxing_ring",
        objects=("alarm_clock", "tree"), facial_expression="sad", human_action="waving",
    )  # fmt: skip
    assert len(record.sha256) == 64


def test_absent_null_and_empty_attributes_are_none(emoset: TinyEmoSet) -> None:
    emoset.add()
    emoset.add(brightness=None, colorfulness=None, scene=None, object=None, facial_expression="", human_action=" ")
    for record in emoset.outcomes():
        assert isinstance(record, Record)
        assert (record.brightness, record.colorfulness, record.scene, record.objects) == (None, None, None, ())
        assert (record.facial_expression, record.human_action) == (None, None)


def test_a_single_object_may_stand_without_a_list(emoset: TinyEmoSet) -> None:
    emoset.add(object="Alarm clock")
    assert emoset.outcomes()[0].objects == ("alarm_clock",)


def test_names_become_snake_case() -> None:
    assert [snake_case(name) for name in ("Alarm clock", " Human  arm ", "boxing_ring")] == [
        "alarm_clock",
        "human_arm",
        "boxing_ring",
    ]


def test_rows_of_three_and_four_columns_mix(emoset: TinyEmoSet) -> None:
    stems = [emoset.add(split, columns=columns) for split in ("train", "test") for columns in (3, 4)]
    assert [record.image_id for record in emoset.outcomes()] == [f"emoset/{stem}" for stem in stems]


@pytest.mark.parametrize(
    "row",
    [
        [],
        ["awe"],
        ["awe"] * 5,
        "awe",
        None,
        3,
        {},
        [1, "a.jpg", "a.json"],
        ["awe", None, "a.json"],
        ["awe", [], {}],
        [["awe"], "a", "b"],
    ],
)
def test_a_row_of_another_shape_is_refused(emoset: TinyEmoSet, row: Any) -> None:
    emoset.rows["val"].append(row)
    reject = reject_of(emoset)
    assert (reject.image_id_or_path, reject.reason) == ("val.json[0]", Reason.malformed_row)


def test_a_byte_order_mark_is_tolerated_everywhere(emoset: TinyEmoSet) -> None:
    emoset.add()
    emoset.annotate(b'\xef\xbb\xbf{"scene": "beach"}')
    folder = emoset.write()
    for name in ("info.json", "train.json"):
        emoset.put(name, b"\xef\xbb\xbf" + (folder / name).read_bytes())
    (record,) = read(folder, plan(folder))
    assert isinstance(record, Record)
    assert record.scene == "beach"
    assert not vocabulary(folder).missing


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"brightness": Infinity}', Reason.non_finite_value),
        (b'{"brightness": "nan"}', Reason.non_finite_value),
        (b'{"brightness": 1e999}', Reason.non_finite_value),
        (b'{"unread": {"deep": [-Infinity]}}', Reason.non_finite_value),
        (b'{"brightness": -0.1}', Reason.value_out_of_range),
        (b'{"brightness": 1%s}' % (b"0" * 400), Reason.malformed_annotation),
        (b'{"brightness": 1%s}' % (b"0" * 9000), Reason.malformed_annotation),
        (b'{"brightness": "bright"}', Reason.malformed_annotation),
        (b'{"brightness": true}', Reason.malformed_annotation),
        (b'{"brightness": [0.5]}', Reason.malformed_annotation),
        (b'{"scene": ["beach"]}', Reason.malformed_annotation),
        (b'{"scene": 3}', Reason.malformed_annotation),
        (b'{"scene": "%s"}' % (b"b" * 300), Reason.malformed_annotation),
        (b'{"scene": "\\ud800"}', Reason.malformed_annotation),
        (b'{"object": [["Tree"]]}', Reason.malformed_annotation),
        (b'{"object": {"Tree": 1}}', Reason.malformed_annotation),
        (b'{"emotion": ["awe"]}', Reason.emotion_mismatch),
        (b"[" * 100_000, Reason.malformed_annotation),
        (b"[" * 100_000 + b"]" * 100_000, Reason.malformed_annotation),
        (b'{"a":' * 100_000, Reason.malformed_annotation),
        (b"[" * 1_100_000, Reason.file_too_large),
        (b'{"scene": "stra\xdfe"}', Reason.malformed_annotation),
        ('{"scene": "beach"}'.encode("utf-16"), Reason.malformed_annotation),
        (b"[]", Reason.malformed_annotation),
        (b"null", Reason.malformed_annotation),
        (b"", Reason.empty_file),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else str(value[:24]),
)
def test_a_bad_annotation_is_refused_with_its_reason(emoset: TinyEmoSet, data: bytes, reason: Reason) -> None:
    annotated(data)(emoset)
    reject = reject_of(emoset)
    assert reject.reason is reason, reject
    reject.detail.encode()
    assert len(reject.detail) < 300


OPENED: list[str] = []
sys.addaudithook(lambda event, arguments: OPENED.append(str(arguments[0])) if event == "open" else None)


@pytest.mark.parametrize("column", [-2, -1], ids=["image", "annotation"])
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: ascii(path)[:30])
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_outside_is_opened(
    emoset: TinyEmoSet, path: str, column: int
) -> None:
    canary = emoset.root.parent / "canary.jpg"
    emoset.add()
    canary.write_bytes(encoded(picture(9)) if column == -2 else b'{"scene": "beach"}')
    (emoset.root / "inner").mkdir()
    (emoset.root / "link_to_file.jpg").symlink_to(canary)
    (emoset.root / "chain_of_links.jpg").symlink_to("link_to_file.jpg")
    (emoset.root / "link_to_folder").symlink_to(emoset.root.parent)
    (emoset.root / "inner" / "link_up").symlink_to("../..")
    emoset.rows["train"][0][column] = path.format(outside=emoset.root.parent)
    folder = emoset.write()
    OPENED.clear()
    (reject,) = read(folder, plan(folder))
    opened = [place for place in OPENED if place.startswith("/") and not place.startswith(str(folder))]
    assert opened == []
    assert isinstance(reject, Reject)
    assert reject.reason in (Reason.path_outside_folder, Reason.malformed_path), reject
    assert reject.detail.isprintable()


def test_links_inside_the_folder_are_followed(emoset: TinyEmoSet) -> None:
    emoset.add()
    (emoset.root / "pictures").symlink_to("image")
    (emoset.root / "one.jpg").symlink_to("pictures/awe/awe_00000.jpg")
    emoset.rows["train"][0][1] = "one.jpg"
    (record,) = emoset.outcomes()
    assert record.image_id == "emoset/one"


def test_the_folder_itself_may_be_a_link(emoset: TinyEmoSet) -> None:
    emoset.add()
    emoset.write()
    link = emoset.root.parent / "link"
    link.symlink_to(emoset.root)
    assert isinstance(next(read(link, plan(link))), Record)


def test_a_link_to_itself_is_refused(emoset: TinyEmoSet) -> None:
    without(-2)(emoset)
    path = emoset.root / emoset.rows["train"][0][1]
    path.symlink_to(path)
    assert reject_of(emoset).reason in (Reason.unreadable_file, Reason.missing_image)


def test_of_equal_ids_the_first_good_row_in_split_order_is_kept(emoset: TinyEmoSet) -> None:
    emoset.add("test")
    row = emoset.rows["test"][0]
    emoset.rows["train"].append(["joy", *row[1:]])
    emoset.rows["val"] += [row, row]
    bad, kept, *repeats = emoset.outcomes()
    assert bad.reason is Reason.unknown_emotion
    assert (kept.split, kept.image_id) == ("val", "emoset/awe_00000")
    assert [repeat.reason for repeat in repeats] == [Reason.duplicate_id] * 2
    assert repeats[1].detail == "test.json[0] repeats val.json[0], which is kept"


def test_a_file_that_vanishes_after_the_plan_is_a_reject(emoset: TinyEmoSet) -> None:
    emoset.add()
    folder = emoset.write()
    rows = plan(folder)
    (folder / rows[0].image).unlink()
    (reject,) = read(folder, rows)
    assert (reject.image_id_or_path, reject.reason) == ("emoset/awe_00000", Reason.missing_image)


def test_a_failing_disk_is_an_error_and_no_reject(emoset: TinyEmoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    emoset.add()
    folder = emoset.write()
    rows = plan(folder)

    def failing(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(OSError, match="Input/output error"):
        next(read(folder, rows))


def test_pictures_are_read_one_at_a_time(emoset: TinyEmoSet) -> None:
    for _ in range(3):
        emoset.add()
    folder = emoset.write()
    rows = plan(folder)
    OPENED.clear()
    stream = read(folder, rows)
    assert not [place for place in OPENED if place.endswith(".jpg")]
    next(stream)
    assert len([place for place in OPENED if place.endswith(".jpg")]) == 1


def test_a_missing_folder_or_split_file_says_what_to_do(emoset: TinyEmoSet) -> None:
    with pytest.raises(ValueError, match=r"the folder .*emoset.* does not exist .*unpack"):
        plan(emoset.root)
    folder = emoset.write()
    (folder / "val.json").unlink()
    with pytest.raises(
        ValueError, match=r"cannot read val\.json in .*emoset \(no 'val\.json' there\): unpack EmoSet's zip"
    ):
        plan(folder)


@pytest.mark.parametrize("data", [b"", b"[", b"{}", b"\xff", b"[" * 100_000, b"[NaN]"], ids=repr)
def test_a_damaged_split_file_says_which(emoset: TinyEmoSet, data: bytes) -> None:
    emoset.put("test.json", data[:200_000])
    for name in ("train.json", "val.json"):
        emoset.put(name, b"[]")
    with pytest.raises(ValueError, match=r"cannot read test\.json"):
        plan(emoset.root)


def test_info_lists_the_names_of_each_attribute(emoset: TinyEmoSet) -> None:
    names = vocabulary(emoset.write()).names
    assert names["object"] == {"alarm_clock", "tree"}
    assert set(names) == set(reader.ATTRIBUTES)


@pytest.mark.parametrize(
    ("info", "missing"),
    [
        (None, ("scene", "object", "facial_expression", "human_action")),
        ({"amusement": 0, "awe": 1}, ("scene", "object", "facial_expression", "human_action")),
        ([], ("scene", "object", "facial_expression", "human_action")),
        ({**INFO, "scene": {}}, ("scene",)),
        ({**INFO, "object": 3, "scene": ["beach"]}, ("object",)),
        ({**INFO, "scene": {"beach": 0}}, ()),
    ],
)
def test_an_incomplete_info_is_a_warning(
    emoset: TinyEmoSet, info: Any, missing: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert vocabulary(emoset.write(info)).missing == missing
    assert ("info.json" in caplog.text) == bool(missing)


def test_a_damaged_info_is_a_warning(emoset: TinyEmoSet, caplog: pytest.LogCaptureFixture) -> None:
    emoset.put("info.json", json.dumps(INFO).encode()[:-5])
    assert vocabulary(emoset.root).names == {}
    assert "info.json cannot be used" in caplog.text


def test_the_folder_is_never_written_to(emoset: TinyEmoSet) -> None:
    emoset.add()
    folder = emoset.write()
    before = sorted((path, path.stat().st_mtime_ns) for path in Path(folder).rglob("*"))
    list(read(folder, plan(folder)))
    assert before == sorted((path, path.stat().st_mtime_ns) for path in Path(folder).rglob("*"))
