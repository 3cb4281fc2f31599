"""The queue runs every grid in its order, goes on after a failure, resumes, and compares complete grids."""

import importlib.util
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from experiments import cell as layout
from experiments import queue, run
from experiments.cell import Cell, cells, grid_names, read_grid
from experiments.key import FINISHED, Finished, Key, merged, write_finished
from experiments.queue import main, read_queue, run_module

PRESENT = Key({"coemogen": "1"}, {"coemogen": "2"}, {"data/emoset": "3"}, {"models/miniature/clip": "4"})
TWO = ("--grid", "null_polarity", "--grid", "uniemo_figure8")


class Desk:
    """Record the cells that were run, and the modules with their arguments."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.modules: list[list[str]] = []
        self.failing: dict[tuple[str, int], Exception] = {}
        self.both = threading.Barrier(2)

    def run_cell(self, cell: Cell, threads: int) -> dict[str, float]:
        """Stand in for evoke repro."""
        if error := self.failing.get((cell.row, cell.seed)):
            raise error
        self.cells.append(cell)
        metrics = {"scores/coemogen_emoset:emo_a/judge": 0.75, "uniemo_joint:accuracy": 0.5}
        cell.folder.mkdir(parents=True, exist_ok=True)
        write_finished(cell, Finished(metrics, PRESENT))
        return metrics


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk()
    monkeypatch.setattr(layout, "CELLS", tmp_path / "cells")
    monkeypatch.setattr(layout, "RESULTS", layout.ROOT / "experiments" / "no_results")
    monkeypatch.setattr(run, "run_cell", found.run_cell)
    monkeypatch.setattr(run, "key_of", lambda cell: PRESENT)
    monkeypatch.setattr(queue, "key_of", lambda cell: PRESENT)
    monkeypatch.setattr(queue, "run_module", found.modules.append)
    return found


def start(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_the_file_names_every_grid_once_with_a_reason_and_modules_that_there_are() -> None:
    entries = read_queue()
    assert sorted(entry.grid for entry in entries) == grid_names()
    assert len({entry.reason for entry in entries}) == len(entries)
    for module in {module for entry in entries for module in (*entry.before, entry.verdict)}:
        assert importlib.util.find_spec(module)
    assert {entry.grid: entry.verdict for entry in entries}["uniemo_understanding"] == "experiments.uniemo_oracle"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {grid: coemogen_table1, reason: a}", "look at coemogen_limits"),
        ("- {grid: coemogen_table1}", "reason"),
        ("- {grid: coemogen_table1, reason: a, jobs: 3}", "jobs"),
    ],
)
def test_a_grid_without_place_or_reason_is_named(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = grid_names()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/queue.yaml").write_text(text)
    monkeypatch.setattr(queue, "ROOT", tmp_path)
    monkeypatch.setattr(queue, "grid_names", lambda: names)
    with pytest.raises(click.ClickException, match=said):
        read_queue()


def test_it_says_one_line_a_cell_and_compares_each_complete_grid(desk: Desk) -> None:
    result = start(*TWO, "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert [cell.grid for cell in desk.cells] == ["null_polarity"] * 9 + ["uniemo_figure8"] * 6
    assert desk.modules == [["experiments.verdicts", "null_polarity"], ["experiments.verdicts", "uniemo_figure8"]]
    lines = [line[len("11-30 07:00 ") :] for line in result.output.splitlines()]
    assert lines[1].startswith("null_polarity: 9 of 9 cells to run; ")
    assert lines[2] == "null_polarity: 1 of 9: whole, seed 0: 0 s; emo_a/judge 0.75"
    assert lines[11].startswith("null_polarity: complete; verdicts in ")
    assert len(lines) == 1 + (1 + 9 + 1) + (1 + 6 + 1) + 1


def test_a_failed_cell_is_told_the_others_go_on_and_the_next_start_runs_it_alone(desk: Desk) -> None:
    for error in (click.ClickException("whole, seed 1 failed: see log"), OSError("No space left on device")):
        desk.failing = {("whole", 1): error}
        desk.cells.clear()
        result = start(*TWO)
        assert result.exit_code == 1
        assert "see log" in result.output or "whole, seed 1 failed: No space left on device" in result.output
        assert desk.modules == [["experiments.verdicts", "uniemo_figure8"]] * (len(desk.modules) or 1)
    assert not desk.cells  # of the second start: all but the failed one were finished
    assert "Error: not complete: null_polarity; run the queue again" in result.output
    desk.failing, desk.modules[:] = {}, []
    assert start(*TWO).exit_code == 0
    assert [(cell.row, cell.seed) for cell in desk.cells] == [("whole", 1)]
    assert ["experiments.verdicts", "null_polarity"] in desk.modules


def test_a_grid_whose_results_are_of_the_present_key_is_not_compared_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "RESULTS", tmp_path)
    monkeypatch.setattr(queue, "ROOT", tmp_path)
    only = ("--grid", "uniemo_figure8")
    monkeypatch.setattr(queue, "read_queue", lambda: [queue.Entry(grid="uniemo_figure8", reason="a")])
    assert start(*only).exit_code == 0
    desk.modules.clear()
    found = list(cells("uniemo_figure8", read_grid("uniemo_figure8")))
    path = tmp_path / "uniemo_figure8.json"
    for key, again in (({"params": "others"}, True), (merged(PRESENT for _ in found), False)):
        path.write_text(json.dumps({"key": key}))
        assert start(*only).exit_code == 0
        assert bool(desk.modules) == again
        desk.modules.clear()
    path.write_text(json.dumps({"key": merged(PRESENT for _ in found), "comparisons": "others"}))
    assert start(*only).exit_code == 0  # another pair or direction is compared without a run
    assert desk.modules
    assert len(desk.cells) == 6
    desk.modules.clear()
    path.write_text(json.dumps({"key": merged(PRESENT for _ in found)}))
    for cell in found:
        (cell.folder / FINISHED).unlink()
    assert start(*only).exit_code == 0  # results outlive the folders of their cells
    assert len(desk.cells) == 6
    assert not desk.modules


def test_two_cells_run_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def together(cell: Cell, threads: int) -> dict[str, float]:
        desk.both.wait(timeout=30)  # breaks unless another cell is at the same place
        return desk.run_cell(cell, threads)

    monkeypatch.setattr(run, "run_cell", together)
    assert start("--grid", "uniemo_figure8").exit_code == 0
    assert len(desk.cells) == 6


def test_what_a_grid_reads_is_written_before_and_a_grid_without_it_is_passed_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str]) -> None:
        desk.modules.append(command)
        if command == ["experiments.shuffled_captions"]:
            raise ValueError("there are no captions")

    monkeypatch.setattr(queue, "run_module", fail)
    result = start("--grid", "null_captions", "--grid", "uniemo_figure8")
    assert "null_captions: not begun: there are no captions" in result.output
    assert {cell.grid for cell in desk.cells} == {"uniemo_figure8"}
    assert desk.modules[0] == ["experiments.shuffled_captions"]
    assert result.exit_code == 1


def test_a_module_that_fails_is_told_by_its_last_line() -> None:
    with pytest.raises(ValueError, match="there is no grid 'no_such'"):
        run_module(["experiments.verdicts", "no_such"])


def test_two_queues_do_not_run_at_the_same_time(desk: Desk) -> None:
    layout.CELLS.mkdir()
    with FileLock(layout.CELLS / "queue.lock"):
        result = start(*TWO)
    assert (result.exit_code, desk.cells) == (1, [])
    assert "a queue already runs" in result.output


def test_sigterm_ends_it_after_the_cells_that_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(cell: Cell, threads: int) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return desk.run_cell(cell, threads)

    monkeypatch.setattr(run, "run_cell", stop)
    before = signal.getsignal(signal.SIGTERM)
    result = start(*TWO, "--jobs", "1")
    assert result.exit_code == 128 + signal.SIGTERM
    assert 1 <= len(desk.cells) <= 2
    assert not desk.modules
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_dry_run_runs_nothing_and_an_unknown_grid_is_refused(desk: Desk) -> None:
    result: Any = start("--dry")
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == len(grid_names())
    assert result.output.startswith("methods_table1: 27 of 27 cells; ")
    assert (desk.cells, desk.modules) == ([], [])
    assert "--grid 'none'" in start("--grid", "none").output
