"""Import a checkout of EmoGen as our files, with one manifest row for every artifact that it published.

Artifacts are found by name anywhere below the folder and read one by one: a refused file does not stop the others.
Links out of the folder are not followed, and nothing that a file contains is run.
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
_SUFFIXES = tuple({PurePath(artefact.pattern).suffix for artefact in ARTEFACTS})  # skips most files, which are images
_WHOLE = frozenset(kind for kind, output in OUTPUTS.items() if output.needs_all)


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


@dataclass(frozen=True)
class _Piece:
    """A row with the payload that was read for it."""

    artefact: Artefact
    row: Row
    payload: Any = None


def import_emogen(folder: Path, out: Path) -> list[Row]:
    """Convert the EmoGen files below `folder` into `out`, and return one row per file or absent artifact.

    The manifest is written last. Raises ValueError if `folder` holds nothing of EmoGen, or if `out` holds more than
    a README.md.
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
    """Raise ValueError unless `out` does not exist yet, or holds nothing except its README.md."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is no folder; name one that is empty or not there yet")
    held = sorted(path.name for path in out.iterdir() if path.name != "README.md") if out.exists() else []
    if held:
        raise ValueError(f"{out} already holds {', '.join(held[:5])}; delete that, or name another folder")


def find(door: Folder) -> dict[str, list[str]]:
    """Return label of each artifact -> sorted paths of the files with its name.

    A file belongs to the first artifact that matches.
    """
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
    """Write the rows as JSON; equal rows give equal bytes."""
    text = json.dumps({"artefacts": [asdict(row) for row in rows]}, indent=2, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def _pieces(door: Folder, artefact: Artefact, paths: Sequence[str]) -> list[_Piece]:
    """Return one piece per file of an artifact.

    Of files with equal bytes one is read; files that differ are all refused.
    """
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
    """Return the piece of one file, with its bytes as payload unless it is a pointer or cannot be read."""
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
    """Return the piece with the values parsed from its bytes as payload, or refused."""
    try:
        if piece.payload[:100].lstrip().lower().startswith(_HTML):
            raise RefusedError(Refusal.html_page, "a web page under this name; download the file itself")
        return replace(piece, payload=piece.artefact.read(piece.payload))
    except RefusedError as why:
        return _refused(piece, why)


def _resolved(piece: _Piece, read: _Piece) -> _Piece:
    """Return the outcome of a file with the same bytes as the one that was read.

    The outcome is the same, but only the file that was read keeps the values.
    """
    if piece.row.source == read.row.source:
        return read
    reason = read.row.reason or f"same bytes as {read.row.source}"
    return _Piece(piece.artefact, replace(read.row, source=piece.row.source, reason=reason))


def _pointer(data: bytes) -> str:
    size = re.search(rb"^size (\d{1,15})$", data, re.MULTILINE)
    stands_for = f"{int(size[1])} bytes" if size else "a file"
    return f"a Git-LFS pointer to {stands_for}; `git lfs pull` in the checkout fetches it"


def _refused(piece: _Piece, why: RefusedError | RejectedError) -> _Piece:
    """Return the piece as refused, without its payload."""
    return _Piece(piece.artefact, replace(piece.row, status="refused", reason=str(why), target=None))


def _without_incomplete(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return the pieces, refusing converted ones whose kind is usable only whole and lacks a member."""
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
