"""Run a grid of rows and seeds: each cell is a copy of the repository with its own params.yaml, run by `evoke repro`.

The copies share one DVC cache, so a cell runs only what its row changes. Finished cells are not run again.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pipeline.params import parse_params, read_yaml

ROOT = Path(__file__).parents[1]
CELLS = ROOT / ".work" / "experiments"
RESULTS = ROOT / "experiments" / "results"
SHOWN = ("emo_a/classifier", "emo_a/judge", "n")
COPIED = ("stages", "pipeline", "evoke", "presets", "models/miniature", "models/pretrained", "data/overrides",
          "data/imports", "dvc.yaml", "dvc.lock", ".dvcignore")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One row of a grid with one seed."""

    grid: str
    row: str
    seed: int
    changes: Mapping[str, Any]
    target: str

    @property
    def folder(self) -> Path:
        return CELLS / self.grid / f"{self.row.replace(' ', '-').replace(',', '')}-{self.seed}"


def read_grid(name: str) -> dict[str, Any]:
    """Return a grid by name. Raises ClickException for an unknown name."""
    path = ROOT / "experiments" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise click.ClickException(f"there is no grid {name!r}; these are: {', '.join(known)}")
    grid: dict[str, Any] = read_yaml(path)
    return grid


def cells(name: str, grid: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the cells seed by seed, so that a grid that is stopped early has complete comparisons."""
    for seed in grid["seeds"]:
        for row, changes in grid["rows"].items():
            target = grid.get("targets", {}).get(row) or of_row(grid, "target", row)
            yield Cell(name, row, seed, {**grid.get("base", {}), **changes, "seed": seed}, target)


def of_row(grid: Mapping[str, Any], key: str, row: str) -> str:
    """Return a path or name from a grid for one row, with {method} replaced by the row's entry in `methods`."""
    return named(grid, grid[key], row)


def named(grid: Mapping[str, Any], text: str, row: str) -> str:
    """Return a text with {method} replaced by the row's method."""
    return text.format(method=grid.get("methods", {}).get(row, ""))


def run_cell(cell: Cell, threads: int) -> dict[str, float]:
    """Run a cell unless it is finished, and return its metrics by file and key. Raises ClickException if it fails."""
    done = cell.folder / "finished.json"
    if not done.is_file():
        prepare(cell)
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": programs, "EVOKE_THREADS": str(threads), "OMP_NUM_THREADS": str(threads),
                       "PYTHONPATH": str(cell.folder)}  # fmt: skip
        with (cell.folder / "log.txt").open("a") as log:
            command = [sys.executable, "-m", "evoke", "repro", "--jobs", "1", cell.target]
            status = subprocess.run(command, cwd=cell.folder, env=environment, stdout=log, stderr=log, check=False)
        if status.returncode:
            raise click.ClickException(f"{cell.row}, seed {cell.seed} failed: see {cell.folder / 'log.txt'}")
        done.write_text(json.dumps(metrics(cell.folder), indent=2, sort_keys=True) + "\n")
    found: dict[str, float] = json.loads(done.read_text())
    return found


def prepare(cell: Cell) -> None:
    """Make the cell's copy of the repository with its params.yaml and the shared DVC cache.

    Files that are already in the copy stay.
    """
    cell.folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, cell.folder / name
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    write_params(cell)
    if not (cell.folder / ".dvc").is_dir():
        shared = ["cache", "dir", str(ROOT / ".dvc" / "cache")]
        for command in (["init", "--no-scm", "-q"], shared, ["config", "cache.type", "hardlink,symlink,copy"]):
            subprocess.run([sys.executable, "-m", "dvc", *command], cwd=cell.folder, check=True)


def write_params(cell: Cell) -> None:
    """Write the repository's params.yaml with the cell's changes, checked as a whole."""
    from ruamel.yaml import YAML

    values = read_yaml(ROOT / "params.yaml")
    for key, value in cell.changes.items():
        *sections, name = key.split(".")
        holder = values
        for section in sections:
            holder = holder[section]
        if name not in holder:
            raise click.ClickException(f"{cell.grid}: params.yaml has no {key}")
        holder[name] = value
    parse_params(values)
    with (cell.folder / "params.yaml").open("w") as file:
        YAML().dump(values, file)


def metrics(folder: Path) -> dict[str, Any]:
    """Return all metrics files of a cell as one flat dict, with keys such as scores/coemogen_emoset:emo_a/judge."""
    found = {}
    for path in sorted((folder / "metrics").rglob("*.json")):
        name = path.relative_to(folder / "metrics").with_suffix("").as_posix()
        found |= {f"{name}:{key}": value for key, value in json.loads(path.read_text()).items()}
    return found


@click.command()
@click.argument("name")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Cells at a time.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Threads of each.")
def main(name: str, jobs: int, threads: int) -> None:
    """Run the grid experiments/NAME.yaml; finished cells are not run again."""
    grid = read_grid(name)
    wanted = list(cells(name, grid))
    with ThreadPoolExecutor(jobs) as pool:
        for cell, found in zip(wanted, pool.map(lambda cell: run_cell(cell, threads), wanted),
                               strict=True):  # fmt: skip
            shown = {key: found.get(f"{of_row(grid, 'measure', cell.row)}:{key}") for key in grid.get("shown", SHOWN)}
            click.echo(json.dumps({"row": cell.row, "seed": cell.seed, **shown}))


if __name__ == "__main__":
    main()
