"""What a kill tears of DVC's own files, dvc.lock and its list of who reads and writes what: DVC writes both in place.

A torn one would end every later run. The lock loses its half-written last stage and has lost those after it; what they
made DVC finds in its cache of runs.
"""

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.repo import Repo

LOCK, HEAD = "dvc.lock", "schema: "  # how a lock file begins
CONFLICT = ("<<<<<<<", ">>>>>>>")
STAGE = re.compile(r"^  \S.*$", re.MULTILINE)  # where a stage begins in a lock file

log = logging.getLogger(__name__)


def mend_locks(repo: "Repo") -> None:
    """Removes the list of who reads and writes what where it is torn. It tells of what runs, and no result."""
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    folder = Path(repo.tmp_dir)
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink):
        try:
            json.loads((folder / RWLOCK_FILE).read_bytes())
        except FileNotFoundError:
            pass
        except ValueError:
            (folder / RWLOCK_FILE).unlink()
            log.warning("%s was torn by a kill: removed", folder / RWLOCK_FILE)


def mend_lock_file(repo: "Repo") -> bool:
    """Cuts dvc.lock back to its last whole stage if it ends in the middle of one. Whether it did.

    What a person broke, such as a merge that is not finished, is not mended by another end, and stays as it is.
    """
    path = Path(repo.root_dir) / LOCK
    if not path.exists():
        return False
    with repo.lock:
        text = path.read_text(encoding="utf-8")
        begins = [match.start() for match in STAGE.finditer(text)]
        kept = text[: begins[-1]] if len(begins) > 1 else ""
        is_torn = is_readable(kept) if kept else text[: len(HEAD)] == HEAD[: len(text)]
        if is_readable(text) or not is_torn or any(mark in text for mark in CONFLICT):
            return False
        if kept:
            path.write_text(kept, encoding="utf-8")
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
