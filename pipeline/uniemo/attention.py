"""Show where queries look (UniEmo Fig. 9): overlays, and the share of attention inside boxes, beside controls.

The attention is A(Q, T) of Eq. 2, from the queries to the patches in the last interactive layer, averaged over heads
and queries; it sums to 1 over the patches. Compare it with the controls: objects are large and near the centre, so even
an uninformed map has mass in their boxes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.float32]  # HW, or NHW of several, over the patches
Box = Sequence[float]  # x0, y0, x1, y1 as shares of the square

FINE = 16  # sample points per patch and direction, to measure the area of boxes in it
CENTRE_DEVIATION = 0.25  # of the Gaussian that prefers the centre, as a share of the edge of the square
OPACITY = 0.6  # of an overlay at the highest attention


def overlay(square: Image.Image, attention_HW: Map) -> Image.Image:
    """Return the square with a map over it as heat: transparent where attention is 0, most opaque at its maximum."""
    from matplotlib import colormaps

    scaled = Image.fromarray(attention_HW / max(float(attention_HW.max()), 1e-12))
    heat = np.asarray(scaled.resize(square.size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    colors = colormaps["inferno"](heat[..., 0])[..., :3] * 255
    mixed = np.asarray(square.convert("RGB")) * (1 - OPACITY * heat) + colors * OPACITY * heat
    return Image.fromarray((mixed + 0.5).astype(np.uint8))


def coverage(boxes: Sequence[Box], grid: tuple[int, int]) -> Map:
    """Return the share of each patch, HW, that lies in any of the boxes. Boxes are clipped to the square."""
    height, width = grid[0] * FINE, grid[1] * FINE
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    inside = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        inside |= ((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))[None]
    return inside.reshape(grid[0], FINE, grid[1], FINE).mean((1, 3), dtype=np.float32)


def centre_prior(grid: tuple[int, int]) -> Map:
    """Return a Gaussian about the centre, HW, that sums to 1."""
    rows, columns = ((np.arange(number) + 0.5) / number - 0.5 for number in grid)
    map_HW = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * CENTRE_DEVIATION**2))
    return (map_HW / map_HW.sum()).astype(np.float32)


def mass_inside(maps_NHW: Map, coverage_NHW: Map) -> NDArray[np.float32]:
    """Return the share of each map inside the boxes: maps NHW, coverage NHW -> N in [0, 1]."""
    return np.asarray((maps_NHW * coverage_NHW).sum((1, 2)))


def compare_masses(trained_NHW: Map, untrained_NHW: Map, coverage_NHW: Map) -> dict[str, float]:
    """Return the mean mass inside the boxes of trained queries and of controls.

    For each control, `more_than_` is the share of images in which trained queries have more mass. The controls are
    `area`, a uniform map; `centre`, the map of `centre_prior`; and `untrained`, queries at their initialisation. Images
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
