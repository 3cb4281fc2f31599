"""Hours of the grids: what cells have in common counts once, and what is finished does not count."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from evoke.cli import main
from evoke.plan.rates import Device, device_of
from experiments import cell as layout
from experiments import run
from experiments.cell import Cell, cells, grid_names, read_grid
from experiments.key import Finished, Key, write_finished
from experiments.plan import GridPlan, digests, plan_of, setting_of_cell, to_csv, to_text

PRESENT = Key({"coemogen": "1"}, {}, {}, {})


@pytest.fixture(autouse=True)
def _cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CELLS", tmp_path / "cells")
    monkeypatch.setattr(layout, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(run, "key_of", lambda cell: PRESENT)


@pytest.fixture(scope="module")
def h200() -> Device:
    return device_of("h200")  # without a probe of this machine


def cell_of(grid: str, row: str, seed: int = 0) -> Cell:
    return next(cell for cell in cells(grid, read_grid(grid)) if (cell.row, cell.seed) == (row, seed))


def units(cell: Cell) -> dict[str, str]:
    return {unit.name: digest for digest, unit in digests(cell).items()}


def test_cells_share_what_their_row_does_not_change_and_nothing_below_it() -> None:
    whole, without = (units(cell_of("coemogen_table1", row)) for row in ("whole", "without L_SEM"))
    differing = {name for name in whole if whole[name] != without[name]}
    assert differing == {"coemogen@emoset", "images@coemogen_emoset", "scores@coemogen_emoset"}
    content, methods = (units(cell_of(grid, "EmoGen")) for grid in ("content", "methods_table1"))
    assert content["emogen@emoset"] == methods["emogen@emoset"]  # trained once for both grids
    captions = units(cell_of("coemogen_table2a", "details"))
    assert captions["captions@emoset"] != whole["captions@emoset"]
    assert captions["latents@emoset"] == whole["latents@emoset"]
    assert captions["coemogen@emoset"] != whole["coemogen@emoset"]


def test_a_grid_after_another_takes_only_the_hours_of_its_own_units(h200: Device) -> None:
    made: dict[str, float] = {}
    first = plan_of("methods_table1", "a", h200, made)
    then = plan_of("content", "b", h200, made)
    assert (first.num_units, first.hours) == (first.num_new, pytest.approx(first.hours_alone))
    assert then.num_new == then.num_wanted == 27  # the stage content of each cell
    assert 0 < then.hours < then.hours_alone / 2
    assert first.hours == pytest.approx(sum(made.values()) - then.hours)
    assert first.longest_cell * first.num_wanted > first.hours  # cells have units in common
    again = plan_of("content", "b", h200, made)
    assert (again.num_new, again.hours) == (0, 0.0)


def test_finished_cells_and_what_they_need_are_made(h200: Device) -> None:
    grid = "coemogen_table2b"
    whole = plan_of(grid, "a", h200, {})
    for cell in cells(grid, read_grid(grid)):
        if cell.seed != 2:
            cell.folder.mkdir(parents=True)
            write_finished(cell, Finished({}, PRESENT))
    rest = plan_of(grid, "a", h200, {})
    assert (rest.num_cells, rest.num_wanted) == (9, 3)
    assert 0 < rest.hours < whole.hours / 2


def test_a_folder_of_images_that_is_not_written_yet_has_as_many_as_the_present_one() -> None:
    images = setting_of_cell(cell_of("null_emotions", "whole")).corpora.emoset
    assert images.total < 20_000  # and not EmoSet-118K's number


def test_the_table_has_the_sums_and_the_csv_every_figure() -> None:
    rows = [GridPlan("one", "a", 9, 9, 30, 30, 2.0, 2.0, 0.5), GridPlan("other", "b, c", 9, 3, 30, 3, 2.0, 0.5, 0.25)]
    lines = to_text("title", rows).splitlines()
    assert lines[4].split() == ["other", "9", "3", "30", "3", "2.0", "0.5", "15", "min"]
    assert "total: 2.5 hours one cell after another, 1.2 if 2 at a time do not slow each other" in lines
    found = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert (found[1]["grid"], found[1]["hours"], found[1]["reason"]) == ("other", "0.5", "b, c")


def test_the_command_plans_every_grid_in_the_order_of_the_queue() -> None:
    command = [sys.executable, "-m", "evoke", "plan", "--experiments", "--device", "h200", "--csv"]
    ended = subprocess.run(command, cwd=layout.ROOT, capture_output=True, text=True, check=True)
    found = [row["grid"] for row in csv.DictReader(io.StringIO(ended.stdout))]
    assert (found[0], sorted(found)) == ("methods_table1", grid_names())


def test_outside_a_checkout_or_with_a_preset_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(layout.ROOT / "params.yaml", "params.yaml")
    for options, said in (((), "in a checkout of the project"), (("--preset", "paper"), "leave out --preset, --gpus")):
        result = CliRunner().invoke(main, ["plan", "--experiments", *options])
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert said in result.output
