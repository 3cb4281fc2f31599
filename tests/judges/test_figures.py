"""The figures are drawn at sane sizes, the same bytes for the same numbers, and count what they show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.judges import figures


def numbers(num: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.dirichlet(np.full(8, 0.3), num).astype(np.float32), generator.integers(0, 8, num)


@pytest.mark.parametrize("num", [1, 300])
def test_figures_have_sane_sizes_and_equal_bytes_in_two_runs(tmp_path: Path, num: int) -> None:
    probabilities, emotions = numbers(num)
    for name in ("first", "again"):
        figures.confusion(probabilities, emotions, tmp_path / f"{name}_confusion.png")
        figures.calibration(probabilities, 1.3, emotions, tmp_path / f"{name}_calibration.png")
    for name in ("confusion", "calibration"):
        path = tmp_path / f"first_{name}.png"
        with Image.open(path) as image:
            assert 500 <= image.width <= 1200
            assert 500 <= image.height <= 1200
        assert path.read_bytes() == (tmp_path / f"again_{name}.png").read_bytes()


def test_rows_of_the_confusion_are_labels_and_columns_verdicts() -> None:
    probabilities = np.eye(8)[[1, 1, 7]].astype(np.float32)
    counts = figures.confusion_counts(probabilities, np.array([1, 2, 2]))
    assert counts.sum() == 3
    assert (counts[1, 1], counts[2, 1], counts[2, 7]) == (1, 1, 1)
