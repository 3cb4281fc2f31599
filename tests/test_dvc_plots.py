"""Check how DVC itself reads what dvc.yaml declares beside its stages: plots with titles and axes, models by name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.emotions import EMOTIONS
from pipeline.judges.report import save_calibration, save_confusion
from pipeline.params import read_yaml
from pipeline.training.curves import save_curve

ROOT = Path(__file__).parents[1]
UNIEMO = ["total", "emotion", "scene", "object", "cond", "ldm", "observed_gradient"]
CURVES = {
    "coemogen/emoset": ["total", "ldm", "sem"],
    "coemogen/emoart": ["total", "ldm", "sem"],
    "uniemo_understanding": ["total", "emotion", "scene", "object"],
    "uniemo_understanding/val": ["score"],
    "uniemo_joint": UNIEMO,
    "uniemo_feedback": UNIEMO,
}


def dvc(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what `dvc plots show` draws in a repository with the plots of all trainings and judges."""
    folder = tmp_path_factory.mktemp("repository")
    dvc(folder, "init", "--no-scm", "--quiet")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    shutil.copy(ROOT / "params.yaml", folder)  # paths of dvc.yaml name its corpus
    with (folder / "dvc.yaml").open("w") as file:
        YAML().dump({key: value for key, value in read_yaml(ROOT / "dvc.yaml").items() if key != "stages"}, file)
    for name, losses in CURVES.items():
        save_curve({name: [1.0, 0.5] for name in ("step", *losses, "rate_factor")}, folder / "plots" / name)
    emotions = np.arange(len(EMOTIONS))
    probabilities = np.eye(len(EMOTIONS), dtype=np.float32)
    for name in ("judges", "emotion_classifier", "uniemo_understanding"):
        save_confusion(probabilities, emotions, folder / "plots" / name)
        if name != "judges":
            save_calibration(probabilities, 1.0, emotions, folder / "plots" / name)
    found: dict[str, Any] = json.loads(dvc(folder, "plots", "show", "--json", "--split"))
    return found


def test_every_plot_has_a_title_named_axes_and_no_errors(shown: dict[str, Any]) -> None:
    assert shown.get("errors", []) == []
    assert list(shown["data"]) == [next(iter(plot)) for plot in read_yaml(ROOT / "dvc.yaml")["plots"]]
    for name, (plot,) in shown["data"].items():
        told = plot["anchor_definitions"]
        assert told["<DVC_METRIC_TITLE>"] == name
        axes = told["<DVC_METRIC_X_LABEL>"], told["<DVC_METRIC_Y_LABEL>"]
        assert axes in (("step", "loss"), ("step", "log-likelihood"), ("classified as", "annotated as"),
                        ("confidence", "accuracy")), name  # fmt: skip


def test_curves_show_losses_and_not_the_learning_rate(shown: dict[str, Any]) -> None:
    drawn = [row for name, plots in shown["data"].items() if "losses" in name
             for row in plots[0]["anchor_definitions"]["<DVC_METRIC_DATA>"]]  # fmt: skip
    fields = {row["field"] for row in drawn}
    assert fields == {"total", "ldm", "sem", "cond", "emotion"}


def test_the_confusion_counts_images_and_not_rows_in_the_order_of_the_emotions(shown: dict[str, Any]) -> None:
    plot = shown["data"]["Judge of emotions: confusion"][0]
    assert "toNumber(datum.images)" in json.dumps(plot["content"])
    rows = plot["anchor_definitions"]["<DVC_METRIC_DATA>"]
    assert list(dict.fromkeys(row["labelled"] for row in rows)) == list(EMOTIONS)
    assert sum(int(row["images"]) for row in rows) == len(EMOTIONS)


def test_models_have_names_that_dvc_takes(tmp_path: Path) -> None:
    from dvc.repo import Repo

    artifacts = read_yaml(ROOT / "dvc.yaml")["artifacts"]
    (tmp_path / "dvc.yaml").write_text(json.dumps({"artifacts": artifacts}))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        (listed,) = repo.artifacts.read().values()
    assert {name: model.path for name, model in listed.items()} == {
        name: model["path"].replace("${corpus}", "emoset") for name, model in artifacts.items()
    }
