"""A checkout of EmoGen -> our files, one row for each artefact that it published, whatever became of it.

Artefacts are found by their names anywhere below the folder, and read one by one: a refused one does not stop the
others. Links out of the folder are not followed, and nothing that a file says is run.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from pipeline.corpora.images import Folder
from pipeline.corpora.records import Reason, RejectedError, shown
from pipeline.foreign.artefacts import ARTEFACTS, Artefact
from pipeline.foreign.checkpoint import MAX_CHECKPOINT_BYTES
from pipeline.foreign.outputs import OUTPUTS, Source
from pipeline.foreign.refusal import Refusal, RefusedError
from pipeline.work import written_aside

MANIFEST = "manifest.json"
Status = Literal["converted", "absent", "lfs_pointer", "refused"]

_LFS = b"version https://git-lfs.github.com/spec/v1"
_HTML = (b"<!doctype html", b"<html")
_SUFFIXES = tuple({PurePath(artefact.pattern).suffix for artefact in ARTEFACTS})  # most files are pictures
_WHOLE = frozenset(kind for kind, output in OUTPUTS.items() if output.needs_all)


@dataclass(frozen=True)
class Row:
    """What became of one artefact. source is relative to the imported folder, target to the written one.

    reason begins with the word of a Refusal or Reason where the status is refused.
    """

    kind: str
    status: Status
    source: str | None = None
    sha256: str | None = None
    reason: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class _Piece:
    """A row, and what was read for it."""

    artefact: Artefact
    row: Row
    payload: Any = None


def import_emogen(folder: Path, out: Path) -> list[Row]:
    """Converts what lies below `folder` into `out`, and returns one row per file, or per artefact that is absent.

    The manifest is written last. Raises ValueError where nothing of EmoGen is there, or `out` holds something.
    """
    check_empty(out)
    door = Folder(folder)
    found = find(door)
    if not any(found.values()):
        names = ", ".join(artefact.pattern for artefact in ARTEFACTS)
        raise ValueError(f"nothing of EmoGen below {folder}; looked for {names}")
    pieces = [piece for artefact in ARTEFACTS for piece in _pieces(door, artefact, found[artefact.label])]
    pieces = _without_incomplete(pieces)
    for kind, output in OUTPUTS.items():
        sources = {
            piece.artefact.member: Source(str(piece.row.source), str(piece.row.sha256), piece.payload)
            for piece in pieces
            if piece.artefact.kind == kind and piece.payload is not None
        }
        if sources:
            output.write(out / output.target, sources)
    rows = [piece.row for piece in pieces]
    write_manifest(out / MANIFEST, rows)
    return rows


def check_empty(out: Path) -> None:
    """Raises ValueError unless `out` is not there yet, or holds nothing but its README.md."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is no folder; name one that is empty or not there yet")
    held = sorted(path.name for path in out.iterdir() if path.name != "README.md") if out.exists() else []
    if held:
        raise ValueError(f"{out} already holds {', '.join(held[:5])}; delete that, or name another folder")


def find(door: Folder) -> dict[str, list[str]]:
    """Label of each artefact -> the paths of the files of its name, sorted. A file belongs to the first that fits."""
    found: dict[str, list[str]] = {artefact.label: [] for artefact in ARTEFACTS}
    root = Path(door.root)
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(set(folders) - {".git"})
        for path in (Path(folder) / name for name in sorted(names) if name.endswith(_SUFFIXES)):
            artefact = next((artefact for artefact in ARTEFACTS if path.match(artefact.pattern)), None)
            if artefact:
                found[artefact.label].append(path.relative_to(root).as_posix())
    return found


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """The rows as JSON, equal rows as equal bytes."""
    text = json.dumps({"artefacts": [asdict(row) for row in rows]}, indent=2, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def _pieces(door: Folder, artefact: Artefact, paths: Sequence[str]) -> list[_Piece]:
    """One piece per file of an artefact. Of files with equal bytes one is read; files that differ are all refused."""
    if not paths:
        return [_Piece(artefact, Row(artefact.label, "absent", reason=f"no {artefact.pattern}"))]
    pieces = [_opened(door, artefact, path) for path in paths]
    usable = [piece for piece in pieces if piece.payload is not None]
    contents = {piece.row.sha256 for piece in usable}
    if len(contents) > 1:
        why = RefusedError(Refusal.ambiguous, f"{len(contents)} different files have this name; leave one of them")
        return [_refused(piece, why) if piece.payload is not None else piece for piece in pieces]
    read = _read(usable[0]) if usable else None
    return [_resolved(piece, read) if read and piece.payload is not None else piece for piece in pieces]


def _opened(door: Folder, artefact: Artefact, path: str) -> _Piece:
    """One file: its bytes as payload, or none where it is a pointer or cannot be read."""
    piece = _Piece(
        artefact, Row(artefact.label, "converted", shown(path, 5000)[1:-1], target=OUTPUTS[artefact.kind].target)
    )
    try:
        data = door.read(path, MAX_CHECKPOINT_BYTES, Reason.unreadable_file)
    except RejectedError as why:
        return _refused(piece, why)
    row = replace(piece.row, sha256=hashlib.sha256(data).hexdigest())
    if data.startswith(_LFS):
        return _Piece(artefact, replace(row, status="lfs_pointer", reason=_pointer(data), target=None))
    return _Piece(artefact, row, data)


def _read(piece: _Piece) -> _Piece:
    """The piece with what its bytes hold as payload, or refused."""
    try:
        if piece.payload[:100].lstrip().lower().startswith(_HTML):
            raise RefusedError(Refusal.html_page, "a web page under this name; download the file itself")
        return replace(piece, payload=piece.artefact.read(piece.payload))
    except RefusedError as why:
        return _refused(piece, why)


def _resolved(piece: _Piece, read: _Piece) -> _Piece:
    """A file with the same bytes as the one that was read: the outcome is the same, the values are taken once."""
    if piece.row.source == read.row.source:
        return read
    reason = read.row.reason or f"same bytes as {read.row.source}"
    return _Piece(piece.artefact, replace(read.row, source=piece.row.source, reason=reason))


def _pointer(data: bytes) -> str:
    size = re.search(rb"^size (\d{1,15})$", data, re.MULTILINE)
    stands_for = f"{int(size[1])} bytes" if size else "a file"
    return f"a Git-LFS pointer to {stands_for}; `git lfs pull` in the checkout fetches it"


def _refused(piece: _Piece, why: RefusedError | RejectedError) -> _Piece:
    """The piece without what was read."""
    return _Piece(piece.artefact, replace(piece.row, status="refused", reason=str(why), target=None))


def _without_incomplete(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Refuses what was converted of a kind that only makes sense whole, where a member of it is missing."""
    have = {piece.artefact.label for piece in pieces if piece.payload is not None}
    lacking = {kind: [a.member for a in ARTEFACTS if a.kind == kind and a.label not in have] for kind in _WHOLE}
    return [
        _refused(piece, RefusedError(Refusal.incomplete, f"lacks {', '.join(lacking[piece.artefact.kind])}"))
        if piece.row.status == "converted" and lacking.get(piece.artefact.kind)
        else piece
        for piece in pieces
    ]


def _raise(error: OSError) -> None:
    raise error
