"""Run a grid of rows and seeds: each cell is a folder of its own with its own params.yaml, run by `evoke repro`.

A finished cell is not run again while its key (experiments/key.py) is the present one. A stale one is told and run
again, and makes only what its changes reach. A killed cell goes on from its checkpoints.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import click

from evoke.progress import duration
from experiments import cell as layout
from experiments.cell import Cell, cells, named, prepare, read_grid
from experiments.kept import SHOWN, keep, result_of
from experiments.key import FINISHED, Finished, key_of, write_finished
from experiments.record import record

LOG = "log.txt"
POLL_S = 1.0
WIDTH = 110


def age_of(cell: Cell) -> str | None:
    """Return why a cell has to run: "not run yet", or why its result is stale; None if its result holds."""
    finished = result_of(cell)
    return "not run yet" if finished is None else finished.age(key_of(cell)) or None


def run_cell(cell: Cell, threads: int) -> Mapping[str, Any]:
    """Run a cell, whatever it has left from before, and return its metrics.

    Raises ClickException if it fails.
    """
    prepare(cell)
    (cell.folder / FINISHED).unlink(missing_ok=True)
    programs = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "EVOKE_THREADS": str(threads), "OMP_NUM_THREADS": str(threads),
                   "PYTHONPATH": str(cell.folder)}  # fmt: skip
    with (cell.folder / LOG).open("a") as log:
        command = [sys.executable, "-m", "evoke", "repro", "--jobs", "1", cell.target]
        status = subprocess.run(command, cwd=cell.folder, env=environment, stdout=log, stderr=log, check=False)
    if status.returncode:
        raise click.ClickException(f"{cell.row}, seed {cell.seed} failed: see {cell.folder / LOG}")
    finished = Finished(metrics(cell), key_of(cell, cell.folder))
    write_finished(cell, finished)
    keep(cell, read_grid(cell.grid), finished)
    record(cell, layout.ROOT)
    return finished.metrics


def metrics(cell: Cell) -> dict[str, Any]:
    """Return all metrics files of a cell as one flat dict, with keys such as scores/coemogen_emoset:emo_a/judge."""
    folder = cell.folder / "metrics"
    flat: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        flat |= {f"{name}:{key}": value for key, value in json.loads(path.read_text()).items()}
    return flat


def run_all(
    wanted: list[Cell], jobs: int, make: Callable[[Cell], Mapping[str, Any]], line: "Line"
) -> Iterator[tuple[Cell, Mapping[str, Any] | click.ClickException]]:
    """Yield each cell as it ends, with its metrics or its failure. A failure does not stop the others."""
    with ThreadPoolExecutor(jobs) as pool:
        waiting: dict[Future[Mapping[str, Any]], Cell] = {pool.submit(make, cell): cell for cell in wanted}
        try:
            while waiting:
                line.show([cell for future, cell in waiting.items() if future.running()])
                ended, _ = wait(waiting, POLL_S, FIRST_COMPLETED)
                for future in [future for future in waiting if future in ended]:  # in the order of the grid
                    cell, error = waiting.pop(future), future.exception()
                    if error is not None and not isinstance(error, click.ClickException):
                        raise error
                    line.num_ended += 1
                    line.clear()
                    yield cell, error or future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            line.clear()


class Line:
    """One line of progress on a terminal: cells that have ended, time left, and the latest words of those that run."""

    def __init__(self, grid: str, num_cells: int, jobs: int, is_shown: bool) -> None:
        self.grid, self.num_cells, self.jobs, self.is_shown = grid, num_cells, jobs, is_shown
        self.begin, self.num_ended = time.monotonic(), 0

    def show(self, running: Iterable[Cell]) -> None:
        """Write the line over the previous one."""
        if self.is_shown:
            click.echo(f"\r\x1b[K{self.text(running, time.monotonic() - self.begin)}", nl=False, err=True)

    def clear(self) -> None:
        """Remove the line, so that other output may follow."""
        if self.is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)

    def text(self, running: Iterable[Cell], seconds: float) -> str:
        """Return the line for the cells that run, after so many seconds."""
        left = self.num_cells - self.num_ended
        rest = f", about {duration(seconds / self.num_ended * left)} left" if self.num_ended and left else ""
        said = [f"{cell.row} {cell.seed}: {last_line(cell)}" for cell in running]
        return "; ".join([f"{self.grid}: {self.num_ended} of {self.num_cells} cells{rest}", *said])[:WIDTH]


def last_line(cell: Cell) -> str:
    """Return the last line that a cell has written to its log."""
    path = cell.folder / LOG
    lines = path.read_text(errors="replace").split("\n") if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "begins")


@click.command()
@click.argument("name")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Cells at a time.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Threads of each.")
@click.option("--row", "rows", multiple=True, metavar="ROW", help="Run this row only; may be given several times.")
@click.option("--dry", is_flag=True, help="Tell which cells would run and why; run nothing.")
def main(name: str, jobs: int, threads: int, rows: tuple[str, ...], dry: bool) -> None:
    """Run the grid experiments/NAME.yaml. Finished cells run again only if they are stale."""
    grid = read_grid(name)
    if unknown := sorted(set(rows) - set(grid["rows"])):
        raise click.ClickException(f"--row {unknown[0]!r}: {name} has {', '.join(map(repr, grid['rows']))}")
    wanted = []
    for cell in cells(name, grid):
        if rows and cell.row not in rows:
            continue
        age = age_of(cell)
        if age is None:
            show(grid, cell, result_of(cell).metrics)  # type: ignore[union-attr]
            continue
        wanted.append(cell)
        if dry or (cell.folder / FINISHED).is_file():
            click.echo(f"{cell.row}, seed {cell.seed}: {told(age)}", err=True)
    if dry:
        return
    line, failed = Line(name, len(wanted), jobs, sys.stderr.isatty()), []
    for cell, found in run_all(wanted, jobs, lambda cell: run_cell(cell, threads), line):
        if isinstance(found, click.ClickException):
            failed.append(cell)
            click.echo(found.message, err=True)
        else:
            show(grid, cell, found)
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(wanted)} cells failed; run again, they go on from there")


def told(age: str) -> str:
    """Return why a cell runs as a sentence part."""
    return age if age == "not run yet" else f"stale, {age}; it runs again"


def show(grid: Mapping[str, Any], cell: Cell, found: Mapping[str, Any]) -> None:
    """Write one line of JSON for a finished cell."""
    measure = named(grid, grid["measure"], cell.row)
    shown = {key: found.get(f"{measure}:{key}") for key in grid.get("shown", SHOWN)}
    click.echo(json.dumps({"row": cell.row, "seed": cell.seed, **shown}))


if __name__ == "__main__":
    main()
