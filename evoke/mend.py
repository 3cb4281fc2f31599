"""DVC's own files and kills: dvc.lock, its list of who reads and writes what, its cache of runs.

DVC writes the first two in place, so that a kill leaves half of one, which would end every later run; the list may name
processes that are gone; and the cache of runs takes what was half written under another name for a run. Here dvc.lock
is written aside, and what a kill has left of the others is mended before the next run. A lock that plain `dvc repro`
has torn loses its half-written last stage and has lost those after it; what they made DVC finds in its cache of runs.

DVC reads and writes dvc.lock after every stage with a parser in Python that keeps comments; here it is libyaml's.
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

LOCK, HEAD = "dvc.lock", "schema: "  # how a lock file begins
CLOCKS_S = 60  # by how much the times of processes and of files may be apart
CONFLICT = ("<<<<<<<", ">>>>>>>")
STAGE = re.compile(r"^  \S.*$", re.MULTILINE)  # where a stage begins in a lock file

log = logging.getLogger(__name__)


def keep_locks_whole() -> None:
    """From now on DVC in this process writes dvc.lock beside itself and renames it, whole; and several times faster."""
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
    """The text of dvc.lock as DVC writes it, by libyaml."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        """Null as nothing at all, as DVC has it."""

    Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", ""))
    Representer.add_representer(OrderedDict, Representer.represent_dict)
    yaml: Any = YAML(typ="safe")
    yaml.Representer, yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = Representer, False, False
    text = io.StringIO()
    yaml.dump(data, text)
    stream.write(re.sub(": $", ":", text.getvalue(), flags=re.MULTILINE))


def mend(repo: "Repo") -> None:
    """What no living process needs: call it with the lock of the repository."""
    mend_list(repo)
    runs = Path(repo.stage_cache.cache_dir)
    for path in runs.glob("*/*/.*.tmp"):
        path.unlink()
    for folder in runs.glob("*/*/"):
        if not any(folder.iterdir()):
            folder.rmdir()


def mend_list(repo: "Repo") -> None:
    """Removes from the list of who reads and writes what those who are gone, and the list where it is torn."""
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    folder = Path(repo.tmp_dir)
    path = folder / RWLOCK_FILE
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink):
        if not path.exists():
            return
        try:
            found = json.loads(path.read_bytes())
            written = path.stat().st_mtime
            left = {
                "write": {url: who for url, who in found.get("write", {}).items() if is_alive(who, written)},
                "read": {
                    url: alive
                    for url, all_of in found.get("read", {}).items()
                    if (alive := [who for who in all_of if is_alive(who, written)])
                },
            }
        except (ValueError, TypeError, AttributeError, KeyError):
            path.unlink()
            log.warning("%s was torn by a kill: removed", path)
            return
        if left != {"write": {}, "read": {}} | found:
            with written_aside(path) as aside:
                aside.write_text(json.dumps(left))


def is_alive(who: Mapping[str, Any], written: float) -> bool:
    """Whether the process of an entry runs, and is no later one of the same number. written: when the list was."""
    import psutil

    try:
        process = psutil.Process(who["pid"])
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= written + CLOCKS_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def mend_lock_file(repo: "Repo") -> bool:
    """Cuts dvc.lock back to its last whole stage if it ends in the middle of one. Whether it did.

    What a person broke, such as a merge that is not finished, is not mended by another end, and stays as it is. Call it
    with the lock of the repository.
    """
    path = Path(repo.root_dir) / LOCK
    if not path.exists():
        return False
    text = path.read_bytes().decode(errors="ignore")  # it may end in the middle of a letter
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
    log.warning("%s was torn by a kill: cut back to its %d whole stages", path, max(len(begins) - 1, 0))
    return True


def is_readable(text: str) -> bool:
    """Whether DVC takes a text for a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLError, parse_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, LOCK))
    except (YAMLError, Invalid):
        return False
    return True
