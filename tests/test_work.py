"""Work folders: fingerprints, locks, pieces that are whole or not there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.work import WorkFolder, fingerprint, place, work_root, written_aside

ROOT = Path(__file__).parents[1]


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    return WorkFolder("toy", "a" * 64, tmp_path / "work")


def python(code: str) -> subprocess.Popen[str]:
    return start("-c", code)


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def fill_disk(path: Path) -> None:
    path.symlink_to("/dev/full")
    path.write_text("new" * 10_000)


def wait_until_gone(pid: int, seconds: float = 120.0) -> bool:
    """Whether a process ends, or is left as a zombie, within so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_the_fingerprint_changes_with_everything_that_may_change_the_result(tmp_path: Path) -> None:
    dep = tmp_path / "dep"
    dep.mkdir()
    (dep / "a").write_text("1")

    def mark(unit: str = "toy@a", value: int = 1, device: str = "cpu", code: str = "1") -> str:
        return fingerprint(unit, {"toy": {"value": value}}, code, [dep], device)

    marks = [mark(), mark(unit="toy@b"), mark(value=2), mark(device="cuda"), mark(code="2")]
    assert mark() == marks[0]
    os.utime(dep / "a", ns=(1, 1))
    marks.append(mark())
    (dep / "a").write_text("22")
    marks.append(mark())
    (dep / "b").write_text("")
    marks.append(mark())
    assert len(set(marks)) == len(marks)


LEAVES = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=5))
SECTIONS = st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), LEAVES, max_size=4), max_size=4)


def mark_of(params: dict[str, Any]) -> str:
    return fingerprint("toy", params, "", [], "cpu")


@given(SECTIONS)
def test_the_fingerprint_is_that_of_the_params_whatever_their_order(params: dict[str, Any]) -> None:
    turned = {key: dict(reversed(section.items())) for key, section in reversed(params.items())}
    assert mark_of(turned) == mark_of(params)


@given(SECTIONS, SECTIONS)
def test_params_that_would_be_written_otherwise_have_another_fingerprint(one: Any, other: Any) -> None:
    written = [json.dumps(params, sort_keys=True) for params in (one, other)]
    assert (mark_of(one) == mark_of(other)) == (written[0] == written[1])


def test_a_piece_is_whole_or_not_there(work: WorkFolder) -> None:
    with work.lock():
        with work.publish("shards/a") as path:
            path.write_text("whole")
            assert not work.has("shards/a")
        with pytest.raises(OSError, match="No space left"), work.publish("shards/b") as path:
            fill_disk(path)
        assert work.has("shards/a")
        assert not work.has("shards/b")
        assert [path.name for path in work.part("shards").iterdir()] == ["a"]
        work.discard("shards/a")
        assert not work.has("shards/a")


def test_a_new_run_keeps_pieces_and_clears_what_was_half_written(work: WorkFolder) -> None:
    with work.lock():
        with work.publish("a") as path:
            path.write_text("whole")
        (work.parts / ".aside-1-b").write_text("half")
        (work.outs / "out").write_text("half")
    with work.lock():
        assert work.has("a")
        assert [path.name for path in work.parts.iterdir()] == ["a"]
        assert not list(work.outs.iterdir())


DEATHS = {
    "at the flush": "os.fsync = lambda number: os._exit(9)",
    "between flush and rename": (
        "flush, flushed = os.fsync, []\n"
        "os.fsync = lambda number: flushed.append(flush(number))\n"
        "os.replace = lambda *_: os._exit(9 if flushed else 1)"
    ),
}


@pytest.mark.parametrize("way", ["work.publish('deep/piece')", "written_aside(work.part('deep/piece'))"])
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_death_before_the_rename_leaves_no_piece_and_the_next_run_makes_it(
    death: str, way: str, work: WorkFolder
) -> None:
    imports = "import os, pathlib; from pipeline.work import WorkFolder, written_aside\n"
    run = (
        f"work = WorkFolder('toy', {'a' * 64!r}, pathlib.Path({str(work.stage_folder.parent)!r}))\n"
        "with work.lock():\n"
        "    assert not list(work.parts.rglob('.aside-*'))\n"
        "    work.part('deep').mkdir(exist_ok=True)\n"
        f"    with {way} as path: path.write_text('whole')\n"
    )
    assert python(f"{imports}{death}\n{run}").wait() == 9
    assert not work.has("deep/piece")
    assert [path.name[:7] for path in work.part("deep").iterdir()] == [".aside-"]
    assert python(imports + run).wait() == 0
    assert work.part("deep/piece").read_text() == "whole"
    assert [path.name for path in work.part("deep").iterdir()] == ["piece"]


def test_assembled_pieces_stay_until_the_end(work: WorkFolder, tmp_path: Path) -> None:
    with work.lock():
        for name in ("shards/a", "shards/b"):
            with work.publish(name) as path:
                path.write_text(name)
        work.assemble(work.outs / "data", ["shards/a", "shards/b"])
        place(work.outs / "data", tmp_path / "final" / "data")
        assert work.has("shards/a")
        work.finish()
        assert not work.folder.exists()
    assert {path.name: path.read_text() for path in (tmp_path / "final/data").iterdir()} == {
        "a": "shards/a",
        "b": "shards/b",
    }


def test_success_clears_the_work_of_other_fingerprints(work: WorkFolder) -> None:
    other = WorkFolder("toy", "b" * 64, work.stage_folder.parent)
    with other.lock(), other.publish("a") as path:
        path.write_text("stale")
    with work.lock():
        work.finish()
    assert not other.folder.exists()


def test_what_lasts_survives_success_and_loses_files_that_were_not_finished(work: WorkFolder) -> None:
    kept = work.lasting("c" * 64)
    with work.lock():
        kept.mkdir(parents=True)
        (kept / "answers").write_text("whole")
        (kept / ".aside-1-more").write_text("cut")
        work.finish()
    with work.lock():
        assert [path.name for path in kept.iterdir()] == ["answers"]
    assert kept != work.lasting("d" * 64)


@pytest.mark.parametrize("kills", range(4))
def test_a_death_while_pieces_are_removed_leaves_all_of_them_or_none(work: WorkFolder, kills: int) -> None:
    """Pieces that belong together, such as values and their index, must not be found apart by the next run."""
    names = ["values", "index", "shards/part-00000"]
    with work.lock():
        for name in names:
            with work.publish(name) as path:
                path.write_text("whole")
    unlink, removed = os.unlink, 0

    def killed_at(*arguments: Any, **options: Any) -> None:
        nonlocal removed
        if removed == kills:
            os._exit(9)
        removed += 1
        unlink(*arguments, **options)

    pid = os.fork()
    if pid == 0:
        with work.lock():
            os.unlink = killed_at
            work.finish()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == (9 if kills < len(names) else 0)
    with work.lock():
        assert len({work.has(name) for name in names}) == 1
        assert [path.name for path in work.stage_folder.iterdir() if path.is_dir()] == [work.folder.name]


def test_placing_replaces_what_was_there(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, name in ((old, "a"), (new, "b")):
        folder.mkdir()
        (folder / name).write_text(name)
    place(new, old)
    assert [path.name for path in old.iterdir()] == ["b"]
    place(new / "b", tmp_path / "file")
    place(new / "b", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "b"
    assert not list(tmp_path.glob(".aside-*"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"), written_aside(path) as aside:
        fill_disk(aside)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_the_root_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVOKE_WORK", raising=False)
    assert work_root() == Path(".work")
    monkeypatch.setenv("EVOKE_WORK", str(tmp_path))
    assert work_root() == tmp_path


def test_a_second_process_is_refused_with_the_pid_of_the_first_and_let_in_after_its_death(work: WorkFolder) -> None:
    holder = python(
        "import pathlib, time; from pipeline.work import WorkFolder\n"
        f"work = WorkFolder('toy', 'b', pathlib.Path({str(work.stage_folder.parent)!r}))\n"
        "with work.lock(): print(1, flush=True); time.sleep(60)"
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ValueError, match=f"toy is already running in process {holder.pid}"), work.lock(wait_s=0.2):
        pass
    holder.kill()
    holder.wait()
    with work.lock(wait_s=5):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is of Linux")
def test_a_stage_ends_with_its_parent() -> None:
    parent = python(
        "import subprocess, sys, time\n"
        "code = 'import os, time; from pipeline.work import die_with_parent; die_with_parent(); '\\\n"
        "       'print(os.getpid(), flush=True); time.sleep(60)'\n"
        "subprocess.Popen([sys.executable, '-c', code]); time.sleep(60)"
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not wait_until_gone(child, 0.1)
    parent.kill()
    parent.wait()
    assert wait_until_gone(child)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is of Linux")
def test_the_busy_workers_of_a_pool_end_with_their_stage(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        "import multiprocessing, os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from pipeline.work import die_with_parent\n"
        "def work(_):\n    os.write(1, b'%d\\n' % os.getpid())\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(2, mp_context=context, initializer=die_with_parent) as pool:\n"
        "        list(pool.map(work, range(8)))\n"
    )
    stage = start(str(script))
    assert stage.stdout is not None
    workers = [int(stage.stdout.readline()) for _ in range(2)]
    stage.kill()
    stage.wait()
    assert all(wait_until_gone(worker) for worker in workers)


def test_sigterm_leaves_cleanly() -> None:
    stage = python(
        "import time; from pipeline.work import die_with_parent\n"
        "die_with_parent()\n"
        "try: print(1, flush=True); time.sleep(60)\n"
        "finally: print('cleaned', flush=True)"
    )
    assert stage.stdout is not None
    stage.stdout.readline()
    stage.send_signal(signal.SIGTERM)
    assert stage.stdout.readline() == "cleaned\n"
    assert stage.wait() == 128 + signal.SIGTERM


def test_a_second_process_takes_what_the_first_made_once(tmp_path: Path) -> None:
    first, second = (WorkFolder("toy", "a" * 64, tmp_path, rank) for rank in (0, 1))
    made: list[Path] = []

    def write(aside: Path) -> None:
        made.append(aside)
        aside.write_text("whole")

    with first.lock(), second.lock():
        assert first.once("cache", write) == second.once("cache", write) == first.part("cache")
        assert first.once("cache", write).read_text() == "whole"
        assert len(made) == 1
        assert not second.has("cache")


def test_a_second_process_waits_for_the_first(work: WorkFolder) -> None:
    with work.lock():
        asks = python(
            f"import pathlib; from pipeline.work import WorkFolder\n"
            f"work = WorkFolder('toy', {'a' * 64!r}, pathlib.Path({str(work.stage_folder.parent)!r}), 1)\n"
            "with work.lock():\n"
            "    print('asks', flush=True); print(work.once('cache', None).read_text())\n"
        )
        assert asks.stdout is not None
        assert asks.stdout.readline() == "asks\n"
        time.sleep(0.3)
        assert asks.poll() is None
        work.once("cache", lambda aside: aside.write_text("whole"))
        assert asks.communicate(timeout=300)[0] == "whole\n"
