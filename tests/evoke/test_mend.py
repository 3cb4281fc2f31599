"""DVC's own files as a kill in the middle of their writing leaves them: the next run mends them and loses no result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from evoke.mend import is_readable, mend_lock_file, mend_locks

ROOT = Path(__file__).parents[2]
STAGES = """stages:
  draw: {cmd: "echo drawn >> ran; cp ran a", outs: [a]}
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
    assert "cut back to its 2 whole stages" in evoke_repro(written)
    assert lock.read_text() == whole
    assert (written / "ran").read_text() == ran


def test_a_torn_list_of_locks_is_removed_and_a_whole_one_stays(written: Path) -> None:
    with Repo(str(written)) as repo:
        for torn in ("", '{"write": {"a": '):
            held = Path(repo.tmp_dir) / "rwlock"
            held.write_text(torn)
            mend_locks(repo)
            assert not held.exists()
        held.write_text("{}")
        mend_locks(repo)
        assert held.exists()
        held.unlink()
        mend_locks(repo)


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
