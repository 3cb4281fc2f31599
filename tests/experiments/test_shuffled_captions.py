"""Shuffled captions: none is lost, none leaves its group, and the grid takes the files that are written."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from experiments import shuffled_captions
from experiments.cell import ROOT, read_grid
from experiments.shuffled_captions import DOSES, OVER_ALL, WITHIN, chosen, shuffled
from pipeline.artifacts import CAPTIONS as CAPTIONS_OUT
from pipeline.artifacts import EMOSET
from pipeline.captions.override import read_captions

CAPTIONS = [f"a picture of {number}" for number in range(60)]
EMOTIONS = ["awe", "fear", "anger"] * 20
IDS = [f"emoset/{emotion}_{number:05d}" for number, emotion in enumerate(EMOTIONS)]


def pairs(captions: list[str]) -> Counter[tuple[str, str]]:
    return Counter(zip(EMOTIONS, captions, strict=True))


def test_captions_change_pictures_within_their_emotion() -> None:
    found = shuffled(CAPTIONS, EMOTIONS, np.random.default_rng(0))
    assert pairs(found) == pairs(CAPTIONS)
    assert sum(one == other for one, other in zip(found, CAPTIONS, strict=True)) < 10


def test_over_all_they_change_emotions_too() -> None:
    found = shuffled(CAPTIONS, [""] * 60, np.random.default_rng(0))
    assert Counter(found) == Counter(CAPTIONS)
    assert pairs(found) != pairs(CAPTIONS)


def test_both_files_are_overrides_of_every_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffled_captions, "ROOT", tmp_path)
    for artifact, column, values in ((CAPTIONS_OUT.of("emoset"), "caption", CAPTIONS), (EMOSET, "emotion", EMOTIONS)):
        (tmp_path / artifact.path).mkdir(parents=True)
        table = pa.table({"image_id": IDS, column: values}).sort_by("image_id")
        pq.write_table(table, tmp_path / artifact.path / "part-00000.parquet")
    for name in ("WITHIN", "OVER_ALL"):
        monkeypatch.setattr(shuffled_captions, name, tmp_path / f"{name}.csv")
    monkeypatch.setattr(shuffled_captions, "DOSES", {25: tmp_path / "dose.csv"})
    result = CliRunner().invoke(shuffled_captions.main)
    assert result.exit_code == 0, result.output
    within, over_all = (read_captions(tmp_path / f"{name}.csv") for name in ("WITHIN", "OVER_ALL"))
    assert list(within) == list(over_all) == sorted(IDS)
    dose, own = read_captions(tmp_path / "dose.csv"), dict(zip(IDS, CAPTIONS, strict=True))
    assert len(dose) == 15
    assert Counter(dose.values()) == Counter(own[image_id] for image_id in dose)
    assert pairs([within[image_id] for image_id in IDS]) == pairs(CAPTIONS)
    assert pairs([over_all[image_id] for image_id in IDS]) != pairs(CAPTIONS)


def test_the_grid_takes_the_files_that_are_written() -> None:
    taken = {changes.get("captions.override") for changes in read_grid("null_captions")["rows"].values()}
    assert taken == {None, *(path.relative_to(ROOT).as_posix() for path in (WITHIN, OVER_ALL))}


def test_a_larger_dose_contains_a_smaller_one_and_the_grid_takes_the_files() -> None:
    quarter, half = (set(chosen(400, percent).tolist()) for percent in (25, 50))
    assert (len(quarter), len(half)) == (100, 200)
    assert quarter < half
    taken = {changes.get("captions.override") for changes in read_grid("dose_captions")["rows"].values()}
    assert taken == {None, *(path.relative_to(ROOT).as_posix() for path in DOSES.values())}
