"""Where queries look (UniEmo Fig. 9): overlays for people, and how much of it lies inside boxes, beside controls.

The attention is that of the queries to the patches in the last layer of their interactive block, A(Q, T) of Eq. 2, as
the mean over heads and queries; it sums to 1 over the patches. Read it beside the controls: objects are large and
stand near the middle, so a map that knows nothing has mass in their boxes too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.float32]  # HW, or NHW of several, over the patches
Box = Sequence[float]  # x0, y0, x1, y1 in shares of the square

FINE = 16  # places a patch, each way, by which the area of boxes in it is measured
CENTRE_DEVIATION = 0.25  # of the Gaussian that knows only that things stand near the middle, in edges of the square
OPACITY = 0.6  # of an overlay where attention is highest


def overlay(square: Image.Image, attention_HW: Map) -> Image.Image:
    """A map as heat on the square that it is of; transparent where attention is 0, most opaque where it is highest."""
    from matplotlib import colormaps

    scaled = Image.fromarray(attention_HW / max(float(attention_HW.max()), 1e-12))
    heat = np.asarray(scaled.resize(square.size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    colors = colormaps["inferno"](heat[..., 0])[..., :3] * 255
    mixed = np.asarray(square.convert("RGB")) * (1 - OPACITY * heat) + colors * OPACITY * heat
    return Image.fromarray((mixed + 0.5).astype(np.uint8))


def coverage(boxes: Sequence[Box], grid: tuple[int, int]) -> Map:
    """The share of each patch, HW, that lies in any of the boxes; what reaches out of the square is cut."""
    height, width = grid[0] * FINE, grid[1] * FINE
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    inside = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        inside |= ((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))[None]
    return inside.reshape(grid[0], FINE, grid[1], FINE).mean((1, 3), dtype=np.float32)


def centre_prior(grid: tuple[int, int]) -> Map:
    """A Gaussian about the middle, HW, that sums to 1."""
    rows, columns = ((np.arange(number) + 0.5) / number - 0.5 for number in grid)
    map_HW = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * CENTRE_DEVIATION**2))
    return (map_HW / map_HW.sum()).astype(np.float32)


def mass_inside(maps_NHW: Map, coverage_NHW: Map) -> NDArray[np.float32]:
    """The share of each map that lies in the boxes, N in [0, 1]."""
    return np.asarray((maps_NHW * coverage_NHW).sum((1, 2)))


def compare_masses(trained_NHW: Map, untrained_NHW: Map, coverage_NHW: Map) -> dict[str, float]:
    """Mean mass inside the boxes of trained queries and of controls, and in how many pictures trained ones have more.

    area: of a map that is equal everywhere. centre: of `centre_prior`. untrained: of queries as they start. Pictures
    without boxes are left out.
    """
    some = coverage_NHW.any((1, 2))
    covered = coverage_NHW[some]
    trained = mass_inside(trained_NHW[some], covered)
    controls = {
        "area": covered.mean((1, 2)),
        "centre": mass_inside(centre_prior(covered.shape[1:])[None], covered),
        "untrained": mass_inside(untrained_NHW[some], covered),
    }
    numbers: dict[str, float] = {"n": int(some.sum()), "mass": float(trained.mean())}
    for name, mass in controls.items():
        numbers |= {f"mass_{name}": float(mass.mean()), f"more_than_{name}": float((trained > mass).mean())}
    return numbers
