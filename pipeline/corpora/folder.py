"""Any folder of pictures, nested as it is, -> runs of files -> pictures and rejects.

A picture is a file that is named as one or begins as one: what is no picture by its content becomes a reject with its
reason. Hidden files and folders are left alone (thumbnails, what macOS leaves in archives). No link leads out.
"""

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.ahead import ahead
from pipeline.corpora.images import MAX_IMAGE_BYTES, MAX_PATH_CHARS, Folder
from pipeline.corpora.pack import MAX_SHARD_BYTES, runs
from pipeline.corpora.picture import Picture, checked
from pipeline.corpora.records import Reason, Reject, RejectedError, shown

# Named as pictures; of the second row none is read, and each says so.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp",
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff",
)  # fmt: skip
SIGNATURE_BYTES = 12

_log = logging.getLogger("evoke")


@dataclass(frozen=True, slots=True)
class File:
    """A file that counts as a picture, by its path relative to the folder. One that the plan refuses has its reject."""

    image_id: str
    path: str
    num_bytes: int = 0
    reject: Reject | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Consecutive files, by image_id."""

    folder: Path
    files: tuple[File, ...]

    @property
    def num_rows(self) -> int:
        return len(self.files)

    def read(self) -> Iterator[Picture | Reject]:
        """One picture or reject per file, in their order, no more of them in memory than are decoded ahead."""
        return ahead(partial(_outcome, Folder(self.folder)), self.files)


def plan(folder: Path, corpus: str, shard_images: int) -> list[Files]:
    """All pictures by image_id, in runs of `shard_images` at most; opens only files that have no known suffix.

    Raises ValueError where there is no folder, or no picture in it.
    """
    door = Folder(folder)
    found = _walk(door)
    paths = sorted(found)
    ids = unique([f"{corpus}/{safe_name(path)}" for path in paths])
    files = [_file(door, image_id, path, found[path]) for image_id, path in zip(ids, paths, strict=True)]
    if not files:
        raise ValueError(f"{folder} holds no picture: neither data/*.parquet nor a JPEG, PNG or WebP at any depth")
    ordered = sorted(files, key=lambda file: file.image_id)
    return [
        Files(folder, tuple(run))
        for run in runs(ordered, shard_images, MAX_SHARD_BYTES, lambda file: (1, file.num_bytes))
    ]


def safe_name(path: str) -> str:
    """A path without its picture's suffix, with every character but letters, digits, "_", "-", "." and "/" as "_"."""
    stem, suffix = os.path.splitext(path)
    text = unicodedata.normalize("NFC", stem if suffix.lower() in SUFFIXES else path)
    return re.sub(r"[^\w./-]+", "_", text)


def unique(names: Iterable[str]) -> list[str]:
    """The names, a repeated one numbered: a, a-2, a-3."""
    taken: dict[str, int] = {}
    result = []
    for name in names:
        candidate = name
        while candidate in taken:
            taken[name] += 1
            candidate = f"{name}-{taken[name]}"
        taken[candidate] = 1
        result.append(candidate)
    return result


def _walk(door: Folder) -> dict[str, RejectedError | None]:
    """Relative paths of all that counts as a picture, and of folders that cannot be entered with the reason."""
    found: dict[str, RejectedError | None] = {}
    num_others = 0

    def refuse(error: OSError) -> None:
        if not isinstance(error, PermissionError):
            raise error  # a failing disk says nothing of the folder
        found[os.path.relpath(str(error.filename), door.root)] = RejectedError(
            Reason.unreadable_file, f"the folder cannot be read: {error.strerror}"
        )

    for parent, folders, names in os.walk(door.root, onerror=refuse):
        inside = os.path.relpath(parent, door.root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(inside) > MAX_PATH_CHARS:  # no picture below can be read, and a walk for ever deeper would fail
            found[inside] = RejectedError(Reason.malformed_path, f"a folder of more than {MAX_PATH_CHARS} characters")
            folders[:] = names[:] = []
        for name in (name for name in names if not name.startswith(".")):
            if _counts(os.path.join(parent, name)):
                found[os.path.normpath(os.path.join(inside, name))] = None
            else:
                num_others += 1
        found |= _links_out(door, [os.path.normpath(os.path.join(inside, name)) for name in folders])
    if num_others:
        _log.info("%d files are no pictures by name and content: left alone", num_others)
    return found


def _links_out(door: Folder, folders: Sequence[str]) -> dict[str, RejectedError | None]:
    """The links among folders that lead out; those that lead about inside are met where they point."""
    found: dict[str, RejectedError | None] = {}
    for path in folders:
        if os.path.islink(os.path.join(door.root, path)):
            try:
                door.locate(path)
            except RejectedError as why:
                found[path] = why
    return found


def _counts(location: str) -> bool:
    """Whether a file is named as a picture or, being a regular file, begins as one."""
    if os.path.splitext(location)[1].lower() in SUFFIXES:
        return True
    try:
        if not stat.S_ISREG(os.lstat(location).st_mode):
            return False
        with open(location, "rb", buffering=0) as file:
            return begins_as_picture(file.read(SIGNATURE_BYTES))
    except OSError:
        return False  # nothing says that it is a picture


def begins_as_picture(head: bytes) -> bool:
    """Whether the first bytes of a file are the signature of a JPEG, PNG or WebP."""
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP")


def _file(door: Folder, image_id: str, path: str, refused: RejectedError | None) -> File:
    file = File(image_id, path)
    try:
        if refused:
            raise refused
        return replace(file, num_bytes=door.size(path, Reason.missing_image))
    except RejectedError as why:
        return replace(file, reject=_reject(file, why))


def _outcome(door: Folder, file: File) -> Picture | Reject:
    if file.reject:
        return file.reject
    try:
        return checked(file.image_id, door.read(file.path, MAX_IMAGE_BYTES, Reason.missing_image), file.path)
    except RejectedError as why:
        return _reject(file, why)


def _reject(file: File, why: RejectedError) -> Reject:
    """With the path beside what was found, as the id is a made one."""
    return Reject(file.image_id, why.reason, f"{shown(file.path)}: {why.detail}")
