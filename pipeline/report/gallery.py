"""Cut the sheets of stage grids into tiles again, so that sliders on the page can choose among them.

The sheets are figures with names around the images. Where an image lies follows from how draw_grid lays them out; the
test draws a sheet and cuts it, so that a change of one without the other is found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.generation.grids import CELL_COLUMNS, Grid, grids
from pipeline.params import Params
from pipeline.report.names import readable
from pipeline.report.plots import Figure, figure
from pipeline.sheet import contact_sheet

GAP = 2  # px between the images of a cell, before the figure scales them
LEFT_IN, TOP_IN, RIGHT, BOTTOM = 1.0, 0.25, 0.995, 0.01  # margins of a sheet, in inches and as fractions
SPACES = (0.04, 0.06)  # between cells, as fractions of a cell's width and height
INSET = 1.25  # px of each image that its white neighbours have blurred
TILE_PX = 96
DIALS = {  # the grid's name: what its rows and columns are
    "fusion": ("Mix two emotions", "Emotions", "Share of the first"),
    "strength": ("Change the strength", "Emotion", "Strength"),
    "transfer": ("Transfer to a neutral noun", "Emotion", "Noun"),
}
PRINTED = {  # by CoEmoGen and by UniEmo
    "transfer": ("CoEmoGen Fig. 7", "UniEmo Fig. 10a"),
    "fusion": ("CoEmoGen Fig. 8", "UniEmo Fig. 10b"),
    "strength": ("CoEmoGen 4.4", "In no figure of UniEmo"),
}


@dataclass(frozen=True)
class Tiles:
    """The images of one grid of a method as one figure: a row of seeds for each cell, cells row by row."""

    method: str
    figure: Figure
    edge: int


@dataclass(frozen=True)
class Dial:
    """A grid that sliders choose from: the names of its rows and columns, its seeds, and the tiles of each method."""

    kind: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    num_seeds: int
    methods: tuple[Tiles, ...]

    def printed(self, method: str) -> str:
        """Return where the paper of a method prints this."""
        return PRINTED[self.kind][not method.startswith("coemogen")]

    @property
    def titles(self) -> tuple[str, str, str]:
        """Return what it shows, what its rows are, and what its columns are."""
        return DIALS[self.kind]


def dials(plots: Path, params: Params, known: Mapping[str, Sequence[str]], edge: int) -> list[Dial]:
    """Return a dial for each grid that stage grids has drawn, with all methods that have drawn the same cells.

    `known` has the emotions that each method draws, which are the rows of its sheets; `edge` is that of images in px.
    """
    by_cells: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Tiles]] = {}
    for method, emotions in known.items():
        for kind, grid in grids(emotions, params.grids).items():
            path = plots / method / f"{kind}.png"
            if path.exists():
                by_cells.setdefault((kind, grid.rows, grid.columns), []).append(_tiles(method, kind, path, grid, edge))
    return [Dial(*cells, params.grids.images_per_cell, tuple(tiles)) for cells, tiles in by_cells.items()]


def cut(sheet: Image.Image, num_rows: int, num_columns: int, per_cell: int, edge: int) -> list[Image.Image]:
    """Return the images of a sheet of draw_grid, cell by cell, as squares of `edge` px or smaller."""
    wide = min(per_cell, CELL_COLUMNS)
    num, space = np.array([num_columns, num_rows]), np.array(SPACES)
    cell = np.array([wide, ceil(per_cell / wide)]) * (edge + GAP) + GAP
    begin = np.array([LEFT_IN, TOP_IN]) * sheet.width / (1.1 * wide * num_columns + LEFT_IN)
    end = np.array([RIGHT * sheet.width, (1 - BOTTOM) * sheet.height])
    slot = (end - begin) / (num + space * (num - 1))
    scale = (slot / cell).min()

    def square(row: int, column: int, seed: int) -> Image.Image:
        corner = begin + np.array([column, row]) * slot * (1 + space) + (slot - scale * cell) / 2
        corner += scale * (GAP + INSET + np.array([seed % wide, seed // wide]) * (edge + GAP))
        box = (*corner, *(corner + scale * (edge - 2 * INSET)))
        return sheet.resize((min(edge, TILE_PX),) * 2, Image.Resampling.LANCZOS, box)

    return [square(*place) for place in product(range(num_rows), range(num_columns), range(per_cell))]


def _tiles(method: str, kind: str, path: Path, grid: Grid, edge: int) -> Tiles:
    per_cell = len(next(iter(grid.cells.values())))
    with Image.open(path) as sheet:
        squares = cut(sheet.convert("RGB"), len(grid.rows), len(grid.columns), per_cell, edge)
    tiles = contact_sheet([np.asarray(square) for square in squares], per_cell, gap=0)
    alt = f"{DIALS[kind][0]}, {readable(method)}: every combination, one row each, with {per_cell} seeds"
    return Tiles(method, figure(tiles, alt, max(tiles.size)), squares[0].width)
