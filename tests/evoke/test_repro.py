"""Stages side by side: each after all that it needs, none after a failure; and what Ctrl-C does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from evoke.repro import run, stale_stages

ROOT = Path(__file__).parents[2]
DIAMOND = {"draw": set(), "left": {"draw"}, "right": {"draw"}, "report": {"left", "right"}, "alone": set()}


class Silent:
    """Observes and says nothing."""

    def begins(self, name: str) -> None: ...

    def ends(self, name: str, exitcode: int) -> None: ...

    def tick(self) -> None: ...


def recorded(folder: Path, failing: str = "", jobs: int = 2, first: str = "") -> list[str]:
    """The graph made, each stage leaving when it began and ended; of two at a time, left and right await each other."""
    begun = folder.with_name(f"{folder.name}-begun")
    begun.mkdir(exist_ok=True)

    def make(name: str) -> None:
        begin = time.monotonic()
        (begun / name).touch()
        other = {"left": "right", "right": "left"}.get(name, name)
        guard = begin + 300
        while jobs > 1 and not (begun / other).exists() and time.monotonic() < guard:
            time.sleep(0.01)
        (folder / name).write_text(f"{begin} {time.monotonic()}")
        sys.exit(name == failing)

    return run(DIAMOND, jobs, make, Silent(), lambda name: float(name == first))


def test_a_stage_begins_after_all_that_it_needs_and_beside_others(tmp_path: Path) -> None:
    assert recorded(tmp_path) == []
    times = {path.name: tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir()}
    assert set(times) == set(DIAMOND)
    for name, above in DIAMOND.items():
        assert all(times[name][0] >= times[each][1] for each in above)
    (begin, end), (other_begin, other_end) = times["left"], times["right"]
    assert begin < other_end
    assert other_begin < end


def test_nothing_begins_after_a_failure_and_what_runs_ends_well(tmp_path: Path) -> None:
    assert recorded(tmp_path, failing="left") == ["left"]
    made = {path.name for path in tmp_path.iterdir()}
    assert {"draw", "left", "alone"} <= made
    assert "report" not in made


@pytest.mark.parametrize("first", ["draw", "alone"])
def test_of_those_that_are_ready_the_one_of_greater_priority_goes_first(tmp_path: Path, first: str) -> None:
    recorded(tmp_path, jobs=1, first=first)
    times = {path.name: float(path.read_text().split()[0]) for path in tmp_path.iterdir()}
    assert min(times, key=lambda name: times[name]) == first


def test_an_unknown_target_is_one_line() -> None:
    with pytest.raises(ValueError, match="emoste"):
        stale_stages(("emoste",))


STAGE = """
import signal, sys, time
def leave(*_):
    if {leaves}:
        print("saved", flush=True)
        sys.exit(1)
signal.signal(signal.SIGTERM, leave)
print("begun", flush=True)
while True:
    time.sleep(600)
"""
RUN = """
import signal, subprocess, sys
from evoke.repro import run
from tests.evoke.test_repro import DIAMOND, Silent

def make(name):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(subprocess.run([sys.executable, "-c", {stage!r}]).returncode)

try:
    run(DIAMOND, 2, make, Silent(), lambda name: 0.0)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("stubborn", [False, True], ids=["leaves", "does not leave"])
def test_ctrl_c_ends_all_that_runs_within_ten_seconds(stubborn: bool) -> None:
    code = RUN.replace("{stage!r}", repr(STAGE.replace("{leaves}", repr(not stubborn))))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    both = process.stdout.readline() + process.stdout.readline()  # of two processes at once, on one line or two
    assert both.count("begun") == both.count("\n") == 2
    below = psutil.Process(process.pid).children(recursive=True)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    said = process.stdout.read()
    assert time.monotonic() - begin < 10
    assert said.count("saved") == (0 if stubborn else 2)  # of two processes at once, on one line or two
    assert said.endswith("stopped\n")
    assert not [child for child in below if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_stages_run_by_the_python_of_evoke_where_no_environment_is_activated(tmp_path: Path) -> None:
    command = "python -c \"import sys; open('out', 'w').write(sys.prefix)\""
    quoted = command.replace("'", "''")
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  one:\n    cmd: '{quoted}'\n    outs: [out]\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "DVC_NO_ANALYTICS": "1"}
    for words in (["dvc", "init", "--no-scm", "-q"], ["evoke", "repro"]):
        subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "out").read_text() == sys.prefix
