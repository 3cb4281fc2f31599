"""The tiles that sliders choose from are the images that stage grids has drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.emotions import EMOTIONS
from pipeline.generation.grids import Grid, draw_grid, grids
from pipeline.generation.request import Request, request
from pipeline.params import load_params
from pipeline.report.gallery import cut, dials

ROOT = Path(__file__).parents[2]
EDGE = 32


def plain(requests: Sequence[Request]) -> list[NDArray[np.uint8]]:
    """One color for each request, so that a tile shows whose it is."""
    colors = [((37 * index) % 200, (91 * index) % 200, (53 * index) % 200) for index in range(len(requests))]
    return [np.full((EDGE, EDGE, 3), color, np.uint8) for color in colors]


@pytest.mark.parametrize(("num_rows", "num_columns", "per_cell"), [(1, 1, 1), (3, 2, 3), (2, 5, 8), (4, 2, 6)])
def test_a_drawn_sheet_is_cut_into_its_images(tmp_path: Path, num_rows: int, num_columns: int, per_cell: int) -> None:
    rows, columns = ([f"{kind}{index}" for index in range(num)] for kind, num in (("r", num_rows), ("c", num_columns)))
    cells = {
        (row, column): tuple(request("awe", seed) for seed in range(per_cell)) for row in rows for column in columns
    }
    draw_grid(Grid(tuple(rows), tuple(columns), cells), plain, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        tiles = cut(sheet.convert("RGB"), num_rows, num_columns, per_cell, EDGE)
    expected = plain([request("awe", 0)] * (num_rows * num_columns * per_cell))
    assert len(tiles) == len(expected)
    for tile, image in zip(tiles, expected, strict=True):
        assert tile.size == (EDGE, EDGE)
        assert np.abs(np.asarray(tile, float) - image).max() < 40  # a pixel of a white gap would be nearer to 255


def test_methods_that_have_drawn_the_same_cells_share_a_dial(tmp_path: Path) -> None:
    settings = load_params(ROOT / "params.yaml").grids.model_copy(
        update={"images_per_cell": 1, "nouns": ("room",), "fused": ("awe", "fear")}
    )
    params = load_params(ROOT / "params.yaml").model_copy(update={"grids": settings})
    known = {"coemogen_emoset": EMOTIONS, "uniemo_joint": EMOTIONS, "coemogen_emoart": ("awe", "anger", "fear")}
    for kind, methods in {"transfer": ("coemogen_emoset", "coemogen_emoart", "gone"), "fusion": known}.items():
        for method in methods:
            (tmp_path / method).mkdir(exist_ok=True)
            grid = grids(known.get(method, EMOTIONS), settings)[kind]
            draw_grid(grid, plain, tmp_path / method / f"{kind}.png")
    found = dials(tmp_path, params, known, EDGE)
    assert [(dial.kind, [tiles.method for tiles in dial.methods]) for dial in found] == [
        ("transfer", ["coemogen_emoset"]), ("fusion", list(known)), ("transfer", ["coemogen_emoart"])
    ]  # fmt: skip
    assert [len(dial.rows) for dial in found] == [8, 1, 3]
    sizes = [(dial.methods[0].figure.width, dial.methods[0].figure.height) for dial in found]
    assert sizes == [(EDGE, 8 * EDGE), (EDGE, 5 * EDGE), (EDGE, 3 * EDGE)]
    assert found[1].printed("uniemo_joint") == "UniEmo Fig. 10b"
