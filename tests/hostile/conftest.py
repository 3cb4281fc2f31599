"""No case may hang, and a file that only hostile content would make, the canary, must not be there afterwards."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = 30


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """An alarm, as a reader that waits for a pipe is in a system call."""

    def ring(*_: object) -> None:
        raise AssertionError(f"still not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, in which and above which no canary may appear."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    monkeypatch.setenv("EVOKE_THREADS", "1")
    yield folder
    assert not list(tmp_path.rglob("*canary*")), "something of a hostile file was run"
