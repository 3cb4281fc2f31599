"""Protect and repair DVC's own files after a kill: dvc.lock, its read/write lock list, and its run cache.

DVC writes the first two in place, so a kill can leave half a file, which would stop every later run. The list may also
name processes that have ended, and the run cache takes a half-written entry under another name for a run. This module
makes DVC write dvc.lock to a temporary file first, and repairs before the next run what a kill has left of the others.
If plain `dvc repro` was killed while writing dvc.lock, the half-written last stage is cut off and the stages after it
are already lost; DVC finds their outputs in its run cache.

DVC reads and writes dvc.lock after every stage with a pure-Python parser that keeps comments; here libyaml does it.
"""

import io
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.work import written_aside

if TYPE_CHECKING:
    from dvc.repo import Repo

LOCK, HEAD = "dvc.lock", "schema: "  # start of a lock file
CLOCKS_S = 60  # tolerated difference between process and file times
CONFLICT = ("<<<<<<<", ">>>>>>>")
STAGE = re.compile(r"^  \S.*$", re.MULTILINE)  # first line of a stage in a lock file

log = logging.getLogger(__name__)


def keep_locks_whole() -> None:
    """Make DVC in this process write dvc.lock to a temporary file and rename it, and parse and write it with libyaml.

    The file is then always whole, and DVC is several times faster with it.
    """
    from dvc.utils.serialize import _common, _yaml

    in_place, for_update = _common._dump_data, _yaml.parse_yaml_for_update

    def dump(path: Any, data: Any, dumper: Any, fs: Any = None, **options: Any) -> None:
        if Path(path).name != LOCK:
            in_place(path, data, dumper, fs, **options)
            return
        with written_aside(Path(path)) as aside:
            in_place(str(aside), data, dump_lock, fs, **options)

    def parse(text: str, path: Any) -> Any:
        return _yaml.parse_yaml(text, path) if Path(path).name == LOCK else for_update(text, path)

    _common._dump_data = _yaml._dump_data = dump
    _yaml.parse_yaml_for_update = parse


def dump_lock(data: Any, stream: TextIO) -> None:
    """Write the text of dvc.lock to a stream with libyaml, exactly as DVC formats it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        """A representer that writes null as nothing, as DVC does."""

    Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", ""))
    Representer.add_representer(OrderedDict, Representer.represent_dict)
    yaml: Any = YAML(typ="safe")
    yaml.Representer, yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = Representer, False, False
    text = io.StringIO()
    yaml.dump(data, text)
    stream.write(re.sub(": $", ":", text.getvalue(), flags=re.MULTILINE))


def mend(repo: "Repo") -> None:
    """Remove stale lock entries and temporary files. The caller must hold the repository lock."""
    mend_list(repo)
    runs = Path(repo.stage_cache.cache_dir)
    for path in runs.glob("*/*/.*.tmp"):
        path.unlink()
    for folder in runs.glob("*/*/"):
        if not any(folder.iterdir()):
            folder.rmdir()


def mend_list(repo: "Repo") -> None:
    """Remove processes that have ended from DVC's read/write lock list, or the whole list if it is damaged."""
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    folder = Path(repo.tmp_dir)
    path = folder / RWLOCK_FILE
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink):
        if not path.exists():
            return
        try:
            entries = json.loads(path.read_bytes())
            written = path.stat().st_mtime
            remaining = {
                "write": {
                    url: process for url, process in entries.get("write", {}).items() if is_alive(process, written)
                },
                "read": {
                    url: alive
                    for url, readers in entries.get("read", {}).items()
                    if (alive := [process for process in readers if is_alive(process, written)])
                },
            }
        except (ValueError, TypeError, AttributeError, KeyError):
            path.unlink()
            log.warning("%s was damaged by a killed run and has been removed", path)
            return
        if remaining != {"write": {}, "read": {}} | entries:
            with written_aside(path) as aside:
                aside.write_text(json.dumps(remaining))


def is_alive(entry: Mapping[str, Any], written: float) -> bool:
    """Return True if the process of a lock entry is still running.

    A later process with the same number does not count. written: the time at which the list was written.
    """
    import psutil

    try:
        process = psutil.Process(entry["pid"])
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= written + CLOCKS_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def mend_lock_file(repo: "Repo") -> bool:
    """Cut dvc.lock back to its last whole stage if it ends in the middle of one, and return True if this was done.

    A file that a person broke, such as an unfinished merge, cannot be repaired by cutting and is left as it is. The
    caller must hold the repository lock.
    """
    path = Path(repo.root_dir) / LOCK
    if not path.exists():
        return False
    text = path.read_bytes().decode(errors="ignore")  # the file may end within a multi-byte character
    begins = [match.start() for match in STAGE.finditer(text)]
    kept = text[: begins[-1]] if len(begins) > 1 else ""
    is_torn = is_readable(kept) if kept else text[: len(HEAD)] == HEAD[: len(text)]
    if is_readable(text) or not is_torn or any(mark in text for mark in CONFLICT):
        return False
    if kept:
        with written_aside(path) as aside:
            aside.write_text(kept, encoding="utf-8")
    else:
        path.unlink()
    log.warning("%s was damaged by a killed run; its first %d stages were kept", path, max(len(begins) - 1, 0))
    return True


def is_readable(text: str) -> bool:
    """Return True if DVC accepts a text as a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLError, parse_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, LOCK))
    except (YAMLError, Invalid):
        return False
    return True
