"""Import a checkout of EmoGen as our files, with one manifest row for every artifact that it published.

Artifacts are found by name anywhere below the folder and read one by one: a refused file does not stop the others.
Links out of the folder are not followed, and nothing that a file contains is run.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from evoke.foreign.artefacts import ARTEFACTS, Artefact
from evoke.foreign.checkpoint import MAX_CHECKPOINT_BYTES
from evoke.foreign.outputs import OUTPUTS
from evoke.foreign.pickles import MAX_PICKLE_BYTES
from evoke.foreign.refusal import RefusedError
from pipeline.corpora.images import Folder
from pipeline.corpora.records import Reason, RejectedError, shown
from pipeline.work import written_aside

MANIFEST = "manifest.json"
Status = Literal["converted", "absent", "lfs_pointer", "refused"]

_LFS = b"version https://git-lfs.github.com/spec/v1"
_HTML = (b"<!doctype html", b"<html")
_SUFFIXES = tuple({PurePath(artefact.pattern).suffix for artefact in ARTEFACTS})  # skips most files, which are images


@dataclass(frozen=True)
class Row:
    """The outcome of importing one artifact.

    `source` is relative to the imported folder, `target` to the written one. `reason` begins with the word of a Refusal
    or Reason if the status is refused.
    """

    kind: str
    status: Status
    source: str | None = None
    sha256: str | None = None
    reason: str | None = None
    target: str | None = None


def import_emogen(folder: Path, out: Path) -> list[Row]:
    """Convert the EmoGen files below `folder` into `out`, and return one row per file or absent artifact.

    The manifest is written last. Raises ValueError if `folder` holds nothing of EmoGen, or if `out` holds more than
    a README.md.
    """
    check_empty(out)
    door = Folder(folder)
    candidates = find(door)
    if not any(candidates.values()):
        names = ", ".join(artefact.pattern for artefact in ARTEFACTS)
        raise ValueError(f"{folder} has no file of EmoGen; expected are {names}")
    results = {artefact: _convert(door, artefact, candidates[artefact.label]) for artefact in ARTEFACTS}
    for kind, output in OUTPUTS.items():
        members = {artefact: results[artefact] for artefact in ARTEFACTS if artefact.kind == kind}
        values = {artefact.member: value for artefact, (_, value) in members.items() if value is not None}
        lacking = [artefact.member for artefact in members if artefact.member not in values]
        if output.needs_all and lacking:
            why = RefusedError("incomplete", f"lacks {', '.join(lacking)}")
            results |= {artefact: (_refused(rows, why), None) for artefact, (rows, _) in members.items()}
        elif values:
            output.write(out / output.target, values, _provenance(members.values()))
    rows = [row for own, _ in results.values() for row in own]
    text = json.dumps({"artefacts": [asdict(row) for row in rows]}, indent=2, sort_keys=True)
    out.mkdir(parents=True, exist_ok=True)
    with written_aside(out / MANIFEST) as aside:
        aside.write_text(text + "\n", encoding="utf-8")
    return rows


def check_empty(out: Path) -> None:
    """Raise ValueError unless `out` does not exist yet, or holds nothing except its README.md."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is not a folder; name a new or empty folder")
    existing = sorted(path.name for path in out.iterdir() if path.name != "README.md") if out.exists() else []
    if existing:
        raise ValueError(f"{out} already contains {', '.join(existing[:5])}; delete these or name another folder")


def find(door: Folder) -> dict[str, list[str]]:
    """Return label of each artifact -> sorted paths of the files with its name.

    A file belongs to the first artifact that matches.
    """
    candidates: dict[str, list[str]] = {artefact.label: [] for artefact in ARTEFACTS}
    root = Path(door.root)
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(set(folders) - {".git"})
        for path in (Path(folder) / name for name in sorted(names) if name.endswith(_SUFFIXES)):
            artefact = next((artefact for artefact in ARTEFACTS if path.match(artefact.pattern)), None)
            if artefact:
                candidates[artefact.label].append(path.relative_to(root).as_posix())
    return candidates


def _convert(door: Folder, artefact: Artefact, paths: Sequence[str]) -> tuple[list[Row], Any]:
    """Return one row per file of an artifact, and the values of the first usable file if there is one.

    Of files with equal bytes one is read; files that differ are all refused.
    """
    if not paths:
        return [Row(artefact.label, "absent", reason=f"no {artefact.pattern}")], None
    contents: dict[str | None, bytes] = {}
    rows = [_opened(door, artefact, path, contents) for path in paths]
    try:
        if len(contents) > 1:
            raise RefusedError("ambiguous", f"{len(contents)} different files have this name; keep only one of them")
        if any(data[:100].lstrip().lower().startswith(_HTML) for data in contents.values()):
            raise RefusedError("html_page", "the file is a web page; download the file itself")
        values = [artefact.read(data, artefact.member) for data in contents.values()]
    except RefusedError as why:
        return _refused(rows, why), None
    first = next((row for row in rows if row.status == "converted"), None)
    if first is None:
        return rows, None
    copy = f"has the same bytes as {first.source}"
    copies = [row for row in rows if row.status == "converted" and row is not first]
    return [replace(row, reason=copy) if row in copies else row for row in rows], values[0]


def _opened(door: Folder, artefact: Artefact, path: str, contents: dict[str | None, bytes]) -> Row:
    """Return the row of one file; unless it is a pointer or cannot be read, `contents` gets its bytes by SHA-256."""
    row = Row(artefact.label, "converted", shown(path, 5000)[1:-1], target=OUTPUTS[artefact.kind].target)
    limit = MAX_PICKLE_BYTES if path.endswith(".pkl") else MAX_CHECKPOINT_BYTES
    try:
        data = door.read(path, limit, Reason.unreadable_file)
    except RejectedError as why:
        return _refused([row], why)[0]
    row = replace(row, sha256=hashlib.sha256(data).hexdigest())
    if data.startswith(_LFS):
        return replace(row, status="lfs_pointer", reason=_pointer(data), target=None)
    contents[row.sha256] = data
    return row


def _pointer(data: bytes) -> str:
    size = re.search(rb"^size (\d{1,15})$", data, re.MULTILINE)
    stands_for = f"{int(size[1])} bytes" if size else "a file"
    return f"a Git LFS pointer to {stands_for}; run `git lfs pull` in the checkout to download it"


def _refused(rows: Sequence[Row], why: RefusedError | RejectedError) -> list[Row]:
    """Return the rows, with those that were converted refused."""
    return [
        replace(row, status="refused", reason=str(why), target=None) if row.status == "converted" else row
        for row in rows
    ]


def _provenance(results: Iterable[tuple[list[Row], Any]]) -> dict[str, str]:
    """Return the metadata of a weights file: its origin, and the SHA-256 of each source file by path."""
    firsts = [next(row for row in rows if row.status == "converted") for rows, value in results if value is not None]
    return {"origin": "EmoGen", "sources": json.dumps({row.source: row.sha256 for row in firsts})}


def _raise(error: OSError) -> None:
    raise error
