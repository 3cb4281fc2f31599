"""Every grid names keys and stages that are there; a cell runs what its row asks for, and again when it is stale."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from evoke.preset import apply_preset, load_preset
from experiments import cell as layout
from experiments import run
from experiments.cell import ROOT, Cell, cells, grid_names, params_of, read_grid, write_params
from experiments.key import Finished, Key, read_finished, write_finished
from experiments.run import Line, run_all
from experiments.uniemo_oracle import CLAIMS, GRID, SYSTEMS
from pipeline.params import load_params, read_yaml
from pipeline.report.verdicts import PAIR

GRIDS = grid_names()
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
SIZES = ("steps", "batch_size", "num_per_emotion", "sheet_steps")  # what params.yaml alone decides beyond the miniature
DRAWN = {  # grids of the drawn world alone, and the key by which they are
    "coemogen_limits": "miniature.polarity_share",
    "dose_polarity": "miniature.polarity_share",
    "dose_words": "foundation_folders.diffusion",
    "null_polarity": "miniature.polarity_share",
}
PRESENT = Key({"coemogen": "1"}, {"coemogen": "2"}, {"data/emoset": "3"}, {"models/miniature/clip": "4"})


@pytest.fixture(autouse=True)
def _cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CELLS", tmp_path / "cells")


@pytest.mark.parametrize("name", GRIDS)
def test_every_cell_of_a_grid_is_valid_params_and_ends_at_a_stage(name: str) -> None:
    grid = read_grid(name)
    assert set(grid.get("paper", {})) <= set(grid["rows"])
    assert set(grid.get("against", {})) | set(grid.get("against", {}).values()) <= set(grid["rows"])
    assert {row for pair in grid.get("pairs", ()) for row in pair.split(PAIR)} <= set(grid["rows"])
    found = list(cells(name, grid))
    assert found
    assert len({cell.folder for cell in found}) == len(found)
    for cell in found[: len(grid["rows"])]:  # of the first seed: all others differ from it by the seed alone
        assert cell.target.split("@")[0] in STAGES
        cell.folder.mkdir(parents=True)
        write_params(cell)
        assert load_params(cell.folder / "params.yaml").seed == cell.seed


def test_a_row_may_end_at_another_stage_than_the_grid() -> None:
    found = {cell.row: cell.target for cell in cells(GRID, read_grid(GRID))}
    assert found["without queries"] == "uniemo_understanding"
    assert set(found.values()) == {"uniemo_understanding", "uniemo_joint", "uniemo_feedback"}


def test_an_unknown_key_of_a_row_is_named() -> None:
    cell = Cell("grid", "row", 0, {"coemogen.stepps": 3}, "coemogen")
    with pytest.raises(click.ClickException, match=r"params.yaml has no coemogen.stepps"):
        params_of(cell)


def test_every_system_that_is_compared_is_of_a_row_of_the_grid() -> None:
    rows = read_grid(GRID)["rows"]
    assert {row for row, _ in SYSTEMS.values()} <= set(rows)
    assert {name for one, other, _ in CLAIMS for name in (one, other)} <= set(SYSTEMS)


def test_rows_of_one_grid_may_be_methods() -> None:
    grid = read_grid("methods_table1")
    assert set(grid["methods"]) == set(grid["rows"])
    found = {cell.row: cell.target for cell in cells("methods_table1", grid)}
    assert found["EmoGen"] == "scores@emogen"
    assert layout.of_row(grid, "images", "UniEmo") == "data/scores/uniemo_joint"


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A repository whose params.yaml is the paper preset; its values."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    sections = ("foundation_clip", "foundation_diffusion", "foundation_captioner")
    preset = load_preset("paper", ROOT / "presets")
    apply_preset(tmp_path / "params.yaml", preset, dict.fromkeys(sections, "0" * 40))
    monkeypatch.setattr(layout, "ROOT", tmp_path)
    found: dict[str, Any] = read_yaml(tmp_path / "params.yaml")
    return found


@pytest.mark.parametrize("name", sorted(set(GRIDS) - set(DRAWN)))
def test_beyond_the_miniature_a_cell_has_the_steps_and_batches_of_params(name: str, paper: dict[str, Any]) -> None:
    grid = yaml_of(name)
    for cell in cells(name, grid):
        assert not [key for key in cell.changes if key.split(".")[-1] in SIZES and key not in grid["rows"][cell.row]]
        values = params_of(cell)
        assert values["coemogen"]["steps"] == paper["coemogen"]["steps"] == 130_000
        assert values["images"]["num_per_emotion"] == 1000
    assert "base" in grid, "the miniature has steps of its own"


@pytest.mark.parametrize(("name", "key"), DRAWN.items())
def test_a_grid_of_the_drawn_world_is_refused_where_none_is_drawn(name: str, key: str, paper: dict[str, Any]) -> None:
    with pytest.raises(click.ClickException, match=rf"{key}, and params.yaml draws no world"):
        list(cells(name, yaml_of(name)))


def yaml_of(name: str) -> dict[str, Any]:
    grid: dict[str, Any] = read_yaml(ROOT / "experiments" / f"{name}.yaml")
    return grid


def plant(cell: Cell, metrics: dict[str, float], key: Key | None) -> None:
    """Leave a result in a cell's folder."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    if key is None:  # as before results had keys
        (cell.folder / "finished.json").write_text('{"scores/coemogen_emoset:n": 7}')
    else:
        write_finished(cell, Finished(metrics, key))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that are run, by a stand-in for evoke repro; the present key of every cell is PRESENT."""
    found: list[Cell] = []

    def make(cell: Cell, threads: int) -> dict[str, float]:
        found.append(cell)
        plant(cell, {"scores/coemogen_emoset:n": 1.0}, PRESENT)
        return {"scores/coemogen_emoset:n": 1.0}

    monkeypatch.setattr(run, "run_cell", make)
    monkeypatch.setattr(run, "key_of", lambda cell: PRESENT)
    return found


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (None, "it has no key"),
        ({"params": {"coemogen": "0"}}, "params coemogen changed"),
        ({"code": {"coemogen": "0"}}, "code coemogen changed"),
        ({"data": {}}, "data data/emoset changed"),
        ({"weights": {"models/miniature/clip": "0"}}, "weights models/miniature/clip changed"),
    ],
)
def test_a_planted_result_is_told_to_be_stale_and_run_again(
    changed: dict[str, Any] | None, told: str, ran: list[Cell]
) -> None:
    first, *others = cells("null_polarity", read_grid("null_polarity"))
    for cell in others:
        plant(cell, {"scores/coemogen_emoset:n": 2.0}, PRESENT)
    planted = None if changed is None else Key(**{**vars(PRESENT), **changed})
    plant(first, {"scores/coemogen_emoset:n": 999.0}, planted)
    dry = CliRunner().invoke(run.main, ["null_polarity", "--dry"])
    assert dry.exit_code == 0, dry.output
    assert not ran
    result = CliRunner().invoke(run.main, ["null_polarity"])
    assert result.exit_code == 0, result.output
    for output in (dry.stderr, result.stderr):
        assert output == f"whole, seed 0: stale, {told}; it runs again\n"
    assert ran == [first]
    assert "999" not in result.stdout
    assert '"n": 7' not in result.stdout
    assert len(result.stdout.splitlines()) == 9
    again = CliRunner().invoke(run.main, ["null_polarity"])
    assert (ran, again.stderr) == ([first], "")


def test_a_result_is_read_back_with_its_key() -> None:
    cell = next(cells("null_polarity", read_grid("null_polarity")))
    assert read_finished(cell) is None
    plant(cell, {"a:b": 1.5}, PRESENT)
    assert read_finished(cell) == Finished({"a:b": 1.5}, PRESENT)


def test_a_cell_that_fails_is_told_and_the_others_go_on(ran: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    make = run.run_cell

    def fail_first(cell: Cell, threads: int) -> Any:
        if (cell.row, cell.seed) == ("whole", 0):
            raise click.ClickException("whole, seed 0 failed: see its log")
        return make(cell, threads)

    monkeypatch.setattr(run, "run_cell", fail_first)
    result = CliRunner().invoke(run.main, ["null_polarity"])
    assert result.exit_code == 1
    assert len(ran) == 8
    assert result.stderr.splitlines() == [
        "whole, seed 0 failed: see its log", "Error: 1 of 9 cells failed; run again, they go on from there"
    ]  # fmt: skip


def test_the_progress_is_one_line_with_what_has_ended_what_is_left_and_what_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = list(cells("null_polarity", read_grid("null_polarity")))[:3]
    wanted[1].folder.mkdir(parents=True)
    (wanted[1].folder / "log.txt").write_text("first\n[3/15] emoset  4 s, about 2 min left\n")
    line = Line("null_polarity", 3, 1, is_shown=True)
    line.num_ended = 1
    whole = (
        "null_polarity: 1 of 3 cells, about 2 min 0 s left; "
        "without polarity LoRAs 0: [3/15] emoset  4 s, about 2 min left"
    )
    assert line.text([wanted[1]], 60.0) == whole[: run.WIDTH]
    line.num_ended = 0
    ended = list(run_all(wanted, 1, lambda cell: {"n": cell.seed}, line))
    assert [cell for cell, _ in ended] == wanted
    shown = capsys.readouterr().err
    assert "\n" not in shown
    assert shown.startswith("\rnull_polarity: 0 of 3 cells")
    assert shown.endswith("\r")


def test_a_progress_line_is_not_written_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = list(cells("null_polarity", read_grid("null_polarity")))[:1]
    list(run_all(wanted, 1, lambda cell: {}, Line("null_polarity", 1, 1, is_shown=False)))
    assert capsys.readouterr().err == ""


def test_an_error_of_the_program_ends_the_run_at_once() -> None:
    def make(cell: Cell) -> Iterator[Any]:
        raise AssertionError("a defect")

    begin = time.monotonic()
    wanted = list(cells("null_polarity", read_grid("null_polarity")))
    with pytest.raises(AssertionError, match="a defect"):
        list(run_all(wanted, 1, make, Line("null_polarity", 9, 1, is_shown=False)))  # type: ignore[arg-type]
    assert time.monotonic() - begin < 5
