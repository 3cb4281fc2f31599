"""Tables that trainings and judges leave become plots of sane sizes, equal in two runs."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.judges.calibration import expected_calibration_error
from pipeline.judges.errors import confusion_counts, save_calibration, save_confusion
from pipeline.report.plots import draw
from pipeline.training.curves import save_curve


def numbers(num: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.dirichlet(np.full(8, 0.3), num).astype(np.float32), generator.integers(0, 8, num)


@pytest.mark.parametrize("num", [1, 300])
def test_plots_have_sane_sizes_and_are_equal_in_two_runs(tmp_path: Path, num: int) -> None:
    probabilities, emotions = numbers(num)
    save_confusion(probabilities, emotions, tmp_path)
    save_calibration(probabilities, 1.3, emotions, tmp_path)
    save_curve({"step": [10, 20], "ldm": [0.4, 0.3], "rate_factor": [1.0, 0.5]}, tmp_path)
    for name in ("confusion.csv", "calibration.csv", "curve.csv"):
        first, again = (draw(tmp_path / name) for _ in range(2))
        assert isinstance(first, Image.Image)
        assert 250 <= first.width <= 1200
        assert 250 <= first.height <= 1200
        assert first.tobytes() == again.tobytes()


def test_rows_of_the_confusion_are_labels_and_columns_verdicts(tmp_path: Path) -> None:
    probabilities = np.eye(8)[[1, 1, 7]].astype(np.float32)
    counts = confusion_counts(probabilities, np.array([1, 2, 2]))
    assert counts.sum() == 3
    assert (counts[1, 1], counts[2, 1], counts[2, 7]) == (1, 1, 1)
    save_confusion(probabilities, np.array([1, 2, 2]), tmp_path)
    rows = {(row["labelled"], row["classified"]): int(row["images"]) for row in read(tmp_path / "confusion.csv")}
    assert len(rows) == 64
    assert {pair for pair, number in rows.items() if number} == {
        ("awe", "awe"), ("contentment", "awe"), ("contentment", "sadness")
    }  # fmt: skip


def test_the_bins_of_the_calibration_give_its_error_again(tmp_path: Path) -> None:
    probabilities, emotions = numbers(300)
    save_calibration(probabilities, 1.3, emotions, tmp_path)
    bins = [row for row in read(tmp_path / "calibration.csv") if row["scaling"] == "after"]
    images, gaps = (
        np.array([float(row["images"]) for row in bins]),
        np.array([abs(float(row["accuracy"]) - float(row["confidence"])) for row in bins]),
    )
    assert images.sum() == 300
    assert (images * gaps).sum() / 300 == pytest.approx(expected_calibration_error(probabilities, emotions), abs=1e-5)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
