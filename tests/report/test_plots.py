"""Tables that trainings and judges leave become numbers and paths that the page draws."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.judges.calibration import expected_calibration_error
from pipeline.judges.report import confusion_counts, save_calibration, save_confusion
from pipeline.report.plots import HEIGHT, WIDTH, calibrations, confusion, curves, tables
from pipeline.training.curves import save_curve


def numbers(num: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.dirichlet(np.full(8, 0.3), num).astype(np.float32), generator.integers(0, 8, num)


def test_a_curve_is_drawn_from_its_first_to_its_last_value_between_its_ends(tmp_path: Path) -> None:
    losses = np.linspace(2, 1, 500).tolist()
    save_curve({"step": list(range(500)), "ldm": losses, "rate_factor": losses}, tmp_path)
    (curve,) = curves(pd.read_csv(tmp_path / "curve.csv"))
    assert (curve.name, curve.low, curve.high, curve.step, curve.last) == ("ldm", 1, 2, 499, 1)
    assert curve.path.startswith("M0,0L")
    assert curve.path.endswith(f"{WIDTH},{HEIGHT}")
    assert curve.path.count("L") < 200


def test_a_confusion_shows_shares_of_its_rows_and_how_many_are_right(tmp_path: Path) -> None:
    save_confusion(np.eye(8)[[1, 1, 7]].astype(np.float32), np.array([1, 2, 2]), tmp_path)
    matrix = confusion("The judge", pd.read_csv(tmp_path / "confusion.csv"))
    assert matrix.title == "The judge: 1 of 3 correct"
    assert matrix.texts[2] == ["", "50", "", "", "", "", "", "50"]
    assert matrix.shares[1][1] == 1


def test_the_calibration_that_is_drawn_has_the_error_of_the_judge(tmp_path: Path) -> None:
    probabilities, emotions = numbers(300)
    save_calibration(probabilities, 1.3, emotions, tmp_path)
    before, after = calibrations("The judge", pd.read_csv(tmp_path / "calibration.csv"))
    assert after.title == f"The judge, after scaling: ECE {expected_calibration_error(probabilities, emotions):.3f}"
    assert sum(num for _, _, num in before.points) == 300


def test_tables_of_other_params_are_left_out_and_others_have_readable_names(tmp_path: Path) -> None:
    for name in ("coemogen/emoset", "coemogen/gone", "uniemo_joint", "uniemo_understanding/val"):
        save_curve({"step": [1], "ldm": [1.0]}, tmp_path / name)
    found = [(unit, title) for unit, title, _ in tables(tmp_path, "curve.csv", ["emoset"])]
    assert found == [
        ("coemogen@emoset", "CoEmoGen"), ("uniemo_joint", "UniEmo"),
        ("uniemo_understanding", "UniEmo before joint training, val"),
    ]  # fmt: skip


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
