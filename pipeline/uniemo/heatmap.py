"""Draw the attributes that speak most for each emotion, scenes beside objects, as a heat map of coefficients."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.emotion_set import EMOTIONS
from pipeline.figure import drawn
from pipeline.uniemo.correlation import RARE_IMAGES, matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

NUM_STRONGEST = 3  # attributes shown per kind and emotion
ROW_INCHES = 0.27
COLORS, FRAME = "YlGnBu", "#d9713f"
LIGHT_ABOVE = 0.55  # share of the colour range above which numbers are white


def heat_map(table: pa.Table, path: Path) -> None:
    """Draw a heat map with one panel per kind to `path`.

    A panel shows the union of each emotion's strongest attributes, in the order of the emotions, framed in the
    emotion's column. Attributes on fewer than RARE_IMAGES images are left out, unless the table has no image counts.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    has_counts = pc.max(table["num_images"]).as_py()
    often = table.filter(pc.greater_equal(table["num_images"], RARE_IMAGES)) if has_counts else table
    panels = [often.filter(pc.equal(often["kind"].cast(pa.string()), kind)) for kind in ATTRIBUTE_KINDS]
    shown = [panel.take(strongest(matrix(panel, "coefficient"))) for panel in panels]
    values = np.concatenate([matrix(panel, "coefficient") for panel in shown])
    scale = Normalize(values.min(initial=0.0), values.max(initial=0.0))
    num_rows = max(1, *map(len, shown))
    with drawn(path, 1, 2, figsize=(12, 1.9 + ROW_INCHES * num_rows), squeeze=False, constrained_layout=True) as (
        figure,
        axes,
    ):
        for axis, kind, panel in zip(axes[0], ATTRIBUTE_KINDS, shown, strict=True):
            draw_panel(axis, kind, panel, scale)
            axis.set_ylim(num_rows - 0.5, -0.5)  # rows have the same height in both panels
        figure.colorbar(ScalarMappable(scale, COLORS), ax=list(axes[0]), label="coefficient", shrink=0.6, aspect=30)
        figure.supxlabel(
            f"framed: the {NUM_STRONGEST} strongest per emotion; beside each name: number of train images, if counted",
            fontsize=9,
        )


def strongest(coefficients_A8: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the rows among the NUM_STRONGEST of any emotion, grouped by their top emotion, strongest first."""
    chosen = np.flatnonzero(is_strongest(coefficients_A8).any(1))
    top = coefficients_A8[chosen]
    return chosen[np.lexsort((-top.max(1, initial=-np.inf), top.argmax(1)))]


def is_strongest(coefficients_A8: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask A8 of the NUM_STRONGEST attributes of each column's emotion.

    Of equal coefficients, the first count.
    """
    places = np.argsort(np.argsort(-coefficients_A8, axis=0, kind="stable"), axis=0)
    return places < NUM_STRONGEST


def draw_panel(axis: "Axes", kind: str, panel: pa.Table, scale: "Normalize") -> None:
    """Draw one kind: a row per attribute, with its number of images, and a column per emotion."""
    from matplotlib.patches import Rectangle

    axis.set_title(f"{kind}s" if len(panel) else f"no {kind} in at least {RARE_IMAGES} train images", pad=10)
    if not len(panel):
        axis.axis("off")
        return
    values = matrix(panel, "coefficient")
    axis.imshow(values, cmap=COLORS, norm=scale, aspect="auto")
    names = (name.replace("_", " ") for name in panel["name"].to_pylist())
    labels = [f"{name}  {count or ''}" for name, count in zip(names, panel["num_images"].to_pylist(), strict=True)]
    axis.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=40, ha="left", rotation_mode="anchor")
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)
    for (row, column), framed in np.ndenumerate(is_strongest(values)):
        value = values[row, column]
        ink = "white" if scale(value) > LIGHT_ABOVE else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
        if framed:
            axis.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor=FRAME, lw=1.4))
