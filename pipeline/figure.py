"""Draw every figure in one style. No training uses this: trainings write CSV, and the report draws."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


KEPT_COLOR, DROPPED_COLOR = "#2b6f8f", "#d9713f"


STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110}


@contextmanager
def drawn(path: Path | IO[bytes], num_rows: int, num_columns: int, **options: Any) -> Iterator["tuple[Figure, Any]"]:
    """Yield a figure in the project's style and its axes to draw on.

    The figure is saved when the block ends; equal figures give equal bytes.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(num_rows, num_columns, **options)
        yield figure, axes
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
