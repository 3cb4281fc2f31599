"""Verdicts: the paper's direction in the whole interval and in every seed, or nothing is said; by chance, seldom."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from evoke import comparison
from evoke.comparison import compare, over_seeds, t_errors, verdict
from experiments import cell as layout
from experiments import verdicts
from experiments.cell import Cell, cells
from experiments.kept import keep, path_of, result_of
from experiments.key import Finished, Key, write_finished
from experiments.verdicts import SHARES, direction, mean_over, table
from pipeline.emotions import EMOTIONS

GRID: dict[str, Any] = {
    "measure": "scores/m", "target": "scores@m", "images": "data/scores/m",
    "reported": ["fid/judge_small/clean", "{method}:accuracy"], "methods": {"whole": "one", "half": "other"},
    "seeds": [0, 1, 2, 3], "rows": {"whole": {}, "half": {}}, "paper": {"half": -1},
}  # fmt: skip
PRESENT = Key({"coemogen": "1"}, {"coemogen": "2"}, {}, {"models/miniature/clip": "4"})


@pytest.fixture(autouse=True)
def _cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CELLS", tmp_path)
    monkeypatch.setattr(verdicts, "key_of", lambda cell: PRESENT)


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
    worse = [each * (rng.random(1000) < 0.8) for each in whole]
    found = compare(worse, whole, -1)
    assert found["verdict"] == "agrees"
    assert found["low"] < found["difference"] < found["high"] < 0
    other = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    assert compare(other, whole, -1)["verdict"] == "unresolved"


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.04])
def test_trainings_that_differ_by_chance_seldom_get_a_verdict(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings that are worth the same, whose trainings differ from seed to seed: 5 % may be taken for more."""
    monkeypatch.setattr(comparison, "NUM_SAMPLES", 200)
    rng, given = np.random.default_rng(1), 0
    for _ in range(100):
        rates = 0.85 + spread * rng.standard_normal((2, 3))
        one, other = ([(rng.random(300) < rate).astype(float) for rate in side] for side in rates)
        given += compare(one, other, None)["verdict"] != "unresolved"
    assert given <= 10


def test_what_is_said_to_be_found_is_found_in_four_of_five_experiments() -> None:
    rng, spread = np.random.default_rng(2), 0.02
    size = t_errors([-spread, 0.0, spread], power=0.8)  # of a sample with this deviation
    found = [over_seeds((size + spread * rng.standard_normal(3)).tolist())["verdict"] for _ in range(400)]
    assert found.count("higher") / 400 == pytest.approx(0.8, abs=0.08)


def test_the_interval_is_never_narrower_than_trainings_or_images_allow() -> None:
    rng = np.random.default_rng(0)
    whole = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    worse = [each * (rng.random(1000) < 0.9) for each in whole]
    found = compare(worse, whole, -1)
    alone = over_seeds(found["by_seed"])
    assert found["low"] <= alone["low"]
    assert found["high"] >= alone["high"]
    assert found["resolves"] >= alone["resolves"]
    assert over_seeds([0.1]) == {
        "difference": 0.1, "low": 0.1, "high": 0.1, "by_seed": [0.1], "resolves": 0.0, "verdict": "none: 1 of 3 seeds"
    }  # fmt: skip


def test_seeds_on_the_same_pictures_are_not_more_pictures() -> None:
    values = np.random.default_rng(0).integers(0, 2, 500).astype(float)
    zeros = np.zeros(500)
    alone, thrice = (compare([values] * num, [zeros] * num, None, shared=True) for num in (1, 3))
    assert (alone["low"], alone["high"]) == (thrice["low"], thrice["high"])
    apart = compare([values] * 3, [zeros] * 3, None)
    assert apart["high"] - apart["low"] < 0.7 * (thrice["high"] - thrice["low"])


def test_the_interval_of_a_mean_ends_where_the_metric_does() -> None:
    seeds = [0.99, 0.9, 0.95]
    assert mean_over(seeds)["mean_high"] > 1
    assert mean_over(seeds, SHARES) == mean_over(seeds) | {"mean_high": 1.0}


def write_cell(cell: Cell, num_right: int, key: Key = PRESENT) -> None:
    """A finished cell of 40 images, so many of them right by both judges."""
    said = np.eye(8, dtype=np.float32)[[0] * num_right + [1] * (40 - num_right)]
    rows = pa.table({"emotion": [EMOTIONS[0]] * 40, "classifier": list(said), "judge": list(said),
                     "clarity": np.full(40, 0.5, np.float32)})  # fmt: skip
    shard = cell.folder / "data/scores/m/part-00000.parquet"
    shard.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, shard)
    method = GRID["methods"].get(cell.row, "other")
    found = {"scores/m:fid/judge_small/clean": 10.0 + cell.seed, f"{method}:accuracy": 0.5}
    write_finished(cell, Finished(found, key))


def test_a_table_is_of_the_seeds_that_every_row_has_finished_and_says_on_what_data() -> None:
    for cell in cells("grid", GRID):
        if (cell.row, cell.seed) != ("half", 3):
            write_cell(cell, 40 if cell.row == "whole" else 20)
    found = table("grid", GRID)
    assert (found["seeds"], found["images_per_seed"], found["data"]) == ([0, 1, 2], 40, "data/miniature/emoset")
    assert found["rows"]["whole"]["emo_a/judge"] == {
        "mean": 1.0,
        "mean_low": 1.0,
        "mean_high": 1.0,
        "trainings": [1.0] * 3,
    }
    half = found["rows"]["half"]
    assert (half["emo_a/judge"]["difference"], half["emo_a/judge"]["verdict"]) == (-0.5, "agrees")
    assert half["sem_c"]["verdict"] == "unresolved"
    fid = half["fid/judge_small/clean"]
    assert (fid["mean"], fid["mean_low"], fid["mean_high"]) == pytest.approx((11.0, 11 - 2.484, 11 + 2.484), abs=0.001)
    assert (fid["difference"], fid["verdict"]) == (0.0, "unresolved")
    assert half["accuracy"]["mean"] == 0.5
    assert half["emo_a/judge"]["against"] == "whole"
    assert (found["key"]["code"], found["key"]["weights"]) == (PRESENT.code, PRESENT.weights)


def test_what_is_kept_of_cells_gives_the_same_table_without_their_folders() -> None:
    for cell in cells("grid", GRID):
        write_cell(cell, 40 if cell.row == "whole" else 20)
        finished = result_of(cell)
        assert finished is not None
        keep(cell, GRID, finished)
    before = table("grid", GRID)
    for cell in cells("grid", GRID):
        shutil.rmtree(cell.folder)
    assert table("grid", GRID) == before
    assert path_of(cell).stat().st_size < 2000
    assert json.loads(path_of(cell).read_text())["metrics"] == {
        "scores/m:fid/judge_small/clean": 10.0 + cell.seed, "other:accuracy": 0.5
    }  # fmt: skip


def test_a_grid_that_is_compared_by_its_models_keeps_nothing() -> None:
    cell = next(cells("grid", GRID))
    keep(cell, GRID | {"models": True}, Finished({}, PRESENT))
    assert not path_of(cell).exists()


def test_a_planted_result_is_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for cell in cells("grid", GRID):
        planted = Key({"coemogen": "1"}, {"coemogen": "of before"}, {}, {"models/miniature/clip": "4"})
        write_cell(cell, 40, planted if (cell.row, cell.seed) == ("half", 2) else PRESENT)
    assert table("grid", GRID)["seeds"] == [0, 1, 3]
    assert capsys.readouterr().err == "half, seed 2 is stale and left out: code coemogen changed\n"
    for cell in cells("grid", GRID):
        write_cell(cell, 40, planted)
    with pytest.raises(click.ClickException, match="no seed is finished in every row"):
        table("grid", GRID)


def test_a_row_may_be_held_against_another_than_the_first() -> None:
    grid = {**GRID, "rows": {"whole": {}, "half": {}, "quarter": {}}, "against": {"quarter": "half"},
            "methods": {**GRID["methods"], "quarter": "other"}, "paper": {"quarter": -1}}  # fmt: skip
    for cell in cells("grid", grid):
        write_cell(cell, {"whole": 40, "half": 20, "quarter": 10}[cell.row])
    rows = table("grid", grid)["rows"]
    assert (rows["quarter"]["emo_a/judge"]["difference"], rows["quarter"]["emo_a/judge"]["against"]) == (-0.25, "half")
    assert (rows["half"]["emo_a/judge"]["difference"], rows["half"]["emo_a/judge"]["against"]) == (-0.5, "whole")


def test_a_paper_may_set_any_two_rows_against_each_other() -> None:
    grid = {**GRID, "rows": {"whole": {}, "half": {}, "quarter": {}}, "pairs": {"half - quarter": 1}}
    for cell in cells("grid", grid):
        write_cell(cell, {"whole": 40, "half": 20, "quarter": 10}[cell.row])
    found = table("grid", grid)
    pair = found["pairs"]["half - quarter"]["emo_a/judge"]
    assert (pair["mean"], pair["difference"], pair["against"], pair["verdict"]) == (0.5, 0.25, "quarter", "agrees")
    assert found["rows"]["half"]["emo_a/judge"]["against"] == "whole"


def test_what_was_carried_over_stays_told_while_the_key_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(verdicts, "read_grid", lambda name: GRID)
    for cell in cells("grid", GRID):
        write_cell(cell, 40)
    path = tmp_path / "results/grid.json"
    for key, kept in (({}, ["coemogen"]), ({"code": {}}, None)):
        assert CliRunner().invoke(verdicts.main, ["grid"]).exit_code == 0
        former = json.loads(path.read_text())
        path.write_text(json.dumps(former | {"carried": ["coemogen"], "key": former["key"] | key}))
        assert CliRunner().invoke(verdicts.main, ["grid"]).exit_code == 0
        assert json.loads(path.read_text()).get("carried") == kept


def test_a_grid_without_images_compares_what_it_reports() -> None:
    grid = {**GRID, "reported": ["{method}:accuracy"], "paper": {"half": {"accuracy": -1}}}
    del grid["images"]
    for cell in cells("grid", grid):
        write_cell(cell, 40)
        metrics = {f"{GRID['methods'][cell.row]}:accuracy": 0.8 if cell.row == "whole" else 0.7 - 0.01 * cell.seed}
        write_finished(cell, Finished(metrics, PRESENT))
    half = table("grid", grid)["rows"]["half"]
    assert list(half) == ["accuracy"]
    assert half["accuracy"]["verdict"] == "agrees"


def test_a_pattern_finds_a_metric_whatever_its_backbone_is_called() -> None:
    grid = {**GRID, "reported": ["fid/*/clean", "lpips/*/clean"]}
    for cell in cells("grid", grid):
        write_cell(cell, 40)
    assert [key for key in table("grid", grid)["rows"]["half"] if "/" in key and "emo_a" not in key] == [
        "fid/judge_small/clean"
    ]


def test_the_paper_may_say_something_of_one_metric_alone() -> None:
    grid = {"paper": {"30 percent": {"emo_a": -1}, "5 percent": -1}}
    found = [direction(grid, "30 percent", metric) for metric in ("emo_a/judge", "emo_a/classifier", "sem_c")]
    assert found == [-1, -1, None]
    assert direction(grid, "5 percent", "sem_c") == -1
    assert direction(grid, "20 percent", "sem_c") is direction({}, "a", "sem_c") is None


def test_rows_of_other_emotions_are_not_compared() -> None:
    for cell in cells("grid", GRID):
        write_cell(cell, 20)
        if cell.row == "half":
            shard = cell.folder / "data/scores/m/part-00000.parquet"
            pq.write_table(pq.read_table(shard).slice(0, 30), shard)
    with pytest.raises(click.ClickException, match="half has images of other emotions than whole"):
        table("grid", GRID)
