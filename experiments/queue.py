"""Run all grids in the order of experiments/queue.yaml, some cells at a time, and compare the rows of each that ends.

    .venv/bin/python -m experiments.queue --dry        # what would run, in which order
    nohup .venv/bin/python -m experiments.queue > queue.log &

It can be left alone: a cell that fails is told and passed over, and what is missing runs when the queue is started
again. A finished cell does not run again while its key is the present one (experiments/run.py). SIGTERM ends it once
the cells that run are finished.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import click
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evoke.progress import duration
from experiments import cell as layout
from experiments import run
from experiments.cell import QUEUE, ROOT, Cell, cells, grid_names, named, read_grid, read_result
from experiments.key import key_of, merged
from experiments.run import Line, age_of, run_all
from experiments.verdicts import comparisons_hash
from pipeline.params import read_yaml

JOBS = 2
FAILED = (OSError, ValueError, subprocess.SubprocessError)  # of a cell, besides ClickException


class Entry(BaseModel):
    """A grid in the queue: why it stands there, what is run before it, and what compares its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    grid: str
    reason: str = Field(min_length=1)
    before: Annotated[tuple[str, ...], Field(strict=False)] = ()
    verdict: str = "experiments.verdicts"

    @property
    def verdict_command(self) -> list[str]:
        """Return the module that compares the rows, with the grid as argument if it serves all grids."""
        return [self.verdict, self.grid] if self.verdict == "experiments.verdicts" else [self.verdict]


def read_queue() -> list[Entry]:
    """Return the entries of queue.yaml. Raises ClickException unless it names every grid exactly once."""
    try:
        entries = TypeAdapter(list[Entry]).validate_python(read_yaml(ROOT / "experiments" / QUEUE))
    except ValidationError as error:
        raise click.ClickException(f"{QUEUE}: {error}") from None
    queued = sorted(entry.grid for entry in entries)
    if queued != grid_names():
        wrong = sorted({name for name in {*queued, *grid_names()} if queued.count(name) != grid_names().count(name)})
        raise click.ClickException(f"{QUEUE} names every grid of experiments/ once; look at {', '.join(wrong)}")
    return entries


def run_entry(entry: Entry, jobs: int, threads: int) -> int:
    """Run the cells of a grid that are missing or stale, then compare its rows, and return the number of failures."""
    try:
        for module in entry.before:
            run_module([module])
        grid = read_grid(entry.grid)
        of_grid = list(cells(entry.grid, grid))
        wanted = missing(entry.grid, of_grid)
    except (click.ClickException, *FAILED) as error:
        say(f"{entry.grid}: not begun: {one_line(error)}")
        return 1
    say(f"{entry.grid}: {len(wanted)} of {len(of_grid)} cells to run; {entry.reason}")
    failures = run_cells(grid, wanted, jobs, threads)
    if not failures and not has_present_verdicts(entry.grid, of_grid):
        failures += compare_rows(entry)
    return failures


def run_cells(grid: Mapping[str, Any], wanted: list[Cell], jobs: int, threads: int) -> int:
    """Run cells, say one line for each as it ends, and return how many have failed."""
    seconds: dict[Cell, float] = {}

    def attempt(cell: Cell) -> Mapping[str, Any]:
        begin = time.monotonic()
        try:
            return run.run_cell(cell, threads)
        except FAILED as error:
            raise click.ClickException(f"{cell.row}, seed {cell.seed} failed: {one_line(error)}") from error
        finally:
            seconds[cell] = time.monotonic() - begin

    line = Line(wanted[0].grid if wanted else "", len(wanted), jobs, sys.stderr.isatty())
    failures = 0
    for number, (cell, found) in enumerate(run_all(wanted, jobs, attempt, line), 1):
        start = f"{cell.grid}: {number} of {len(wanted)}: "
        if isinstance(found, click.ClickException):
            failures += 1
            say(f"{start}{one_line(found)}")
        else:
            measure = named(grid, grid["measure"], cell.row)
            keys = [
                key for key in grid.get("shown", run.SHOWN) if isinstance(found.get(f"{measure}:{key}"), int | float)
            ]
            shown = ", ".join(f"{key} {found[f'{measure}:{key}']:.4g}" for key in keys)
            say(f"{start}{cell.row}, seed {cell.seed}: {duration(seconds[cell])}; {shown}")
    return failures


def compare_rows(entry: Entry) -> int:
    """Write the verdicts of a complete grid and return the number of failures."""
    try:
        run_module(entry.verdict_command)
    except FAILED as error:
        say(f"{entry.grid}: complete, but `python -m {' '.join(entry.verdict_command)}` failed: {one_line(error)}")
        return 1
    say(f"{entry.grid}: complete; verdicts in {(layout.RESULTS / f'{entry.grid}.json').relative_to(ROOT)}")
    return 0


def missing(name: str, of_grid: list[Cell]) -> list[Cell]:
    """Return the cells of a grid that have to run: none if its rows have been compared with the present key."""
    return [] if is_compared(name, of_grid) else [cell for cell in of_grid if age_of(cell)]


def is_compared(name: str, of_grid: list[Cell]) -> bool:
    """Return True if the results of a grid are of the present key of its cells."""
    key = read_result(name).get("key")
    return bool(key) and key == merged(key_of(cell) for cell in of_grid)


def has_present_verdicts(name: str, of_grid: list[Cell]) -> bool:
    """Return True if the results of a grid are of its present cells, and of all comparisons that it names now."""
    present = comparisons_hash(read_grid(name))
    return is_compared(name, of_grid) and read_result(name).get("comparisons", present) == present


def run_module(command: list[str]) -> None:
    """Run a module of the repository. Raises ValueError with the last line that it has written if it fails."""
    ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        words = [line for line in f"{ended.stdout}\n{ended.stderr}".splitlines() if line.strip()]
        raise ValueError(words[-1] if words else f"exit status {ended.returncode}")


def say(text: str) -> None:
    """Write one line with the time of day, at once, so that a log can be followed."""
    click.echo(f"{time.strftime('%m-%d %H:%M')} {text}")
    sys.stdout.flush()


def one_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    words = error.message if isinstance(error, click.ClickException) else str(error)
    return " ".join(words.split()) or type(error).__name__


@contextmanager
def alone() -> Iterator[None]:
    """Hold the queue's lock. Raises ClickException if another queue runs, because both would write the same cells."""
    layout.CELLS.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(layout.CELLS / "queue.lock", timeout=0):
            yield
    except Timeout:
        raise click.ClickException(f"a queue already runs in {layout.CELLS}; wait for it or end it") from None


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the queue as an exception, so that cells that run are finished and none begins."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.command()
@click.option("--jobs", default=JOBS, show_default=True, type=click.IntRange(min=1), help="Cells at a time.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Threads of each.")
@click.option("--grid", "only", multiple=True, metavar="GRID", help="Run this grid only; may be given several times.")
@click.option("--dry", is_flag=True, help="Tell what would run, in order; run nothing.")
def main(jobs: int, threads: int, only: tuple[str, ...], dry: bool) -> None:
    """Run the grids of experiments/queue.yaml in their order; `evoke plan --experiments` tells how long each takes."""
    entries = read_queue()
    if unknown := sorted(set(only) - {entry.grid for entry in entries}):
        raise click.ClickException(f"--grid {unknown[0]!r}: {QUEUE} has {', '.join(grid_names())}")
    entries = [entry for entry in entries if not only or entry.grid in only]
    if dry:
        for entry in entries:
            of_grid = list(cells(entry.grid, read_grid(entry.grid)))
            click.echo(f"{entry.grid}: {len(missing(entry.grid, of_grid))} of {len(of_grid)} cells; {entry.reason}")
        return
    with alone(), ended_by_sigterm():
        say(f"{len(entries)} grids, {jobs} cells at a time; process {os.getpid()}")
        incomplete = [entry.grid for entry in entries if run_entry(entry, jobs, threads)]
    if incomplete:
        raise click.ClickException(f"not complete: {', '.join(incomplete)}; run the queue again, it goes on from there")
    say("every grid is complete; `python -m experiments.paper_map` and `python -m experiments.referee` take it over")


if __name__ == "__main__":
    main()
