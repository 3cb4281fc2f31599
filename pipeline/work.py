"""Keep finished work of a killed stage in `.work/` until the same stage runs again with the same inputs.

DVC deletes the outs of a stage before it runs it, so pieces that must survive a kill are kept elsewhere, in a folder
named after a fingerprint of everything that may change them. A piece is moved in only when it is whole, and pieces are
linked into the outs at the end. This module is plumbing: it is left out of every stage's code hash
(pipeline/closure.py).
"""

import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

WAIT_S = 10.0  # a stage whose dvc was killed exits within this time, or at its next piece
VERSIONED = ("numpy", "pillow", "pyarrow", "torch", "transformers", "diffusers", "open_clip_torch")
GONE = ".gone-"  # prefix of the name of a folder that is being removed
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def work_root() -> Path:
    """Return the folder of all work folders: EVOKE_WORK, or .work in the repository."""
    return Path(os.environ.get("EVOKE_WORK", ".work"))


def fingerprint(unit: str, params: Mapping[str, Any], code: str, deps: Sequence[Path], device: str) -> str:
    """Return the SHA-256 (hex) over everything that may change the bytes that a stage writes.

    unit: the name of the stage, or `stage@item` for a foreach stage. params: its validated sections. code: the hashes
    of the code that it uses. deps: every input file, by relative path, size and mtime_ns rather than by content.
    Reading tens of GB at the start would cost more than it saves, and a wrong guess is always on the safe side: an
    equal file with another mtime only costs the pieces.
    """
    record = {
        "unit": unit,
        "params": params,
        "code": code,
        "deps": [entry for dep in deps for entry in _file_stats(dep)],
        "device": device,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONED},
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


class WorkFolder:
    """The pieces of one stage with one fingerprint, in `.work/<unit>/<fingerprint>/`.

    parts/ holds pieces that survive a kill; each is moved in whole. outs/ holds what the current run makes and is
    emptied at its start. `.work/<unit>/lasting/` holds what also survives the success of a run. Each process
    of a distributed training has a folder of its own, by rank, and takes `shared` pieces from the folder of rank 0. All
    methods except the constructor need the lock.
    """

    def __init__(self, unit: str, mark: str, root: Path | None = None, rank: int = 0) -> None:
        self.leads = rank == 0
        self.stage_folder = (root or work_root()) / (unit if self.leads else f"{unit}.{rank}")
        self.folder = self.stage_folder / mark[:16]
        self.shared = self.stage_folder.with_name(unit) / mark[:16] / "parts"
        self.parts, self.outs = self.folder / "parts", self.folder / "outs"
        self.all_lasting = self.stage_folder / "lasting"

    @contextmanager
    def lock(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock of the stage.

        Another process waits for wait_s seconds and then gets a ValueError that names the holder.
        """
        self.stage_folder.mkdir(parents=True, exist_ok=True)
        holder = self.stage_folder / "holder"
        lock = FileLock(self.stage_folder / "lock")
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            pid = holder.read_text() if holder.exists() else "unknown"
            raise ValueError(
                f"{self.stage_folder.name} is already running in process {pid}; wait for it or end it, then run again"
            ) from None
        try:
            holder.write_text(str(os.getpid()))
            self._clear()
            shutil.rmtree(self.outs, ignore_errors=True)
            self.parts.mkdir(parents=True, exist_ok=True)
            self.outs.mkdir()
            for folder in (self.parts, self.all_lasting):
                for leftover in folder.rglob(".aside-*"):
                    leftover.unlink()
            yield
        finally:
            lock.release()

    def lasting(self, mark: str) -> Path:
        """Return a folder that no run of the stage removes, for what only depends on this fingerprint.

        The folder need not exist. Write files to it by `written_aside`, or under names that nothing else writes to.
        """
        return self.all_lasting / mark[:16]

    def part(self, name: str) -> Path:
        """Return the path of the piece with this name, whether or not it exists."""
        return self.parts / name

    def has(self, name: str) -> bool:
        """Return True if the piece exists; existing pieces are always whole."""
        return self.part(name).exists()

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """Yield a path to write the piece to. It gets its name only when the block ends without an error."""
        self.part(name).parent.mkdir(parents=True, exist_ok=True)
        with written_aside(self.part(name)) as aside:
            yield aside

    def once(self, name: str, write: Callable[[Path], None]) -> Path:
        """Return the path of a piece that only the first process writes.

        The first process writes it unless it exists; the other processes wait for it.
        """
        if self.leads and not self.has(name):
            with self.publish(name) as aside:
                write(aside)
        while not (self.shared / name).exists():
            time.sleep(0.1)
        return self.shared / name

    def discard(self, name: str) -> None:
        """Remove a piece if it exists, such as an old checkpoint."""
        self.part(name).unlink(missing_ok=True)

    def assemble(self, out: Path, names: Iterable[str]) -> None:
        """Link pieces into a folder under the last part of their names, replacing the folder.

        Links leave the pieces in the work folder, so that they survive a kill.
        """
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for name in names:
            _link(self.part(name), out / Path(name).name)

    def finish(self) -> None:
        """Remove this and every other fingerprint of the stage, because its outs are complete, except what lasts.

        Each folder is renamed first: a kill in between would otherwise leave only some of the pieces that belong
        together.
        """
        for path in (path for path in list(self.stage_folder.iterdir()) if path.is_dir() and path != self.all_lasting):
            os.replace(path, path.with_name(f"{GONE}{path.name}"))
        self._clear()

    def _clear(self) -> None:
        for path in self.stage_folder.glob(f"{GONE}*"):
            shutil.rmtree(path)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder to write one file to.

    When the block ends without an error, the file is flushed to the disk and renamed to `path`.
    """
    aside = path.with_name(f".aside-{os.getpid()}-{path.name}")
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def place(source: Path, out: Path) -> None:
    """Give a finished file or folder its final name in one step and leave the source in place.

    The source is linked under a temporary name, which is then renamed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".aside-{out.name}")
    _remove(aside)
    if source.is_dir():
        shutil.copytree(source, aside, copy_function=_link)
    else:
        _link(source, aside)
    if out.is_dir():
        _remove(out)
    os.replace(aside, out)
    _remove(aside)  # rename does nothing if both are links to one file


def die_with_parent() -> None:
    """Make the kernel end this process when its parent ends (Linux only), and exit cleanly on SIGTERM.

    Without this a stage outlives a killed dvc and races the next run. A worker of a pool is instead ended by SIGTERM at
    once: its pool would take SystemExit for the failure of one item and give the worker the next item.
    """
    if multiprocessing.parent_process() is None:
        signal.signal(signal.SIGTERM, _leave)
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or (parent == 1 and "DVC_ROOT" in os.environ):  # the parent died before the call
        _leave()


@contextmanager
def leaving_later() -> Iterator[Callable[[], bool]]:
    """Delay SIGTERM until the end of the block.

    Yields a function that returns True once SIGTERM has arrived; the process exits at the end of the block. Use it for
    work that must not be interrupted in the middle, such as a training step. It does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    signals: list[object] = []
    before = signal.signal(signal.SIGTERM, lambda *_: signals.append(True))
    try:
        yield lambda: bool(signals)
    finally:
        signal.signal(signal.SIGTERM, before)
    if signals:
        _leave()


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _link(source: Path | str, target: Path | str) -> None:
    """Make a hard link, or a copy across file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _file_stats(dep: Path) -> list[tuple[str, int, int]]:
    """Return path, size and mtime_ns of a file, or of every file in a folder, sorted by path."""
    files = sorted(path for path in dep.rglob("*") if path.is_file()) if dep.is_dir() else [dep]
    stats = ((path, path.stat()) for path in files)
    return [(path.as_posix(), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
