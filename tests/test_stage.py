"""The decorator, in process; and a resumable toy stage that is killed a hundred times, alone and under dvc."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from pipeline import stage as stage_module
from pipeline.artifacts import METRICS, Artifact
from pipeline.stage import Run, stage

ROOT = Path(__file__).parents[1]
OUT = Artifact("data/out/{item}", "folder")
SHARDS = Artifact("data/shards/{item}", "shards")
INPUT = Artifact("data/in.parquet", "table")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and a stage file, current; commands made by `made` take it for test_stage."""
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "test_stage.py").write_text("")
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage_module, "die_with_parent", lambda: None)
    monkeypatch.delenv("EVOKE_WORK", raising=False)
    monkeypatch.delenv("EVOKE_TRACEBACK", raising=False)
    return tmp_path


def called(main: Callable[[Run], None], item: str | None = "a", **declared: object) -> Result:
    declared = {"writes": (OUT,), "item": "corpus", "sections": ("seed", "features"), **declared}
    command: click.Command = stage(**declared)(main)  # type: ignore[arg-type]
    return CliRunner().invoke(command, ["--item", item] if item else [])


def test_outs_appear_complete_at_the_end(project: Path) -> None:
    def main(run: Run) -> None:
        (run.out_folder(OUT) / "file").write_text(str(run.item))
        run.write(SHARDS, [pa.table({"image_id": ["a"]}), pa.table({"image_id": ["b"]})])
        run.metrics({"n": 1})
        assert not Path("data").exists()
        assert not Path("metrics").exists()

    result = called(main, writes=(OUT, SHARDS, METRICS))
    assert result.exit_code == 0, result.output
    assert Path("data/out/a/file").read_text() == "a"
    assert sorted(path.name for path in Path("data/shards/a").iterdir()) == ["part-00000.parquet", "part-00001.parquet"]
    assert json.loads(Path("metrics/test_stage/a.json").read_text()) == {"n": 1}
    assert json.loads(Path("runs/test_stage@a.json").read_text())["stage"] == "test_stage@a"
    assert not [path for path in Path(".work/test_stage@a").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("trains", "world_size"), [(False, "2"), (True, "1")])
def test_a_cluster_that_sets_rank_for_everything_costs_no_out(
    trains: bool, world_size: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", world_size)
    result = called(lambda run: (run.out_folder(OUT) / "file").touch(), trains=trains)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    assert Path("data/out/a/file").exists()


def test_a_stage_gets_its_own_sections_and_seeded_generators(project: Path) -> None:
    draws = []

    def main(run: Run) -> None:
        assert run.section("features").batch_size == 50
        with pytest.raises(AssertionError, match="does not declare the section captions"):
            run.section("captions")
        draws.append([run.generator(key).random() for key in ("x", "x", "y")])
        run.out_folder(OUT)

    assert called(main, "a").exit_code == called(main, "a").exit_code == called(main, "b").exit_code == 0
    assert draws[0] == draws[1]
    assert draws[0][0] == draws[0][1] != draws[0][2]
    assert draws[0][0] != draws[2][0]


@pytest.mark.parametrize(
    "touch",
    [
        lambda run: run.path(INPUT),
        lambda run: run.read(INPUT),
        lambda run: run.path(OUT),
        lambda run: run.out_folder(INPUT),
        lambda run: run.write(INPUT, None),
        lambda run: run.metrics({}),
    ],
)
def test_what_is_not_declared_cannot_be_touched(project: Path, touch: Callable[[Run], None]) -> None:
    result = called(touch)
    assert isinstance(result.exception, AssertionError)
    assert "does not declare" in str(result.exception)


def test_an_out_that_was_not_written_is_our_own_fault(project: Path) -> None:
    result = called(lambda run: None)
    assert isinstance(result.exception, AssertionError)
    assert "did not write data/out" in str(result.exception)


def fails(run: Run) -> None:
    (run.out_folder(OUT) / "file").write_text("x")
    raise ValueError("emotion = 'joy': allowed are the eight")


def test_a_user_error_is_one_line_and_leaves_no_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = called(fails)
    assert result.exit_code == 1
    assert result.output == "error: emotion = 'joy': allowed are the eight\n"
    assert not Path("data").exists()
    monkeypatch.setenv("EVOKE_TRACEBACK", "1")
    assert isinstance(called(fails).exception, ValueError)


def test_wrong_params_stop_a_stage_before_it_begins(project: Path) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("drop_fraction", "drop_fractoin"))
    result = called(lambda run: pytest.fail("it began"))
    assert result.exit_code == 1
    assert "the nearest right name is caption_filter.drop_fraction" in result.output
    Path("params.yaml").unlink()
    assert "there is no such file; run this from the root" in called(lambda run: None).output


def test_a_missing_input_and_a_wrong_item_are_clear(project: Path) -> None:
    assert "the input data/in.parquet does not exist; run `dvc repro" in called(lambda run: None, reads=(INPUT,)).output
    assert "--item = '../a'" in called(lambda run: None, "../a").output


def test_a_full_disk_is_one_line_and_keeps_what_was_finished(project: Path) -> None:
    full = [True]

    def main(run: Run) -> None:
        if not run.work.has("first"):
            assert full[0], "the finished piece is made again"
            with run.work.publish("first") as path:
                path.write_text("1")
        with run.work.publish("second") as path:
            if full[0]:
                path.symlink_to("/dev/full")
            path.write_text("2" * 10_000)
        run.assemble(OUT, ["first", "second"])

    result = called(main)
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert "free some space and run again" in result.output
    full[0] = False
    assert called(main).exit_code == 0
    assert sorted(path.name for path in Path("data/out/a").iterdir()) == ["first", "second"]


def test_other_params_do_not_meet_old_pieces(project: Path) -> None:
    def main(run: Run) -> None:
        assert not run.work.has("piece")
        with run.work.publish("piece") as path:
            path.write_text("1")
        raise ValueError("stop")

    assert called(main).output == "error: stop\n"
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", "seed: 1"))
    assert called(main).output == "error: stop\n"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """The toy project, with its input made."""
    shutil.copytree(ROOT / "tests" / "toy", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    toy_python(tmp_path, "source.py", "12")
    return tmp_path


def toy_python(
    folder: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    bin_folder = Path(sys.executable).parent
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{bin_folder}:{os.environ['PATH']}", **environment}
    variables.pop("EVOKE_WORK", None)
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def test_ninety_kills_of_the_stage_change_no_byte(toy: Path) -> None:
    done = toy_python(toy, "-m", "tests.endurance", "toy@emoset", "--kills", "90", TOY_SLEEP_S="0.004")
    found = json.loads(done.stdout)
    assert found["kills"] == 90
    assert found["went_on"] > 0


def test_a_stage_that_begins_anew_after_a_kill_is_found_though_its_bytes_are_right(toy: Path) -> None:
    stage_file = toy / "stages" / "toy.py"
    anew = "for piece in run.work.parts.rglob('*.parquet'):\n        piece.unlink()\n    run.assemble(SHARDS"
    stage_file.write_text(stage_file.read_text().replace("run.assemble(SHARDS", anew))
    with pytest.raises(AssertionError, match="a killed run lost"):
        toy_python(toy, "-m", "tests.endurance", "toy@emoset", "--kills", "90", TOY_SLEEP_S="0.004")


def test_ten_kills_of_dvc_change_no_byte(toy: Path) -> None:
    toy_python(toy, "-m", "dvc", "init", "--no-scm", "--quiet")
    done = toy_python(toy, "-m", "tests.endurance", "toy@emoset", "--of", "dvc", "--kills", "10", TOY_SLEEP_S="0.02")
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == 10


CAN_MOUNT = subprocess.run(  # in a container it often may not
    ["sh", "-c", "unshare --user --map-root-user --mount mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
).returncode == 0  # fmt: skip


@pytest.mark.skipif(not CAN_MOUNT, reason="no file system can be mounted here")
def test_a_disk_that_fills_up_at_any_write_is_one_line_and_tears_nothing(toy: Path) -> None:
    under = ("unshare", "--user", "--map-root-user", "--mount")
    command = [*under, sys.executable, "-m", "tests.full_disk"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("EVOKE_WORK", None)
    done = subprocess.run(command, cwd=toy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 20


def test_two_runs_at_once_take_turns(toy: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOY_SLEEP_S": "0.05"}
    runs = [
        subprocess.Popen([sys.executable, "-m", "stages.toy", "--item", "emoset"], cwd=toy, env=environment)
        for _ in range(2)
    ]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(list((toy / "data/shards/emoset").iterdir())) == 12


def test_dag_names_what_dvc_yaml_says_otherwise_than_the_code(toy: Path) -> None:
    done = toy_python(toy, "-m", "evoke", "dag", check=False)
    assert done.returncode == 1
    assert "toy.deps: + code/toy.txt; - stages/toy.py" in done.stdout
    path = toy / "dvc.yaml"
    path.write_text(path.read_text().replace("stages/toy.py", "code/toy.txt"))
    assert toy_python(toy, "-m", "evoke", "dag").stdout == "toy\n"
