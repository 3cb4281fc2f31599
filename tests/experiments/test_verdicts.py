"""Verdicts: the paper's direction in the whole interval and in every seed, or nothing is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import run
from experiments.run import Cell, cells
from experiments.verdicts import compare, direction, table, verdict
from pipeline.emotions import EMOTIONS

GRID: dict[str, Any] = {
    "measure": "scores/m", "target": "scores@m", "images": "data/scores/m",
    "reported": ["fid/judge_small/clean", "{method}:accuracy"], "methods": {"whole": "one", "half": "other"},
    "seeds": [0, 1, 2, 3], "rows": {"whole": {}, "half": {}}, "paper": {"half": -1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "low", "high", "direction", "wanted"),
    [
        ([-0.1, -0.2, -0.1], -0.2, -0.05, -1, "agrees"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, -1, "disagrees"),
        ([-0.1, 0.02, -0.1], -0.2, -0.05, -1, "unresolved"),
        ([-0.1, -0.2, -0.1], -0.2, 0.01, -1, "unresolved"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, None, "higher"),
        ([-0.1, -0.2], -0.2, -0.05, -1, "none: 2 of 3 seeds"),
    ],
)
def test_a_verdict_needs_the_interval_and_every_seed(
    seeds: list[float], low: float, high: float, direction: int | None, wanted: str
) -> None:
    assert verdict(seeds, low, high, direction) == wanted


def test_a_real_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    whole = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    worse = [each * (rng.random(1000) < 0.9) for each in whole]
    found = compare(worse, whole, -1)
    assert found["verdict"] == "agrees"
    assert found["low"] < found["difference"] < found["high"] < 0
    other = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    assert compare(other, whole, -1)["verdict"] == "unresolved"


def test_seeds_on_the_same_pictures_are_not_more_pictures() -> None:
    values = np.random.default_rng(0).integers(0, 2, 500).astype(float)
    zeros = np.zeros(500)
    alone, thrice = (compare([values] * num, [zeros] * num, None, shared=True) for num in (1, 3))
    assert (alone["low"], alone["high"]) == (thrice["low"], thrice["high"])
    apart = compare([values] * 3, [zeros] * 3, None)
    assert apart["high"] - apart["low"] < 0.7 * (thrice["high"] - thrice["low"])


def write_cell(cell: Cell, num_right: int) -> None:
    """A finished cell of 40 images, so many of them right by both judges."""
    said = np.eye(8, dtype=np.float32)[[0] * num_right + [1] * (40 - num_right)]
    rows = pa.table({"emotion": [EMOTIONS[0]] * 40, "classifier": list(said), "judge": list(said),
                     "clarity": np.full(40, 0.5, np.float32)})  # fmt: skip
    shard = cell.folder / "data/scores/m/part-00000.parquet"
    shard.parent.mkdir(parents=True)
    pq.write_table(rows, shard)
    (cell.folder / "params.yaml").write_text("emoset: {folder: some/emoset}\n")
    found = {"scores/m:fid/judge_small/clean": 10.0 + cell.seed, f"{GRID['methods'][cell.row]}:accuracy": 0.5}
    (cell.folder / "finished.json").write_text(json.dumps(found))


def test_a_table_is_of_the_seeds_that_every_row_has_finished_and_says_on_what_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CELLS", tmp_path)
    for cell in cells("grid", GRID):
        if (cell.row, cell.seed) != ("half", 3):
            write_cell(cell, 40 if cell.row == "whole" else 20)
    found = table("grid", GRID)
    assert (found["seeds"], found["images_per_seed"], found["data"]) == ([0, 1, 2], 40, "some/emoset")
    assert found["rows"]["whole"]["emo_a/judge"] == {"mean": 1.0}
    half = found["rows"]["half"]
    assert (half["emo_a/judge"]["difference"], half["emo_a/judge"]["verdict"]) == (-0.5, "agrees")
    assert half["sem_c"]["verdict"] == "unresolved"
    assert half["fid/judge_small/clean"] == {"mean": 11.0, "by_seed": [10.0, 11.0, 12.0]}
    assert half["accuracy"]["mean"] == 0.5


def test_the_paper_may_say_something_of_one_metric_alone() -> None:
    grid = {"paper": {"30 percent": {"emo_a": -1}, "5 percent": -1}}
    found = [direction(grid, "30 percent", metric) for metric in ("emo_a/judge", "emo_a/classifier", "sem_c")]
    assert found == [-1, -1, None]
    assert direction(grid, "5 percent", "sem_c") == -1
    assert direction(grid, "20 percent", "sem_c") is direction({}, "a", "sem_c") is None
