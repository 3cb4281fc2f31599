"""DVC's own files as a kill in the middle of their writing leaves them: the next run mends them and loses no result."""

import io
import json
import os
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import parse_yaml
from dvc.utils.serialize._yaml import dumps_yaml

from evoke.mend import dump_lock, is_readable, mend_list, mend_lock_file

ROOT = Path(__file__).parents[2]
STAGES = """stages:
  draw: {cmd: "echo drawn >> ran; echo drawn > a", outs: [a]}
  read: {cmd: "echo read >> ran; cp a b", deps: [a], outs: [b]}
  tell: {cmd: "echo told >> ran; cp b c", deps: [b], outs: [c]}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of three stages, all of them made."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "dvc.yaml").write_text(STAGES)
    Repo.init(str(folder), no_scm=True).close()
    evoke_repro(folder)
    return folder


def evoke_repro(folder: Path) -> str:
    """What `evoke repro` says there."""
    command = [sys.executable, "-m", "evoke", "repro", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_a_lock_cut_anywhere_is_read_again_and_keeps_its_whole_stages(written: Path) -> None:
    lock = written / "dvc.lock"
    whole = lock.read_text()
    ends = [whole.index(f"\n  {name}:") + 1 for name in ("read", "tell")]
    with Repo(str(written)) as repo:
        for end in range(0, len(whole), 3):
            lock.write_text(whole[:end])
            was_readable = is_readable(whole[:end])
            assert mend_lock_file(repo) != was_readable
            mended = lock.read_text() if lock.exists() else ""
            assert whole.startswith(mended)
            assert is_readable(mended) or not lock.exists()
            assert len(mended) >= max([each for each in ends if each <= end], default=0)
    lock.write_text(whole)


def test_a_run_after_the_cut_takes_what_was_made_from_the_cache(written: Path) -> None:
    lock = written / "dvc.lock"
    whole, ran = lock.read_text(), (written / "ran").read_text()
    lock.write_text(whole[: whole.index("  tell:") + 12])
    assert "its first 2 stages were kept" in evoke_repro(written)
    assert lock.read_text() == whole
    assert (written / "ran").read_text() == ran


def test_a_torn_list_of_locks_is_removed_and_a_whole_one_stays(written: Path) -> None:
    with Repo(str(written)) as repo:
        for torn in ("", '{"write": {"a": '):
            held = Path(repo.tmp_dir) / "rwlock"
            held.write_text(torn)
            mend_list(repo)
            assert not held.exists()
        mend_list(repo)


def test_who_is_gone_is_removed_from_the_list_and_who_lives_stays(written: Path) -> None:
    zombie = os.fork()
    if not zombie:
        os._exit(0)
    time.sleep(0.1)
    gone, alive = {"pid": 2**22 + 1, "cmd": "dvc repro"}, {"pid": os.getpid(), "cmd": "dvc repro"}
    died = {"pid": zombie, "cmd": "dvc repro"}
    with Repo(str(written)) as repo:
        held = Path(repo.tmp_dir) / "rwlock"
        held.write_text(
            json.dumps({"write": {"a": gone, "b": alive, "c": died}, "read": {"a": [gone], "b": [died, alive]}})
        )
        mend_list(repo)
        assert json.loads(held.read_text()) == {"write": {"b": alive}, "read": {"b": [alive]}}
        os.utime(held, (1, 1))  # older than this process, which then is another of the same number
        mend_list(repo)
        assert json.loads(held.read_text()) == {"write": {}, "read": {}}
    os.waitpid(zombie, 0)
    held.unlink()


def test_what_is_half_written_in_the_cache_of_runs_is_no_run(written: Path) -> None:
    """DVC would take it for one, and for ever end with an error."""
    runs = written / ".dvc/cache/runs"
    (entry,) = {path.parent for path in runs.glob("*/*/*") if "read" in path.read_text()}
    whole, lock = {path.name: path.read_bytes() for path in entry.iterdir()}, (written / "dvc.lock").read_text()
    for torn in ({".x.tmp": b""}, {".x.tmp": b"cmd: cp a b\n"}, {}):
        for path in entry.iterdir():
            path.unlink()
        for name, content in torn.items():
            (entry / name).write_bytes(content)
        (written / "dvc.lock").write_text(lock[: lock.index("  read:")])
        evoke_repro(written)
        assert (written / "dvc.lock").read_text() == lock
        assert {path.name: path.read_bytes() for path in entry.iterdir()} == whole


KILLED = """
import builtins, os, sys
from dvc.repo import Repo
from evoke.mend import keep_locks_whole

def torn(path, mode="r", *options, **more):
    file = opened(path, mode, *options, **more)
    if "w" in mode and "dvc.lock" in str(path):
        file.write("schema: ")
        file.flush()
        os.kill(os.getpid(), 9)
    return file

opened, builtins.open = open, torn
if sys.argv[1] == "aside":
    keep_locks_whole()
with Repo() as repo:
    repo.reproduce("tell", force=True, single_item=True)
"""


@pytest.mark.parametrize("way", ["aside", "in place"])
def test_dvc_writes_its_lock_whole_or_not_at_all(written: Path, way: str) -> None:
    """A run that is killed at the moment of writing leaves the lock as it was; without us it would leave a piece."""
    lock = written / "dvc.lock"
    whole = lock.read_text()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    ended = subprocess.run([sys.executable, "-c", KILLED, way], cwd=written, env=environment, check=False)
    assert ended.returncode == -9
    assert lock.read_text() == (whole if way == "aside" else "schema: ")
    evoke_repro(written)
    assert lock.read_text() == whole


@pytest.mark.parametrize("broken", ["<<<<<<< ours\n{}", "not a lock file", "{}>>>>>>> theirs: [\n"])
def test_what_a_person_broke_stays_as_it_is(written: Path, broken: str) -> None:
    lock = written / "dvc.lock"
    whole = lock.read_text()
    text = broken.format(whole)
    lock.write_text(text)
    with Repo(str(written)) as repo:
        assert not mend_lock_file(repo)
    assert lock.read_text() == text
    lock.write_text(whole)


def test_a_lock_is_written_as_dvc_writes_it() -> None:
    text = (ROOT / "dvc.lock").read_text()
    assert dumped_by_us(parse_yaml(text, "dvc.lock")) == text == dumps_yaml(parse_yaml(text, "dvc.lock"))


@pytest.mark.parametrize(
    "value",
    [None, "", "null", "~", "yes", "1", "1e5", 1, 1e-5, 1e22, float("inf"), True, [], {}, [None, [1, {}]],
     {"b": 1, "a": None}, OrderedDict(z=1, a=None), " x ", "a: b", "a: ", "#", "- d", "é☃", "long " * 40,
     "two\nlines: \n", "'q'", '"', "{}", "2020-01-01"],
)  # fmt: skip
def test_any_value_of_a_lock_is_read_back(value: object) -> None:
    data = {"schema": "2.0", "stages": {"one": {"params": {"params.yaml": {"key": value}}}}}
    text = dumped_by_us(data)
    assert parse_yaml(text, "dvc.lock") == parse_yaml(dumps_yaml(data), "dvc.lock") == data
    if "\n" not in str(value) and value != "'q'":  # which it quotes in another style
        assert text == dumps_yaml(data)


def dumped_by_us(data: object) -> str:
    stream = io.StringIO()
    dump_lock(data, stream)
    return stream.getvalue()
