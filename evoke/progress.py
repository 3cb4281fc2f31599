"""Show the progress of a run: a line for each stage that ends, the time left, and a live bar on a terminal.

Everything that stages and DVC write goes to runs/<stage>.log. Only this project's own warnings are shown, and the end
of the log of a stage that failed.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from evoke.estimate import RUNS, Estimate, Graph

TAIL = 20  # log lines shown of a failed stage
HINTS = ("Running stage", "> ", "Updating lock file", "To track the changes", "To enable auto staging",
         "Use `dvc push`", "\tgit add", "\tdvc config", "\t> ")  # DVC's hints # fmt: skip


class Watch:
    """A context manager that shows the progress of a run. On a pipe it writes plain lines."""

    def __init__(self, graph: Graph, jobs: int, estimate: Estimate, verbose: bool = False) -> None:
        self.graph, self.jobs, self.estimate, self.verbose = dict(graph), jobs, estimate, verbose
        self.left: dict[str, set[str]] = dict(graph)
        self.begun: dict[str, float] = {}
        self.begin, self.num_ran, self.failed, self.announced = time.monotonic(), 0, False, False
        self.console = Console(highlight=False)
        self.live: Progress | None = None
        self.rows: dict[str, TaskID] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.verbose:
            columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self.live = self._stack.enter_context(Progress(*columns, console=self.console, transient=True))
            self.all = self.live.add_task("", total=None)
        self.say(f"{len(self.graph)} stages to run, {self.jobs} at a time; logs are in {RUNS}/<stage>.log")
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        if not self.left and not self.failed:
            self.summarise()

    def close(self) -> None:
        """Remove the bar."""
        self._stack.close()
        self.live = None

    def say(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        if self.live:
            self.console.print(line, markup=False, soft_wrap=True)
        else:
            click.echo(line)

    def begins(self, name: str) -> None:
        """Record that a stage begins."""
        self.begun[name] = time.monotonic()
        if self.live:
            self.rows[name] = self.live.add_task(name, total=None)

    def ends(self, name: str, exitcode: int) -> None:
        """Write the line of a stage that has ended: its position, its duration and the time left for the whole run."""
        seconds = time.monotonic() - self.begun.pop(name)
        if self.live:
            self.live.remove_task(self.rows.pop(name))
        if exitcode:
            self.failed = True
            self.say(f"{name} failed after {duration(seconds)}; the end of {RUNS}/{name}.log:\n{tail(name)}")
            return
        del self.left[name]
        ran = has_run(name, since=time.time() - seconds)
        if ran:
            self.num_ran += 1
            self.estimate.ended[name] = seconds
        for line in warnings_of(name):
            self.say(line)
        place = f"[{len(self.graph) - len(self.left)}/{len(self.graph)}]"
        self.say(f"{place} {name}  {duration(seconds) if ran else 'unchanged'}{self._rest()}")
        for line in looks(name) if ran else ():
            self.say(line)

    def tick(self) -> None:
        """Update the bar and the estimate of the time left."""
        self.estimate.poll()
        if not self.announced and self.estimate.knows(self.graph):
            self.announced = True
            about = self._rest().removeprefix(", ").removesuffix(" left")
            self.say(f"the whole run will take {about} ({self.estimate.source})")
        if self.live:
            num_done = len(self.graph) - len(self.left)
            self.live.update(self.all, description=f"{num_done} of {len(self.graph)} stages done{self._rest()}")
            for name, row in self.rows.items():
                self.live.update(row, description=f"{name}  {last_line(name)}"[:100])

    def summarise(self) -> None:
        """Write how many stages ran, how long they took, and where the results are."""
        took = duration(time.monotonic() - self.begin)
        same = len(self.graph) - self.num_ran
        self.say(f"{self.num_ran} stages ran{f', {same} up to date' if same else ''}: {took} in total")
        if "report" in self.graph:
            self.say(
                "`evoke report --open` shows the results; images are in data/images, models in models, plots in plots"
            )

    def _rest(self) -> str:
        """Return ", about 9 min left", or an empty string if there is no estimate."""
        if not self.left:
            return ""
        seconds = self.estimate.left(self.left, self.jobs, {n: time.monotonic() - at for n, at in self.begun.items()})
        return "" if seconds is None else f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Return seconds in readable form, such as "8 s", "2 min 5 s" or "3 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def has_run(name: str, since: float) -> bool:
    """Return True if a stage has run since a time of the clock.

    Otherwise DVC found it up to date, or took it from its cache.
    """
    note = RUNS / f"{name}.json"
    return note.exists() and note.stat().st_mtime >= since - 1.0


def log_lines(name: str) -> list[str]:
    """Return the lines of a stage's log, or an empty list if there is no log."""
    path = RUNS / f"{name}.log"
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def tail(name: str) -> str:
    """Return the end of a stage's log without DVC's hints."""
    lines = [line for line in log_lines(name) if line.strip() and not line.startswith(HINTS)]
    return "\n".join(f"  {line}" for line in lines[-TAIL:])


def warnings_of(name: str) -> list[str]:
    """Return this project's own warnings in a stage's log; those of libraries are left out."""
    return [line for line in log_lines(name) if line.startswith(f"{name}: warning: ")]


def last_line(name: str) -> str:
    """Return the last log line that a running stage has written itself, without its name."""
    own = f"{name}: "
    return next((line.removeprefix(own) for line in reversed(log_lines(name)) if line.startswith(own)), "")


def looks(name: str) -> list[str]:
    """Return a line that names the latest sheet of sample images of a training, or an empty list if there is none."""
    sheets = sorted(Path("plots").joinpath(*name.split("@")).glob("step-*.png"))
    return [f"open {sheets[-1]} for sample images of {name}, one row per emotion"] if sheets else []
