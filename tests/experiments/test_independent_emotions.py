"""Emotions that are dealt out anew: the layout stays EmoSet's, its numbers stay, and the pictures tell nothing."""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from experiments.cell import ROOT, read_grid
from experiments.independent_emotions import DOSES, TARGET, deal
from pipeline.corpora.emoset import plan, read
from pipeline.corpora.records import Record

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An EmoSet of 240 tiny pictures, and what is made of it."""
    source, target = (tmp_path_factory.mktemp("emosets") / name for name in ("source", "target"))

    numbers: Counter[str] = Counter()
    for split, size in zip(SPLITS, (160, 20, 60), strict=True):
        rows = []
        for index in range(size):
            emotion = "awe" if index % 4 else "fear"
            stem = f"{emotion}_{numbers[emotion]:05d}"
            numbers[emotion] += 1
            image, annotation = source / f"image/{emotion}/{stem}.jpg", source / f"annotation/{emotion}/{stem}.json"
            for path in (image, annotation):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (index, numbers["awe"] % 256, 80 * SPLITS.index(split))).save(image)
            annotation.write_text(json.dumps({"image_id": stem, "emotion": emotion, "scene": f"scene_{split}"}))
            rows.append(
                [emotion, stem, image.relative_to(source).as_posix(), annotation.relative_to(source).as_posix()]
            )
        (source / f"{split}.json").write_text(json.dumps(rows))
    (source / "info.json").write_text("{}")
    assert deal(source, target) == 240
    return source, target


def records(folder: Path) -> list[Record]:
    found = list(read(folder, plan(folder)))
    assert all(isinstance(each, Record) for each in found), [each for each in found if not isinstance(each, Record)]
    return [each for each in found if isinstance(each, Record)]


def test_every_picture_stays_in_its_split_with_its_attributes(dealt: tuple[Path, Path]) -> None:
    before, after = (records(folder) for folder in dealt)
    for split in SPLITS:
        old, new = ([each for each in found if each.split == split] for found in (before, after))
        assert Counter(each.emotion for each in old) == Counter(each.emotion for each in new)
        assert {each.scene for each in new} == {f"scene_{split}"}
        assert {each.sha256 for each in old} == {each.sha256 for each in new}


def test_emotions_go_to_other_pictures_by_chance(dealt: tuple[Path, Path]) -> None:
    before, after = ({each.sha256: each.emotion for each in records(folder)} for folder in dealt)
    kept = sum(after[picture] == emotion for picture, emotion in before.items()) / len(before)
    assert kept == pytest.approx(0.25**2 + 0.75**2, abs=0.1)


def test_the_grid_takes_the_folder_that_is_written() -> None:
    assert read_grid("null_emotions")["common"]["emoset.folder"] == TARGET.relative_to(ROOT).as_posix()


def test_a_dose_changes_so_many_labels_of_the_train_split_and_no_other(
    dealt: tuple[Path, Path], tmp_path: Path
) -> None:
    changed = {}
    for percent in (20, 40):
        deal(dealt[0], tmp_path / str(percent), percent, ("train",))
        for split in SPLITS:
            old, new = (
                [row[0] for row in json.loads((folder / f"{split}.json").read_text())]
                for folder in (dealt[0], tmp_path / str(percent))
            )
            assert Counter(old) == Counter(new)
            changed[percent, split] = {row for row, pair in enumerate(zip(old, new, strict=True)) if len(set(pair)) > 1}
    assert 0 < len(changed[20, "train"]) < len(changed[40, "train"]) <= 64
    assert len(changed[20, "train"]) <= 32
    assert not any(rows for (_, split), rows in changed.items() if split != "train")


def test_the_dose_grid_takes_the_folders_that_are_written() -> None:
    taken = {changes.get("emoset.folder") for changes in read_grid("dose_labels")["rows"].values()}
    assert taken == {None, *(path.relative_to(ROOT).as_posix() for path in DOSES.values())}
