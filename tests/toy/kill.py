"""Runs the toy stage of the current folder again and again, kills it at random instants, and checks every finished run.

python kill.py stage|dvc NUM_KILLS SEED LONGEST_S kills the stage itself, or the dvc that started it, and prints how
many runs were finished. Processes are forked with everything imported, so that kills fall into the work alone.
"""

import hashlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np


def digest() -> str:
    """One hash of the names and bytes of all outs; '' while any is missing."""
    files = sorted(path for folder in ("data", "metrics") for path in Path(folder).rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        if path.name != ".gitignore":
            whole.update(f"{path}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def remove_outs() -> None:
    for folder in ("data/shards", "data/table", "data/notes", "metrics"):
        shutil.rmtree(folder, ignore_errors=True)


def run_stage() -> None:
    from stages.toy import main

    main(["--item", "emoset"], standalone_mode=False)


def run_dvc() -> None:
    from dvc.repo import Repo

    with Repo() as repo:
        repo.reproduce(force=True)  # else its run-cache would answer


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


def main(who: str, num_kills: int, seed: int, longest_s: float) -> int:
    run = {"stage": run_stage, "dvc": run_dvc}[who]
    instants = np.random.default_rng(seed)
    assert os.waitpid(forked(run), 0)[1] == 0, "the uninterrupted run fails"
    wanted, killed, finished = digest(), 0, 0
    remove_outs()
    while killed < num_kills:
        pid = forked(run)
        done, status = wait(pid, instants.uniform(0.0, longest_s))
        if done:
            assert status == 0, "a run after a kill fails"
            assert digest() == wanted, "a run after kills gives other bytes"
            finished += 1
            remove_outs()
            continue
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        killed += 1
        if who == "stage":
            remove_outs()  # as dvc does before it runs a stage
    assert os.waitpid(forked(run), 0)[1] == 0, "the last run fails"
    assert digest() == wanted, "the last run gives other bytes"
    print(finished + 1)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    import pipeline.engine
    import pipeline.stage  # noqa: F401

    if sys.argv[1] == "dvc":
        import dvc.repo  # noqa: F401
    else:
        import stages.toy  # noqa: F401
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
