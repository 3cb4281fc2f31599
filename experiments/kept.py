"""Keep in git what verdicts need of a finished cell, so that a grid that one machine has begun goes on on another.

experiments/cells/GRID/ROW-SEED.json holds the key, the processor, the metrics that the grid compares, and of every
image whether each judge is right and its semantic clarity. A grid that says `models: true` is compared by its models,
which are not kept.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import cell as layout
from experiments.cell import Cell, named, of_row
from experiments.key import Finished, Key, read_finished
from pipeline.artifacts import read_shards
from pipeline.metrics.emotion_accuracy import JUDGES, right
from pipeline.metrics.summary import has_clarity
from pipeline.runtime import cpu_name

Values = dict[str, NDArray[np.float64]]
SHOWN = ("emo_a/classifier", "emo_a/judge", "n")  # metrics that `experiments.run` prints, unless the grid names others
CLARITY, DIGITS = "sem_c", 4
JUDGED = f"emo_a/{JUDGES[0]}"  # of every image, as clarity is not


def path_of(cell: Cell) -> Path:
    """Return the path of what is kept of a cell."""
    return layout.KEPT / cell.grid / f"{cell.slug}.json"


def keep(cell: Cell, grid: Mapping[str, Any], finished: Finished) -> None:
    """Write what verdicts need of a cell that has just finished."""
    if grid.get("models") or finished.key is None:
        return
    shown = ((named(grid, grid["measure"], cell.row), key) for key in grid.get("shown", SHOWN))
    wanted = [f"{file}:{pattern}" for file, pattern in (*shown, *reported(grid, cell.row))]
    content: dict[str, Any] = {
        "processor": cpu_name(),
        "key": asdict(finished.key),
        "metrics": {
            key: value for key, value in finished.metrics.items() if any(fnmatch(key, each) for each in wanted)
        },
    }
    if "images" in grid:
        content["images"] = {name: _packed(name, values) for name, values in per_image(cell, grid).items()}
    path_of(cell).parent.mkdir(parents=True, exist_ok=True)
    path_of(cell).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def result_of(cell: Cell) -> Finished | None:
    """Return the result of a cell: that of its folder, else what is kept of it, else None."""
    finished = read_finished(cell)
    if finished is not None or not path_of(cell).is_file():
        return finished
    kept = json.loads(path_of(cell).read_text())
    return Finished(kept["metrics"], Key(**kept["key"]))


def processor_of(cell: Cell) -> str | None:
    """Return the processor on which a cell has run, or None if nothing is kept of it."""
    return str(json.loads(path_of(cell).read_text())["processor"]) if path_of(cell).is_file() else None


def per_image(cell: Cell, grid: Mapping[str, Any]) -> Values:
    """Return the compared values of each image of a cell, in the order of the ids.

    They are whether each judge is right (1 or 0), and the semantic clarity if there is any.
    """
    folder = cell.folder / of_row(grid, "images", cell.row)
    if folder.is_dir():
        scores = read_shards(folder)
        judged = {f"emo_a/{judge}": right(scores, judge).astype(np.float64) for judge in JUDGES}
        if not has_clarity(scores):
            return judged
        return {**judged, CLARITY: scores["clarity"].to_numpy().astype(np.float64).round(DIGITS)}
    kept = json.loads(path_of(cell).read_text())["images"]
    return {
        name: np.array(values.split() if name == CLARITY else list(values), np.float64) for name, values in kept.items()
    }


def reported(grid: Mapping[str, Any], row: str) -> list[tuple[str, str]]:
    """Return the metrics that are compared over seeds: their file, and a pattern of their keys.

    An entry of `reported` in the grid is of the file in `measure`, or of the one before a colon.
    """
    parts = (entry.rpartition(":") for entry in grid.get("reported", ()))
    return [(named(grid, file or grid["measure"], row), pattern) for file, _, pattern in parts]


def _packed(name: str, values: NDArray[np.float64]) -> str:
    """Return zeros and ones as a string of digits, and other values rounded and separated by spaces."""
    return (
        " ".join(f"{value:.{DIGITS}f}" for value in values)
        if name == CLARITY
        else "".join(map("{:.0f}".format, values))
    )
