"""Resumable work: what a killed stage had finished waits in `.work/` until the same stage is asked for the same thing.

DVC deletes the outs of a stage before it runs it, so pieces that must survive a kill live elsewhere, in a folder that
is named by a fingerprint of all that may change them. Pieces are moved in whole and linked into the outs at the end.
Plumbing: no dependency of any stage.
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

WAIT_S = 10.0  # a stage whose dvc was killed leaves within this time, or at its next piece
VERSIONED = ("numpy", "pillow", "pyarrow", "torch", "transformers", "diffusers", "open_clip_torch")
GONE = ".gone-"  # how the name of a folder begins that is being removed
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def work_root() -> Path:
    """The folder of all work folders: EVOKE_WORK, else .work of the repository."""
    return Path(os.environ.get("EVOKE_WORK", ".work"))


def fingerprint(unit: str, params: Mapping[str, Any], code: str, deps: Sequence[Path], device: str) -> str:
    """SHA-256 (hex) of all that may change the bytes that a stage writes.

    unit: name of the stage, `stage@item` in a foreach. params: its validated sections. code: of its closure. deps:
    every file by relative path, size and mtime_ns and not by content: reading tens of GB to begin would cost more than
    it saves, and a wrong guess is always on the safe side, as an equal file with another mtime only costs the pieces.
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

    parts/ holds pieces that outlive a kill, each moved in whole. outs/ is what the present run makes, emptied at its
    start. The processes of one training have a folder each, by their rank, and take `shared` pieces from the first's.
    All methods but the constructor need the lock.
    """

    def __init__(self, unit: str, mark: str, root: Path | None = None, rank: int = 0) -> None:
        self.leads = rank == 0
        self.stage_folder = (root or work_root()) / (unit if self.leads else f"{unit}.{rank}")
        self.folder = self.stage_folder / mark[:16]
        self.shared = self.stage_folder.with_name(unit) / mark[:16] / "parts"
        self.parts, self.outs = self.folder / "parts", self.folder / "outs"

    @contextmanager
    def lock(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """Holds the stage; another process waits for wait_s seconds, then gets a ValueError that names the holder."""
        self.stage_folder.mkdir(parents=True, exist_ok=True)
        holder = self.stage_folder / "holder"
        lock = FileLock(self.stage_folder / "lock")
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            pid = holder.read_text() if holder.exists() else "unknown"
            raise ValueError(
                f"{self.stage_folder.name} is being made by process {pid}; wait for it to end, or end it, and run again"
            ) from None
        try:
            holder.write_text(str(os.getpid()))
            self._clear()
            shutil.rmtree(self.outs, ignore_errors=True)
            self.parts.mkdir(parents=True, exist_ok=True)
            self.outs.mkdir()
            for leftover in self.parts.rglob(".aside-*"):
                leftover.unlink()
            yield
        finally:
            lock.release()

    def part(self, name: str) -> Path:
        """Where the piece of this name lies, or would."""
        return self.parts / name

    def has(self, name: str) -> bool:
        """Whether the piece is there, whole."""
        return self.part(name).exists()

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """A path to write the piece to; it gets its name only when the block ends well."""
        self.part(name).parent.mkdir(parents=True, exist_ok=True)
        with written_aside(self.part(name)) as aside:
            yield aside

    def once(self, name: str, write: Callable[[Path], None]) -> Path:
        """The piece of this name, which the first process writes unless it is there, and the others wait for."""
        if self.leads and not self.has(name):
            with self.publish(name) as aside:
                write(aside)
        while not (self.shared / name).exists():
            time.sleep(0.1)
        return self.shared / name

    def discard(self, name: str) -> None:
        """Removes a piece, if it is there (an old checkpoint)."""
        self.part(name).unlink(missing_ok=True)

    def assemble(self, out: Path, names: Iterable[str]) -> None:
        """Links pieces into a folder under their last names, so that a kill leaves them here. Replaces the folder."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for name in names:
            _link(self.part(name), out / Path(name).name)

    def finish(self) -> None:
        """Removes this and every other fingerprint of the stage: its outs are complete.

        Each is renamed first: a kill in between would leave some pieces of those that belong together.
        """
        for path in filter(Path.is_dir, list(self.stage_folder.iterdir())):
            os.replace(path, path.with_name(f"{GONE}{path.name}"))
        self._clear()

    def _clear(self) -> None:
        for path in self.stage_folder.glob(f"{GONE}*"):
            shutil.rmtree(path)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path in the same folder to write one file to; on a good end it is flushed to the disk and renamed to `path`."""
    aside = path.with_name(f".aside-{os.getpid()}-{path.name}")
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def place(source: Path, out: Path) -> None:
    """Gives a finished file or folder its final name at once, leaving the source: linked aside, then renamed."""
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
    _remove(aside)  # rename does nothing where both are links of one file


def die_with_parent() -> None:
    """Asks the kernel to end this process with its parent (Linux; nothing elsewhere), and leaves cleanly on SIGTERM.

    Without it a stage outlives a killed dvc and races the next run. The worker of a pool ends at once instead: its pool
    would take SystemExit for the failure of one item and give it the next.
    """
    if multiprocessing.parent_process() is None:
        signal.signal(signal.SIGTERM, _leave)
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or (parent == 1 and "DVC_ROOT" in os.environ):  # it died before the call
        _leave()


@contextmanager
def leaving_later() -> Iterator[Callable[[], bool]]:
    """Within, SIGTERM only notes that this process is to leave, which the yielded function tells; at the end it leaves.

    For what must not be torn in the middle, such as a step of a training. Elsewhere than in the main thread it does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[object] = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked:
        _leave()


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _link(source: Path | str, target: Path | str) -> None:
    """A hard link, or a copy across file systems."""
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
    """Path, size and mtime_ns of a file, or of every file of a folder, sorted."""
    files = sorted(path for path in dep.rglob("*") if path.is_file()) if dep.is_dir() else [dep]
    stats = ((path, path.stat()) for path in files)
    return [(path.as_posix(), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
