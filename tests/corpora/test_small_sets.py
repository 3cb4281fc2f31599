"""FI, EmotionROI, Twitter I and II in their layouts: each picture once with its class, each reason with an example."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.corpora import emotionroi, fi, twitter
from pipeline.corpora.classes import CLASSES, SMALL_SETS
from pipeline.corpora.labelled import LabelledFile, Sample, read
from pipeline.corpora.records import Reason, Reject
from pipeline.emotions import EMOTIONS, polarity

from .gallery import write_files
from .test_folder import EXAMPLES, WHOLE

PLANS: dict[str, Callable[[Path], list[LabelledFile]]] = {
    "fi": fi.plan, "emotionroi": emotionroi.plan, "twitter_i": twitter.plan_first, "twitter_ii": twitter.plan_second
}  # fmt: skip
PLACES = {  # of pictures named a, m and z, in the layout
    "fi": "emotion_dataset/awe/{}.jpg",
    "emotionroi": "images/joy/{}.jpg",
    "twitter_i": "Twitter_PCNN/Agg_AMT_Candidates/{}.jpg",
    "twitter_ii": "twitter_ii/negative/{}.jpg",
}
LABELS = {"fi": "awe", "emotionroi": "joy", "twitter_i": "negative", "twitter_ii": "negative"}
IDS = {
    "fi": "fi/awe/",
    "emotionroi": "emotionroi/joy/",
    "twitter_i": "twitter_i/",
    "twitter_ii": "twitter_ii/negative/",
}
LISTED = ("emotionroi", "twitter_i")
TRAINING, TESTING = emotionroi.LISTS["train"], emotionroi.LISTS["test"]
PLACE_OF_M = {"emotionroi": f"emotionroi/{TRAINING}:2", "twitter_i": "twitter_i/amt_result.csv:2"}
AMT = "Twitter_PCNN/amt_result.csv"


def outcomes(dataset: str, folder: Path) -> list[Sample | Reject]:
    return list(read(folder, PLANS[dataset](folder)))


def rejects(dataset: str, folder: Path) -> list[tuple[str, Reason]]:
    return [(one.image_id_or_path, one.reason) for one in outcomes(dataset, folder) if isinstance(one, Reject)]


def lay_out(dataset: str, folder: Path, names: str = "az", listed: str = "amz") -> Path:
    """A folder of the data set with these pictures; the lists of those that have one name `listed`."""
    lists = {
        "emotionroi": {TRAINING: "".join(f"joy/{name}.jpg\n" for name in listed).encode(), TESTING: b"\n"},
        "twitter_i": {AMT: "".join(f"{name}.jpg,5,1,4\n" for name in listed).encode()},
    }
    return write_files(folder, {PLACES[dataset].format(name): WHOLE for name in names} | lists.get(dataset, {}))


def link_out(path: Path) -> None:
    (path.parents[3] / "outside.png").write_bytes(WHOLE)
    path.symlink_to(path.parents[3] / "outside.png")


OF_PICTURES = {reason: make for reason, make in EXAMPLES.items() if reason is not Reason.malformed_path} | {
    Reason.path_outside_folder: link_out
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dataset", SMALL_SETS)
@pytest.mark.parametrize("reason", OF_PICTURES)
def test_a_bad_picture_is_a_reject_with_its_reason_and_leaves_its_neighbours_alone(
    tmp_path: Path, dataset: str, reason: Reason
) -> None:
    folder = lay_out(dataset, tmp_path / "deep/er/folder")
    OF_PICTURES[reason](folder / PLACES[dataset].format("m"))
    planned = reason is Reason.path_outside_folder and dataset in LISTED  # then it has no id but its place
    assert rejects(dataset, folder) == [(PLACE_OF_M[dataset] if planned else f"{IDS[dataset]}m", reason)]
    found = [one for one in outcomes(dataset, folder) if isinstance(one, Sample)]
    assert [(one.picture.image_id, one.label) for one in found] == [
        (f"{IDS[dataset]}{name}", LABELS[dataset]) for name in "az"
    ]


@pytest.mark.parametrize("dataset", LISTED)
def test_a_listed_picture_that_is_not_there_is_a_reject(tmp_path: Path, dataset: str) -> None:
    assert rejects(dataset, lay_out(dataset, tmp_path)) == [(f"{IDS[dataset]}m", Reason.missing_image)]


@pytest.mark.parametrize("dataset", LISTED)
def test_pictures_that_no_list_names_are_left_alone(tmp_path: Path, dataset: str) -> None:
    assert len(outcomes(dataset, lay_out(dataset, tmp_path, "abz", "az"))) == 2


@pytest.mark.parametrize("dataset", ["fi", "twitter_ii"])
def test_folders_of_no_class_and_pictures_in_none_are_rejects(tmp_path: Path, dataset: str) -> None:
    root = PLACES[dataset].split("/")[0]
    folder = lay_out(dataset, tmp_path, "a")
    write_files(folder, {f"{root}/surprise/a.jpg": WHOLE, f"{root}/loose.jpg": WHOLE})
    assert sorted(rejects(dataset, folder)) == [
        (f"{dataset}/loose", Reason.unknown_emotion),
        (f"{dataset}/surprise/a", Reason.unknown_emotion),
    ]


@pytest.mark.parametrize("dataset", ["fi", "twitter_ii"])
def test_a_name_with_a_backslash_in_a_folder_is_a_malformed_path(tmp_path: Path, dataset: str) -> None:
    folder = lay_out(dataset, tmp_path, "am\\")
    assert [reason for _, reason in rejects(dataset, folder)] == [Reason.malformed_path]


def test_classes_are_known_in_any_case(tmp_path: Path) -> None:
    write_files(tmp_path, {"emotion_dataset/Awe/a.jpg": WHOLE})
    (sample,) = outcomes("fi", tmp_path)
    assert isinstance(sample, Sample)
    assert sample.label == "awe"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("joy", Reason.malformed_row),
        ("joy/", Reason.malformed_row),
        ("awe/a.jpg", Reason.unknown_emotion),
        ("joy/a.jpg", Reason.duplicate_id),
        ("joy/../../../secret.jpg", Reason.path_outside_folder),
        ("joy/a\\b.jpg", Reason.malformed_path),
        ("joy/a\x00b.jpg", Reason.malformed_path),
    ],
)
def test_each_wrong_line_of_emotionroi_is_a_reject_by_its_place(tmp_path: Path, line: str, reason: Reason) -> None:
    folder = lay_out("emotionroi", tmp_path, "a", "a")
    (folder / TESTING).write_text(f"\n{line}\n")
    assert rejects("emotionroi", folder) == [(f"emotionroi/{TESTING}:2", reason)]


def test_emotionroi_keeps_the_split_of_its_authors(tmp_path: Path) -> None:
    folder = lay_out("emotionroi", tmp_path, "ab", "a")
    (folder / TESTING).write_text("joy/b.jpg\r\n")
    found = {one.picture.image_id: one.split for one in outcomes("emotionroi", folder) if isinstance(one, Sample)}
    assert found == {"emotionroi/joy/a": "train", "emotionroi/joy/b": "test"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("b.jpg,5,3", Reason.malformed_row),
        ("b.jpg,5,3,2,1", Reason.malformed_row),
        ("b.jpg,5,three,2", Reason.malformed_row),
        ("b.jpg,5,-1,2", Reason.malformed_row),
        ("b.jpg,5,9999999999,2", Reason.malformed_row),
        ("b.jpg,4,2,2", Reason.malformed_row),
        (f'"{"x" * 200_000}",5,4,1', Reason.malformed_row),
        ("a.jpg,5,4,1", Reason.duplicate_id),
        ("../../../etc/passwd,5,4,1", Reason.path_outside_folder),
        ("b\\c.jpg,5,4,1", Reason.malformed_path),
    ],
)
def test_each_wrong_row_of_twitter_one_is_a_reject_by_its_place(tmp_path: Path, row: str, reason: Reason) -> None:
    folder = lay_out("twitter_i", tmp_path, "a", "a")
    with (folder / AMT).open("a") as file:
        file.write(row + "\n")
    assert rejects("twitter_i", folder) == [("twitter_i/amt_result.csv:2", reason)]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a.jpg,5,4,1\n", "positive"),
        ("file,votes,positive,negative\na.jpg,5,4,1\n", "positive"),
        ("Name,Votes,Negative,Positive\na.jpg,5,4,1\n", "negative"),
        ("image,n,yes,no\na.jpg,5,4,1\n", "positive"),
        ("votes,negative,positive,file\n5,1,4,a.jpg\n", "positive"),
        ("Negative,Positive,Image\n4,1,a.jpg\n", "negative"),
        ('"a.jpg", 5, 1, 4\r\n', "negative"),
    ],
)
def test_the_majority_of_votes_is_the_class_in_the_order_of_the_header(tmp_path: Path, text: str, label: str) -> None:
    folder = lay_out("twitter_i", tmp_path, "a", "a")
    (folder / AMT).write_text(text)
    (sample,) = outcomes("twitter_i", folder)
    assert isinstance(sample, Sample)
    assert (sample.picture.image_id, sample.label) == ("twitter_i/a", label)


@pytest.mark.parametrize("dataset", SMALL_SETS)
def test_twitter_is_found_in_a_folder_of_both_and_as_its_own(tmp_path: Path, dataset: str) -> None:
    folder = lay_out(dataset, tmp_path, "az", "az")
    own = folder / {"twitter_i": "Twitter_PCNN", "twitter_ii": "twitter_ii"}.get(dataset, "")
    assert [one.picture.image_id for one in outcomes(dataset, own) if isinstance(one, Sample)] == [
        f"{IDS[dataset]}a",
        f"{IDS[dataset]}z",
    ]


@pytest.mark.parametrize(
    ("dataset", "files", "message"),
    [
        ("fi", {"README.md": b"x"}, "the folder .*emotion_dataset.* does not exist .*unpack the dataset there"),
        ("fi", {"emotion_dataset/README.md": b"x"}, "has no images"),
        ("twitter_ii", {"README.md": b"x"}, "has no images"),
        ("emotionroi", {"images/joy/a.jpg": WHOLE}, "cannot read training_testing_split/training.txt"),
        ("emotionroi", {TRAINING: b"\n", TESTING: b" \n"}, "are empty; expected is one line <class>/<file> per image"),
        ("emotionroi", {TRAINING: b"\xff", TESTING: b"joy/a.jpg"}, "not UTF-8"),
        ("twitter_i", {"README.md": b"x"}, "cannot read amt_result.csv"),
        ("twitter_i", {AMT: b"file,votes,positive,negative\n"}, "has no rows"),
    ],
)
def test_a_folder_that_does_not_hold_the_data_set_is_one_clear_error(
    tmp_path: Path, dataset: str, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PLANS[dataset](write_files(tmp_path, files))


@pytest.mark.parametrize("dataset", ["fi", "twitter_ii"])
def test_nothing_behind_a_link_out_of_the_folder_is_looked_at(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(dataset, tmp_path / "outside", "az")
    root = PLACES[dataset].split("/")[0]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / root).symlink_to(tmp_path / "outside" / root)
    walked: list[Any] = []
    monkeypatch.setattr(os, "walk", lambda *found, **_: walked.append(found) or [])
    with pytest.raises(ValueError, match="is a link to outside the folder; copy the data set into the folder itself"):
        PLANS[dataset](tmp_path / "folder")
    assert not walked


@pytest.mark.parametrize("dataset", LISTED)
def test_a_list_behind_a_link_out_of_the_folder_is_not_read(tmp_path: Path, dataset: str) -> None:
    name = {"emotionroi": TRAINING, "twitter_i": AMT}[dataset]
    folder = lay_out(dataset, tmp_path / "folder", "a", "a")
    (folder / name).rename(tmp_path / "secret")
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="link to outside the folder"):
        PLANS[dataset](folder)


@pytest.mark.parametrize("dataset", CLASSES)
def test_every_class_that_compares_is_one_of_the_data_set_and_agrees_with_its_polarity(dataset: str) -> None:
    classes = CLASSES[dataset]
    assert set(classes.emotions) | set(classes.polarities) <= set(classes.names)
    assert all(classes.polarities[name] == polarity(emotion) for name, emotion in classes.emotions.items())


def test_the_label_maps_are_those_that_are_documented() -> None:
    assert set(CLASSES["emoset"].names) == set(CLASSES["fi"].names) == set(EMOTIONS)
    roi = CLASSES["emotionroi"]
    assert dict(roi.emotions) == {name: name for name in ("anger", "disgust", "fear", "sadness")}
    assert roi.polarities["joy"] == "positive"
    assert "surprise" in roi.names
    assert "surprise" not in {*roi.emotions, *roi.polarities}
    assert not CLASSES["twitter_i"].emotions
