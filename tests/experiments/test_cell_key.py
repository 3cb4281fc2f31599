"""A cell has the data and weights that its params name, and a key that changes with what its result depends on."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from experiments import cell as layout
from experiments import key
from experiments.cell import ROOT, Cell, prepare
from experiments.inputs import inputs_above, units_above
from experiments.key import Key, key_of
from experiments.record import record
from pipeline.params import read_yaml

CHANGES = {
    "emoset.folder": "data/emoset118k", "miniature.layouts": [], "truth_checks.corpora": [], "corpora": ["emoset"],
    "emoart.corpora": [],
    "methods": ["coemogen_emoset", "uniemo_joint"], "understanding_scores.datasets": [],
    "understanding_scores.fi_folder": "data/fi", "understanding_scores.emotionroi_folder": "data/emotionroi",
    "understanding_scores.twitter_folder": "data/twitter", "emoart.folder": "data/wikiart",
}  # fmt: skip
CELL = Cell("grid", "whole", 0, CHANGES, "scores@coemogen_emoset")
INPUTS = ("data/emoset118k", "data/imports/emogen", "models/miniature/captioner", "models/miniature/clip",
          "models/miniature/diffusion", "models/pretrained")  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with this project's code and params, an EmoSet of one file, and weights of one byte."""
    root = tmp_path / "repository"
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "data/overrides/captions.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in INPUTS:
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(name)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    monkeypatch.setattr(layout, "ROOT", root)
    monkeypatch.setattr(layout, "CELLS", root / ".work" / "experiments")
    forget()
    return root


def forget() -> None:
    """Forget the hashes of code and inputs, as the next call of the command does."""
    key.code_hash.cache_clear()
    key._input_hash.cache_clear()


def fresh_key(cell: Cell = CELL) -> Key:
    forget()
    return key_of(cell)


def test_a_cell_has_links_to_the_data_and_weights_that_its_params_name(repository: Path) -> None:
    prepare(CELL)
    for name in (*INPUTS, "data/overrides/captions.csv"):
        assert (CELL.folder / name).is_symlink()
        assert (CELL.folder / name).resolve() == (repository / name).resolve()
    assert read_yaml(CELL.folder / "params.yaml")["emoset"]["folder"] == "data/emoset118k"
    outs = [out for stage in read_yaml(CELL.folder / "dvc.yaml")["stages"].values()
            for out in stage.get("do", stage).get("outs", [])]  # fmt: skip
    assert "metrics/emoset.json" in outs
    assert all(isinstance(out, str) for out in outs), "an out outside the cache keeps a stage from being shared"
    made = CELL.folder / "data" / "corpora"
    made.mkdir()
    (CELL.folder / "pipeline" / "gone.py").touch()
    prepare(CELL)
    assert made.is_dir(), "what a cell has made before stays"
    assert not (CELL.folder / "pipeline" / "gone.py").exists()


def test_an_input_that_is_not_there_is_named(repository: Path) -> None:
    shutil.rmtree(repository / "data" / "emoset118k")
    with pytest.raises(click.ClickException, match=r"whole needs data/emoset118k, and there is no such"):
        prepare(CELL)


def test_drawn_data_are_no_input_and_those_of_other_stages_are_none_either() -> None:
    stages, values = read_yaml(ROOT / "dvc.yaml")["stages"], read_yaml(ROOT / "params.yaml")
    assert inputs_above("uniemo_understanding", stages, values) == ["models/miniature/clip"]
    above = [unit.name for unit in units_above("uniemo_understanding", stages, values)]
    assert above == ["miniature@emoset", "foundation_clip", "foundation_vit", "emoset@emoset", "uniemo_understanding"]
    with pytest.raises(click.ClickException, match=r"with these params dvc.yaml has no scores@emogen"):
        units_above("scores@emogen", stages, values)


def test_the_hashes_are_those_of_dvc_lock() -> None:
    """So that a result may be held against dvc.lock without DVC."""
    lock = read_yaml(ROOT / "dvc.lock")["stages"]
    noted = {dep["path"]: dep["md5"] for entry in lock.values() for dep in entry["deps"]}
    forget()
    for path in ("models/miniature/clip", "models/pretrained", "data/imports/emogen", "data/overrides/captions.csv"):
        assert key.input_hashes([path])[path] == noted[path]


def test_the_key_changes_with_params_code_data_and_weights_that_the_cell_depends_on(repository: Path) -> None:
    before = fresh_key()
    assert fresh_key() == before
    changed = replace(CELL, changes={**CHANGES, "coemogen.sem_weight": 0.5})
    assert before.differences(fresh_key(changed)) == ["params coemogen"]
    (repository / "data" / "emoset118k" / "file").write_text("another image")
    assert before.differences(fresh_key()) == ["data data/emoset118k"]
    (repository / "models" / "miniature" / "diffusion" / "file").write_text("other weights")
    assert before.differences(fresh_key()) == ["data data/emoset118k", "weights models/miniature/diffusion"]
    model = repository / "pipeline" / "coemogen" / "model.py"
    model.write_text(model.read_text().replace("temperature", "heat"))
    assert before.differences(fresh_key())[0].startswith("code coemogen")
    assert fresh_key().digest != before.digest


def test_an_input_that_the_queue_writes_before_a_grid_makes_no_result_stale(repository: Path) -> None:
    with_all = fresh_key()
    shutil.rmtree(repository / "data" / "emoset118k")
    without = fresh_key()
    assert without != with_all
    assert with_all.differences(without) == without.differences(with_all) == []


def test_the_key_does_not_change_with_what_the_cell_does_not_depend_on(repository: Path) -> None:
    before = fresh_key()
    assert fresh_key(replace(CELL, changes={**CHANGES, "uniemo_joint.steps": 7})) == before
    model = repository / "pipeline" / "coemogen" / "model.py"
    model.write_text(model.read_text() + "\n# a remark\n\n\ndef never_called() -> None: ...\n")
    assert fresh_key() == before


def test_a_finished_cell_is_an_experiment_that_dvc_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.setattr(layout, "CELLS", root / ".work")
    (root / "dvc.yaml").write_text("metrics: [metrics/summary.json]\nparams: [params.yaml]\n")
    (root / "params.yaml").write_text("rank: 4\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"], ["git", "add", "."],
                    ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]):  # fmt: skip
        subprocess.run(command, cwd=root, check=True)
    cell = Cell("grid", "Cls + Obj*", 3, {}, "own")
    (cell.folder / "metrics" / "scores").mkdir(parents=True)
    (cell.folder / "params.yaml").write_text("rank: 8\n")
    (cell.folder / "metrics" / "scores" / "own.json").write_text('{"emo_a/judge": 0.75, "emo_a/judge/n": 1234}\n')
    before = subprocess.run(["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert record(cell, root) == record(cell, root) == "grid-Cls-Obj_star-3"
    listed = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--csv"], cwd=root, capture_output=True,
                            text=True, check=True).stdout  # fmt: skip
    (line,) = [line for line in listed.splitlines() if "grid-Cls-Obj_star-3" in line]
    assert "0.75" in line
    assert "1234" not in line
    assert ",8" in line
    after = subprocess.run(["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert before == after


def test_a_folder_without_git_has_no_experiments(tmp_path: Path) -> None:
    assert record(CELL, tmp_path) is None
