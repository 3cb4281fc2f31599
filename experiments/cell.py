"""Define grids and their cells, and make the folder in which a cell runs.

A cell is one row of a grid with one seed: a folder with a copy of the code, its own params.yaml, links to the data and
weights that its params name, and the DVC cache that all cells share. So a cell runs only what its row changes.
"""

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click

from experiments.inputs import inputs_above
from pipeline.params import parse_params, read_yaml

ROOT = Path(__file__).parents[1]
CELLS = ROOT / ".work" / "experiments"
RESULTS = ROOT / "experiments" / "results"
KEPT = ROOT / "experiments" / "cells"  # what verdicts need of finished cells, in git
CODE = ("stages", "pipeline", "evoke", "presets", "dvc.yaml", "emotions.yaml", ".dvcignore")
SPREAD = ROOT / "experiments" / "spread.json"  # how much trainings differ, by metric (experiments/spread.py)
QUEUE = "queue.yaml"  # the order in which grids run (experiments/queue.py)
DRAWN = ("miniature.", "foundation_folders.")  # prefixes of the params of the drawn world and of its models


@dataclass(frozen=True)
class Cell:
    """One row of a grid with one seed. `target` is the unit of dvc.yaml at which it ends."""

    grid: str
    row: str
    seed: int
    changes: Mapping[str, Any] = field(hash=False)
    target: str

    @property
    def name(self) -> str:
        """Return a name for folders and for git, such as coemogen_table1-without-L_SEM-0."""
        return f"{self.grid}-{self.slug}"

    @property
    def slug(self) -> str:
        """Return the row and the seed as a name of letters, digits, _, - and dots."""
        row = re.sub(r"[^\w.-]+", "-", self.row.replace("*", "_star"))
        return f"{row}-{self.seed}"

    @property
    def folder(self) -> Path:
        return CELLS / self.grid / self.slug


def grid_names() -> list[str]:
    """Return the names of all grids: every YAML file in experiments/ except the order in which they run."""
    return sorted(file.stem for file in (ROOT / "experiments").glob("*.yaml") if file.name != QUEUE)


def read_grid(name: str) -> dict[str, Any]:
    """Return a grid by name. Raises ClickException for an unknown name."""
    path = ROOT / "experiments" / f"{name}.yaml"
    if name not in grid_names():
        raise click.ClickException(f"there is no grid {name!r}; these are: {', '.join(grid_names())}")
    grid: dict[str, Any] = read_yaml(path)
    return grid


def read_result(name: str) -> dict[str, Any]:
    """Return the result of a grid, an empty dict if it has none."""
    path = RESULTS / f"{name}.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return result


def write_result(name: str, result: Mapping[str, Any]) -> None:
    """Write the result of a grid. What experiments/carry.py has noted in a result of the same key stays."""
    former = read_result(name)
    is_same = "carried" in former and former.get("key") == result["key"]
    kept = {"carried": former["carried"]} if is_same else {}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**result, **kept}, indent=2) + "\n")


def is_miniature() -> bool:
    """Return True if params.yaml of the repository describes the drawn world, so that `base` of a grid holds."""
    return bool(repository_params()["miniature"]["layouts"])


def cells(name: str, grid: Mapping[str, Any], miniature: bool | None = None) -> Iterator[Cell]:
    """Yield the cells seed by seed, so that a grid that is stopped early has complete comparisons.

    `common` of a grid holds for every cell; `base`, its steps and numbers of images, for the miniature alone, because
    at another scale params.yaml decides them. miniature: whether it is that, by default as params.yaml says. Raises
    ClickException for a grid that changes the drawn world where none is drawn.
    """
    small = is_miniature() if miniature is None else miniature
    shared = {**grid.get("common", {}), **(grid.get("base", {}) if small else {})}
    for seed in grid["seeds"]:
        for row, changes in grid["rows"].items():
            changed = {**shared, **changes, "seed": seed}
            if not small and (drawn := [key for key in changed if key.startswith(DRAWN)]):
                raise click.ClickException(f"{name} changes {drawn[0]}, and params.yaml draws no world")
            target = grid.get("targets", {}).get(row) or of_row(grid, "target", row)
            yield Cell(name, row, seed, changed, target)


def of_row(grid: Mapping[str, Any], key: str, row: str) -> str:
    """Return a path or name from a grid for one row, with {method} replaced by the row's entry in `methods`."""
    return named(grid, grid[key], row)


def named(grid: Mapping[str, Any], text: str, row: str) -> str:
    """Return a text with {method} replaced by the row's method."""
    return text.format(method=grid.get("methods", {}).get(row, ""))


def params_of(cell: Cell) -> dict[str, Any]:
    """Return the repository's params with the cell's changes, checked as a whole.

    Raises ClickException for a key that params.yaml does not have.
    """
    values = repository_params()
    for key, value in cell.changes.items():
        *sections, name = key.split(".")
        holder = values
        for section in sections:
            holder = holder[section]
        if name not in holder:
            raise click.ClickException(f"{cell.grid}: params.yaml has no {key}")
        holder[name] = value
    parse_params(values)
    return values


def repository_params() -> dict[str, Any]:
    """Return the plain values of the repository's params.yaml, which the caller may change."""
    return copy.deepcopy(_read(ROOT / "params.yaml", (ROOT / "params.yaml").stat().st_mtime_ns))


def stages_of(root: Path) -> Mapping[str, Any]:
    """Return the stages of a dvc.yaml."""
    stages: Mapping[str, Any] = _read(root / "dvc.yaml", (root / "dvc.yaml").stat().st_mtime_ns)["stages"]
    return stages


@cache
def _read(path: Path, changed_ns: int) -> dict[str, Any]:
    values: dict[str, Any] = read_yaml(path)
    return values


def prepare(cell: Cell) -> None:
    """Make the cell's folder: the present code, its params.yaml, links to its inputs and the shared DVC cache.

    What the cell has made before stays. Raises ClickException for an input that is not there.
    """
    values = params_of(cell)
    cell.folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        copy_afresh(ROOT / name, cell.folder / name)
    all_in_cache(cell.folder / "dvc.yaml")
    for path in inputs_above(cell.target, stages_of(ROOT), values):
        link(path, cell)
    if not (cell.folder / "dvc.lock").is_file() and (ROOT / "dvc.lock").is_file():
        shutil.copy2(ROOT / "dvc.lock", cell.folder / "dvc.lock")
    write_params(cell)
    if not (cell.folder / ".dvc").is_dir():
        shared = ["cache", "dir", str(ROOT / ".dvc" / "cache")]
        for command in (["init", "--no-scm", "-q"], shared, ["config", "cache.type", "hardlink,symlink,copy"]):
            subprocess.run([sys.executable, "-m", "dvc", *command], cwd=cell.folder, check=True)


def all_in_cache(dvc_yaml: Path) -> None:
    """Let DVC keep every out in its cache, as it gives another cell no stage of which one out is kept outside."""
    dvc_yaml.write_text(re.sub(r"\{([^{}]+|\"[^\"]+\"): \{cache: false\}\}", r"\1", dvc_yaml.read_text()))


def copy_afresh(source: Path, target: Path) -> None:
    """Copy a file or folder in place of what is there, so that files that are gone from the source go too."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        shutil.copy2(source, target)


def link(path: str, cell: Cell) -> None:
    """Link an input of the repository into the cell. An absolute path needs no link."""
    source, target = ROOT / path, cell.folder / path
    if not source.exists():
        raise click.ClickException(f"{cell.grid}: {cell.row} needs {path}, and there is no such file or folder")
    if Path(path).is_absolute() or target.is_symlink():
        return
    if target.is_dir():  # a folder in the place of the link
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve(), target_is_directory=source.is_dir())


def write_params(cell: Cell) -> None:
    """Write the cell's params.yaml."""
    from ruamel.yaml import YAML

    with (cell.folder / "params.yaml").open("w") as file:
        YAML().dump(params_of(cell), file)
