"""Draw grids that show what a method can do: transfer to neutral nouns, fusion, strength (CoEmoGen 4.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS
from pipeline.figure import drawn
from pipeline.generation.request import Request, request
from pipeline.sheet import contact_sheet

if TYPE_CHECKING:
    from pipeline.params import Grids

CELL_COLUMNS = 4
FUSION_WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
Sampler = Callable[[Sequence[Request]], list[NDArray[np.uint8]]]


@dataclass(frozen=True)
class Grid:
    """Requests in cells by row and column name; a cell has several seeds, shown side by side."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], tuple[Request, ...]]


def grids(emotions: Sequence[str], settings: "Grids") -> dict[str, Grid]:
    """Return the grids of a method by name: transfer, fusion, strength.

    Emotions that the method does not know are left out.
    """
    taught = [emotion for emotion in EMOTIONS if emotion in emotions]
    seeds = range(settings.images_per_cell)
    shown = [emotion for emotion in settings.fused if emotion in taught]
    cells_of: dict[str, dict[tuple[str, str], tuple[Request, ...]]] = {
        "transfer": {
            (emotion, noun): tuple(request(emotion, seed, f"{GAP} {noun}") for seed in seeds)
            for emotion in taught
            for noun in settings.nouns
        },
        "strength": {
            (emotion, f"{strength:g}"): tuple(request(emotion, seed, strength=strength) for seed in seeds)
            for emotion in shown
            for strength in settings.strengths
        },
        "fusion": {
            (f"{first} / {second}", f"{weight:.0%}"): tuple(
                request(mixed(first, second, weight), seed) for seed in seeds
            )
            for first, second in combinations(shown, 2)
            for weight in FUSION_WEIGHTS
        },
    }
    return {name: _grid(cells) for name, cells in cells_of.items() if cells}


def mixed(first: str, second: str, weight: float) -> dict[str, float]:
    """Return two emotions by weight; an emotion of weight 0 is left out."""
    return {name: share for name, share in ((first, weight), (second, 1 - weight)) if share > 0}


def draw_grid(grid: Grid, sampler: Sampler, path: Path) -> None:
    """Sample all cells in one call and draw them, with the names of rows and columns, to `path`."""
    order = [(row, column) for row in grid.rows for column in grid.columns]
    requests = [request for cell in order for request in grid.cells[cell]]
    images = iter(sampler(requests))
    per_cell = len(grid.cells[order[0]])
    wide = min(per_cell, CELL_COLUMNS)
    size = (1.1 * wide * len(grid.columns) + 1.0, 1.15 * ceil(per_cell / wide) * len(grid.rows) + 0.3)
    with drawn(path, len(grid.rows), len(grid.columns), figsize=size, squeeze=False) as (figure, axes):
        for axis, (row, column) in zip(axes.flat, order, strict=True):
            cell = contact_sheet([next(images) for _ in range(per_cell)], wide)
            axis.imshow(np.asarray(cell), interpolation="lanczos")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            if row == grid.rows[0]:
                axis.set_title(column, fontsize=8)
            if column == grid.columns[0]:
                axis.set_ylabel(row, fontsize=7, rotation=0, ha="right", va="center")
        figure.subplots_adjust(1.0 / size[0], 0.01, 0.995, 1 - 0.25 / size[1], 0.04, 0.06)


def _grid(cells: Mapping[tuple[str, str], tuple[Request, ...]]) -> Grid:
    rows, columns = (tuple(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    return Grid(rows, columns, cells)
