"""`evoke curate` on tars and a hub's data set: as on a folder; a killed run goes on at the shard where it was."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from evoke.cli import main
from pipeline.artifacts import read_table
from tests.corpora.conftest import encoded
from tests.corpora.gallery import models_of_chance, noise, write_files, write_tar
from tests.evoke.test_curate_command import LOOSE, contents, counted
from tests.foundation.hubs import REVISION, fill_cache

ROOT = Path(__file__).parents[2]
FILES = {f"{number % 4}/{number} x.jpg": encoded(noise(number)) for number in range(40)}
HUB = f"hub:owner/name@{REVISION}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models_of_chance(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with models and four tars in `tars`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    monkeypatch.setenv("EVOKE_THREADS", "1")
    Path("models").symlink_to(models)
    for shard in range(4):
        write_tar(Path(f"tars/{shard}.tar"), {path: data for path, data in FILES.items() if path[0] == str(shard)})


def run(source: str, out: str = "out") -> Result:
    return CliRunner().invoke(main, ["curate", source, "--out", out, *LOOSE])


def test_a_tar_gives_the_bytes_of_the_folder_of_its_images() -> None:
    write_files(Path("folder"), FILES)
    write_tar(Path("whole.tar"), FILES)
    for source in ("folder", "whole.tar"):
        assert run(source).exit_code == 0
        shutil.move("out", f"of/{source}")
    assert contents(Path("of/folder")) == contents(Path("of/whole.tar"))


KILLED_AT_THE_THIRD = """
import os, signal
from pipeline.corpora import curate
judge, judged = curate.judge, []
def dying(unit, *given):
    judged.append(unit)
    if len(judged) == 3:
        next(iter(unit.read()))
        os.kill(os.getpid(), signal.SIGKILL)
    return judge(unit, *given)
curate.judge = dying
from evoke.cli import main
main()
"""


def killed(source: str, home: Path) -> None:
    command = [sys.executable, "-c", KILLED_AT_THE_THIRD, "curate", source, "--out", "out", *LOOSE]
    given = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(home)}
    assert subprocess.run(command, env=given, capture_output=True, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("source", ["tars", HUB])
def test_a_killed_run_goes_on_at_its_shard_and_ends_with_the_same_bytes(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path.cwd() / "home"
    fill_cache(home, {path.name: path.read_bytes() for path in Path("tars").iterdir()}, kind="datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    killed(source, home)
    assert len(list(Path(".out.work").rglob("parts/judged/*.parquet"))) == 2
    judged: Sequence[object] = counted(monkeypatch)
    assert run(source).exit_code == 0
    assert len(judged) == 4 - 2
    assert not Path(".out.work").exists()
    assert run(source, "again/out").exit_code == 0
    assert contents(Path("out")) == contents(Path("again/out"))
    rows = read_table(Path("out/curation.parquet"))["image_id"].to_pylist()
    assert len(rows) == len(FILES)
    assert rows[0].startswith("out/0/0/")


def test_ray_changes_no_byte() -> None:
    assert run("tars").exit_code == 0
    command = [sys.executable, "-m", "evoke", "curate", "tars", "--out", "ray/out", *LOOSE]
    given = {**os.environ, "PYTHONPATH": str(ROOT), "EVOKE_ENGINE": "ray", "EVOKE_ACTORS": "2"}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(Path("ray/out")) == contents(Path("out"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hub:owner/name", "wanted hub:OWNER/NAME@REVISION; REVISION is a commit of 40 hex digits"),
        ("hub:owner/name@main", "wanted hub:OWNER/NAME@REVISION"),
        (HUB, f"the list of its files of the data set owner/name at {REVISION} did not arrive"),
        ("empty.tar", "no image is kept: none of 1 can be read: 1 unreadable_file (first out/empty.tar: 'empty.tar': "),
        ("gone.tar", "gone.tar is not a regular file"),
    ],
)
def test_what_a_user_can_mend_is_one_line(source: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(Path.cwd() / "home/hub"))
    Path("empty.tar").write_bytes(b"")
    result = run(source)
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.strip().count("\n") == 0
    assert not Path("out").exists()
    assert not Path(".out.work").exists()
