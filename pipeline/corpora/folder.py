"""Read any folder of images, however nested: runs of files -> images and rejects.

A file counts as an image if it has the name or the first bytes of one. If its content is not an image, it becomes a
reject with its reason. Hidden files and folders are skipped (thumbnails, what macOS leaves in archives). No link leads
out of the folder.
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

# Suffixes of image files. Formats of the second row cannot be read; each such file becomes a reject.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp",
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".tif", ".tiff",
)  # fmt: skip
SIGNATURE_BYTES = 12

_log = logging.getLogger("evoke")


@dataclass(frozen=True, slots=True)
class File:
    """A file that counts as an image, with its path in the folder. A file that the plan refuses carries its reject."""

    image_id: str
    path: str
    num_bytes: int = 0
    reject: Reject | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Consecutive files, sorted by image_id."""

    folder: Path
    files: tuple[File, ...]

    @property
    def num_rows(self) -> int:
        return len(self.files)

    def read(self) -> Iterator[Picture | Reject]:
        """Yield one image or reject per file, in order, with only the images that are decoded ahead in memory."""
        return ahead(partial(_outcome, Folder(self.folder)), self.files)


def plan(folder: Path, corpus: str, shard_images: int) -> list[Files]:
    """Return all images sorted by image_id, in runs of at most `shard_images`.

    Only files without a known suffix are opened. Raises ValueError if there is no folder, or no image in it.
    """
    door = Folder(folder)
    errors = _walk(door)
    paths = sorted(errors)
    ids = unique([f"{corpus}/{safe_name(path)}" for path in paths])
    files = [_file(door, image_id, path, errors[path]) for image_id, path in zip(ids, paths, strict=True)]
    if not files:
        raise ValueError(
            f"{folder} has no images: expected are data/*.parquet, or JPEG, PNG or WebP files at any depth"
        )
    ordered = sorted(files, key=lambda file: file.image_id)
    return [
        Files(folder, tuple(run))
        for run in runs(ordered, shard_images, MAX_SHARD_BYTES, lambda file: (1, file.num_bytes))
    ]


def safe_name(path: str) -> str:
    """Return a path without its image suffix, in safe characters only.

    Each run of characters other than letters, digits, "_", "-", "." and "/" becomes one "_".
    """
    stem, suffix = os.path.splitext(path)
    text = unicodedata.normalize("NFC", stem if suffix.lower() in SUFFIXES else path)
    return re.sub(r"[^\w./-]+", "_", text)


def unique(names: Iterable[str]) -> list[str]:
    """Return the names, with repeated ones numbered: a, a-2, a-3."""
    uses: dict[str, int] = {}
    result = []
    for name in names:
        candidate = name
        while candidate in uses:
            uses[name] += 1
            candidate = f"{name}-{uses[name]}"
        uses[candidate] = 1
        result.append(candidate)
    return result


def _walk(door: Folder) -> dict[str, RejectedError | None]:
    """Return the relative path of every file that counts as an image, with None.

    Folders that cannot be entered and links that lead out are included with their error.
    """
    errors: dict[str, RejectedError | None] = {}
    num_others = 0

    def refuse(error: OSError) -> None:
        if not isinstance(error, PermissionError):
            raise error  # a failing disk, for example, says nothing about the folder
        errors[os.path.relpath(str(error.filename), door.root)] = RejectedError(
            Reason.unreadable_file, f"the folder cannot be read: {error.strerror}"
        )

    for parent, folders, names in os.walk(door.root, onerror=refuse):
        inside = os.path.relpath(parent, door.root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(inside) > MAX_PATH_CHARS:  # no image below can be read, and walking ever deeper would fail
            errors[inside] = RejectedError(
                Reason.malformed_path, f"the path of the folder has more than {MAX_PATH_CHARS} characters"
            )
            folders[:] = names[:] = []
        for name in (name for name in names if not name.startswith(".")):
            if _counts(os.path.join(parent, name)):
                errors[os.path.normpath(os.path.join(inside, name))] = None
            else:
                num_others += 1
        errors |= _links_out(door, [os.path.normpath(os.path.join(inside, name)) for name in folders])
    if num_others:
        _log.info("%d files are not images, by name and content, and are ignored", num_others)
    return errors


def _links_out(door: Folder, folders: Sequence[str]) -> dict[str, RejectedError | None]:
    """Return the links among the folders that lead out of the root, with their error.

    The walk reaches the targets of links that stay inside anyway.
    """
    errors: dict[str, RejectedError | None] = {}
    for path in folders:
        if os.path.islink(os.path.join(door.root, path)):
            try:
                door.locate(path)
            except RejectedError as why:
                errors[path] = why
    return errors


def _counts(location: str) -> bool:
    """Return True if a file is named as an image or, being a regular file, begins as one."""
    if os.path.splitext(location)[1].lower() in SUFFIXES:
        return True
    try:
        if not stat.S_ISREG(os.lstat(location).st_mode):
            return False
        with open(location, "rb", buffering=0) as file:
            return begins_as_picture(file.read(SIGNATURE_BYTES))
    except OSError:
        return False  # nothing indicates that it is an image


def begins_as_picture(head: bytes) -> bool:
    """Return True if the first bytes of a file are the signature of a JPEG, PNG or WebP."""
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
    """Return the reject of a file; the detail includes its path, because the image_id is generated."""
    return Reject(file.image_id, why.reason, f"{shown(file.path)}: {why.detail}")
