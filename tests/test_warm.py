"""The warm process: a fork is what the command would have been, and ends when its caller does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.warm import ADDRESS, run_there

ROOT = Path(__file__).parents[1]
SERVER = "from pathlib import Path; from pipeline import warm; warm.LIBRARIES = (); warm.serve(Path({!r}))"
CALLER = "import sys; from pipeline.warm import run_there; sys.exit(run_there({!r}, {!r}))"
SHOW = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ["COLOUR"], os.environ.get("EVOKE_WARM"), sys.stdin.read())
print("aside", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
WAIT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("leaves", flush=True), sys.exit(9)))
print(os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of callers of a warm process that has modules `show`, `wait` and `wrong`."""
    for name, code in (("show", SHOW), ("wait", WAIT), ("wrong", "raise KeyError('lost')")):
        (tmp_path / f"{name}.py").write_text(code)
    address = tmp_path / "socket"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLOUR": "red"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(str(address))], cwd=tmp_path, stdin=subprocess.PIPE, env=environment
    )
    while not address.exists():
        assert server.poll() is None
    yield {**environment, ADDRESS: str(address), "COLOUR": "blue"}
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait() == 0, "it ends with the process that started it"


def call(module: str, *arguments: str, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CALLER.format(module, list(arguments))], cwd=Path(environment[ADDRESS]).parent,
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_fork_has_the_arguments_folder_environment_streams_and_status_of_its_caller(
    warm: dict[str, str], status: str
) -> None:
    caller = call("show", status, environment=warm)
    out, err = caller.communicate("typed")
    folder = Path(warm[ADDRESS]).parent
    assert out == f"{[status]} {folder} blue None typed\n"
    assert err == "aside\n"
    assert caller.returncode == int(status)


def test_an_error_is_shown_and_is_status_1(warm: dict[str, str]) -> None:
    caller = call("wrong", environment=warm)
    _, err = caller.communicate()
    assert "KeyError: 'lost'" in err
    assert caller.returncode == 1


def test_sigterm_reaches_the_fork_and_the_caller_waits_for_it(warm: dict[str, str]) -> None:
    caller = call("wait", environment=warm)
    assert caller.stdout is not None
    fork = psutil.Process(int(caller.stdout.readline()))
    caller.send_signal(signal.SIGTERM)
    assert caller.stdout.read() == "leaves\n"
    assert caller.wait() == 9
    assert not fork.is_running()


def test_a_fork_ends_with_a_caller_that_is_killed(warm: dict[str, str]) -> None:
    caller = call("wait", environment=warm)
    assert caller.stdout is not None
    fork = psutil.Process(int(caller.stdout.readline()))
    caller.kill()
    assert caller.stdout.read() == "leaves\n"
    fork.wait(timeout=300)


def test_a_fork_that_is_killed_is_a_failure(warm: dict[str, str]) -> None:
    caller = call("wait", environment=warm)
    assert caller.stdout is not None
    psutil.Process(int(caller.stdout.readline())).kill()
    assert caller.wait() == 1


def test_without_a_warm_process_the_caller_is_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    assert run_there("show", []) is None
    monkeypatch.setenv(ADDRESS, str(tmp_path / "gone"))
    assert run_there("show", []) is None
