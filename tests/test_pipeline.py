"""The whole pipeline as a user runs it, on few pictures: a copy of the repository, the smoke preset, `evoke repro`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from safetensors.torch import load_file

from pipeline.closure import PLUMBING, used_parts
from pipeline.feedback.reasons import FEEDBACK_REASONS
from pipeline.params import read_yaml
from pipeline.source import source_of
from pipeline.stage import declaration_of

ROOT = Path(__file__).parents[1]
CALLS = "calls"  # the folder of what tests/calls/sitecustomize.py writes
AROUND = {  # what plumbing calls: checks of params, and where and how fast a stage runs
    "Recipe", "ClipRecipe", "VaeRecipe", "UNetRecipe", "CaptionerRecipe", "_check_multiple", "loader_of",
    "_cpu_field", "cpu_flags", "device_class", "forbid_downloads", "log_level", "multiplies_bf16", "numbers",
    "offline_environment", "processes", "progress", "rank", "threads", "whole_number", "workers",
}  # fmt: skip
COPIED = (
    "dvc.yaml",
    "emotions.yaml",
    "params.yaml",
    "presets",
    "stages",
    "pipeline",
    "evoke",
    "data/overrides",
    "data/imports",
    "models/miniature",
    "models/pretrained",
    "experiments/results",
    ".dvcignore",
)


def run(folder: Path, *command: str, **given: str) -> str:
    """Standard output of a command in a folder, with the programs of this environment first."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "PYTHONPATH": str(folder), **given}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def metrics(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics" / f"{name}.json").read_text())
    return found


def copied(folder: Path) -> Path:
    """Copy what a run needs into a folder, which becomes a repository of git and DVC, and return it."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(source, target)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(tmp_path_factory.mktemp("repository"))
    run(folder, sys.executable, "-m", "evoke", "preset", "smoke")
    (folder / CALLS).mkdir()
    watched = f"{folder}{os.pathsep}{ROOT / 'tests/calls'}"
    run(
        folder,
        sys.executable,
        "-m",
        "evoke",
        "repro",
        "--jobs",
        "2",
        PYTHONPATH=watched,
        EVOKE_CALLS=str(folder / CALLS),
    )
    return folder


def called(folder: Path) -> dict[tuple[str, str], set[tuple[str, int]]]:
    """The functions that each unit of a run has called, as (file, first line), by (stage, item)."""
    found: dict[tuple[str, str], set[tuple[str, int]]] = {}
    for line in (line for path in (folder / CALLS).glob("*.txt") for line in path.read_text().splitlines()):
        file, number, command, *arguments = line.split()
        stage = Path(command).stem if command.endswith(".py") else command.rpartition(".")[2]
        if stage != "code" and (ROOT / "stages" / f"{stage}.py").is_file():
            found.setdefault((stage, arguments[-1] if arguments else ""), set()).add((file, int(number)))
    return found


def test_whatever_a_stage_calls_is_its_code(made: Path) -> None:
    """Or an edit would leave an out stale: pipeline/closure.py reads names, and Python can call in other ways."""
    units = called(made)
    assert len(units) >= 40
    for (stage, item), functions in units.items():
        code = used_parts(made, *declaration_of(f"stages.{stage}").code_files(item))
        lines = {
            (file.as_posix(), number)
            for file, parts in code.items()
            for part in parts
            for number in range(part.lines[0], part.lines[1] + 1)
        }
        missing = {name_of(made, *function) for function in functions - lines if function[0] not in PLUMBING}
        assert missing <= AROUND, f"{stage} {item}"


def name_of(folder: Path, file: str, number: int) -> str:
    """The name of the function or class at a line of a file."""
    parts = source_of((folder / file).read_text(), Path(file)).parts
    return next(name for part in parts if part.lines[0] <= number <= part.lines[1] for name in part.names)


def test_every_picture_of_the_smoke_preset_is_packed_captioned_and_filtered(made: Path) -> None:
    assert [metrics(made, "emoset")[key] for key in ("num_images", "num_rejects")] == [200, 0]
    tables = [
        pq.read_table(made / f"data/{name}/emoset") for name in ("corpora", "features", "captions", "caption_features")
    ]
    tables.append(pq.read_table(made / "data/caption_filter/emoset.parquet"))
    assert all(table["image_id"].to_pylist() == tables[0]["image_id"].to_pylist() for table in tables)
    assert metrics(made, "caption_filter/emoset")["num_dropped_all"] == pytest.approx(0.2 * 160, abs=4)
    assert {path.name for path in (made / "plots/caption_filter/emoset").iterdir()} == {
        "similarity.png",
        "words.png",
        "examples.png",
    }


def test_every_emotion_is_sampled_and_judged(made: Path) -> None:
    images, scores = (pq.read_table(made / f"data/{name}/coemogen_emoset") for name in ("images", "scores"))
    assert images["image_id"].to_pylist() == scores["image_id"].to_pylist()
    assert len(set(images["emotion"].to_pylist())) == len(images) >= 6
    assert metrics(made, "scores/coemogen_emoset")["n"] == len(images)
    assert {path.name for path in (made / "plots/grids/coemogen_emoset").iterdir()} == {
        "emotions.png", "transfer.png", "fusion.png", "strength.png",
    }  # fmt: skip


def test_images_of_uniemo_come_back_and_both_models_read(made: Path) -> None:
    told, trained = metrics(made, "feedback"), metrics(made, "uniemo_feedback")
    assert (
        sum(told[f"num_{reason}"] for reason in FEEDBACK_REASONS)
        == told["n"]
        == metrics(made, "scores/uniemo_joint")["n"]
    )
    assert trained["num_generated"] == told["num_kept"] > 0
    assert trained["repeats_generated"] == pytest.approx(0.2 * 2 * 8 / told["num_kept"], rel=1e-4)
    readers = metrics(made, "understanding_scores")
    assert {f"emoset/{name}/accuracy" for name in ("uniemo_understanding", "uniemo_joint", "uniemo_feedback")} <= set(
        readers
    )
    assert (made / "report/index.html").stat().st_size > 100_000


def test_the_filter_raises_the_rate_of_right_captions(made: Path) -> None:
    rates = metrics(made, "truth_checks/emoset")
    assert rates["scene_right_before"] >= 0.95
    assert rates["both_right_dropped"] < rates["both_right_before"] < rates["both_right_after"]


def test_a_second_run_does_nothing_and_a_key_reruns_what_names_it(made: Path) -> None:
    assert "Running stage" not in run(made, "dvc", "repro")
    assert "up to date" in run(made, sys.executable, "-m", "evoke", "repro")
    text = (made / "params.yaml").read_text()
    (made / "params.yaml").write_text(text.replace("drop_fraction: 0.2", "drop_fraction: 0.3"))
    said = run(made, sys.executable, "-m", "evoke", "repro", "truth_checks").splitlines()
    ran = [line.split() for line in said if line.startswith("[") and "unchanged" not in line]
    assert {unit.split("@")[0] for _, unit, *_ in ran} == {"caption_filter", "truth_checks"}


def test_two_processes_train_as_one_does_with_the_whole_batch(made: Path) -> None:
    text = (made / "params.yaml").read_text()
    values = read_yaml(made / "params.yaml")
    values["coemogen"] |= {"precision": "fp32", "sheet_steps": 0}
    with (made / "params.yaml").open("w") as file:
        YAML().dump(values, file)
    stage = (sys.executable, "-m", "stages.coemogen", "--item", "emoset")
    weights = []
    for number in ("1", "2"):
        run(made, *stage, EVOKE_PROCESSES=number)
        weights.append(load_file(made / "models/coemogen_emoset/weights.safetensors"))
    (made / "params.yaml").write_text(text)
    one, two = weights
    assert set(one) == set(two)
    apart = max(float((one[name] - two[name]).abs().max()) for name in one)
    assert apart < 1e-4, f"after steps of 1e-3 the weights are {apart} apart"
    assert not list((made / ".work").glob("coemogen@emoset*/*/parts"))


@pytest.mark.parametrize("unit", ["features@emoset", "coemogen@emoset"])
def test_a_stage_that_is_killed_again_and_again_leaves_the_same_bytes(unit: str, made: Path) -> None:
    said = run(made, sys.executable, "-m", "tests.endurance", unit, "--kills", "3",
               PYTHONPATH=f"{made}{os.pathsep}{ROOT}", EVOKE_CHECKPOINT_SECONDS="0.2")  # fmt: skip
    assert json.loads(said.splitlines()[-1])["kills"] == 3
