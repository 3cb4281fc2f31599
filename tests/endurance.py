"""Kills a stage of the current folder at random instants, again and again, and holds each finished run to the bytes of
an uninterrupted one, and each killed run to the finished pieces that it found: none may be lost or made again.

python -m tests.endurance UNIT --kills N [--of dvc] [--seed S] kills the stage itself, or the dvc that started it, and
prints a line of JSON. Processes are forked with everything imported, so that kills fall into the work alone.
"""

import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from pipeline.params import load_params
from pipeline.stage import declaration_of
from pipeline.work import work_root

LIBRARIES = ("torch", "open_clip", "diffusers", "transformers", "peft", "accelerate", "sklearn", "matplotlib.pyplot")
PASSING = (".aside-", "step-")  # how names begin of what is half written, and of checkpoints, which newer ones replace
LONGEST = 1.2  # of an uninterrupted run's time: how late a kill may come


def outs_of(unit: str) -> list[Path]:
    """Where the outs of a unit such as features@emoset lie."""
    stage, _, item = unit.partition("@")
    params = load_params(Path("params.yaml"))
    return [artifact.locate(stage, item, params) for artifact in declaration_of(f"stages.{stage}").writes]


def digest(outs: list[Path]) -> str:
    """One hash of the names and bytes of all outs; of fewer files while any is missing."""
    whole = hashlib.sha256()
    for path in sorted(each for out in outs for each in files(out)):
        whole.update(f"{path}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def files(out: Path) -> Iterator[Path]:
    yield from (path for path in out.rglob("*") if path.is_file()) if out.is_dir() else [out] if out.exists() else []


def remove(outs: list[Path]) -> None:
    """As dvc does before it runs a stage."""
    for out in outs:
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)


def pieces(unit: str) -> dict[Path, tuple[int, int]]:
    """The finished pieces in the work folder of a unit but checkpoints; the inode and the mtime_ns of each."""
    found = (path for path in (work_root() / unit).glob("[!.]*/parts/**/*") if path.is_file())
    stats = {path: path.stat() for path in found if not path.name.startswith(PASSING)}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def assert_goes_on(before: dict[Path, tuple[int, int]], after: dict[Path, tuple[int, int]]) -> None:
    """No piece is lost, and those of one shard at most, of which a kill left some kinds only, are made again."""
    assert before.keys() <= after.keys(), f"a killed run lost {sorted(before.keys() - after.keys())}"
    again = {path.name for path in before if before[path] != after[path]}
    assert len(again) <= 1, f"a run made again what was there: {sorted(again)}"


def run_stage(unit: str) -> None:
    stage, _, item = unit.partition("@")
    main: click.Command = importlib.import_module(f"stages.{stage}").main
    main(["--item", item] if item else [], standalone_mode=False)


def run_dvc(unit: str) -> None:
    from dvc.repo import Repo, lock_repo

    from evoke.mend import keep_locks_whole, mend

    keep_locks_whole()  # all as `evoke repro` does
    with Repo() as repo, lock_repo(repo):
        mend(repo)
    with Repo() as repo:
        repo.reproduce(unit, single_item=True, force=True)  # else its run-cache would answer


def forked(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run()
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def wait(pid: int, seconds: float) -> tuple[bool, int]:
    """Whether a child ended by itself within so long, and its status."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done or time.monotonic() > end:
            return bool(done), status
        time.sleep(0.001)


def endure(unit: str, of: str, num_kills: int, seed: int) -> dict[str, str | int | float]:
    """Kills until so many have fallen; AssertionError where a run after kills fails, gives other bytes or begins anew.

    went_on: killed runs that found pieces. Of those under dvc nothing is held: a stage may end after its dvc.
    """
    outs, instants = outs_of(unit), np.random.default_rng(seed)
    run = {"stage": run_stage, "dvc": run_dvc}[of]
    begin = time.monotonic()
    remove(outs)
    assert os.waitpid(forked(lambda: run(unit)), 0)[1] == 0, "the uninterrupted run fails"
    wanted, alone_s = digest(outs), time.monotonic() - begin
    lasting = work_root() / unit / "lasting"  # with it, a run after a whole one would have nothing to do
    remove([*outs, lasting])
    killed, finished, went_on = 0, 0, 0
    while killed < num_kills or not finished:
        before = pieces(unit)
        pid = forked(lambda: run(unit))
        late = instants.uniform(0.0, LONGEST * alone_s) if killed < num_kills else 1000 * alone_s
        done, status = wait(pid, late)
        if done:
            assert status == 0, "a run after a kill fails"
            assert digest(outs) == wanted, "a run after kills gives other bytes"
            finished += 1
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            killed += 1
            went_on += bool(before)
            if of == "stage" and digest(outs) != wanted:
                assert_goes_on(before, pieces(unit))
        if done or of == "stage":
            remove([*outs, lasting] if done else outs)
    os.waitpid(forked(lambda: run(unit)), 0)
    assert digest(outs) == wanted, "the last run gives other bytes"
    figures = {"kills": killed, "went_on": went_on, "finished": finished, "alone_s": round(alone_s, 2)}
    return {"unit": unit, "of": of, **figures}


@click.command()
@click.argument("units", nargs=-1, required=True)
@click.option("--kills", default=10, show_default=True, type=click.IntRange(min=1), help="Of each unit.")
@click.option("--of", default="stage", type=click.Choice(["stage", "dvc"]), help="What is killed.")
@click.option("--seed", default=0, show_default=True, help="Of the instants.")
def main(units: tuple[str, ...], kills: int, of: str, seed: int) -> None:
    """Kill UNITS, such as features@emoset, one after the other."""
    for name in ("dvc.repo",) if of == "dvc" else LIBRARIES if any(Path("models").glob("*")) else ():
        importlib.import_module(name)
    for unit in units:
        click.echo(json.dumps(endure(unit, of, kills, seed)))


if __name__ == "__main__":
    main()
