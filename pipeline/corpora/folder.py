"""Read any folder of images, however nested: runs of files -> images and rejects.

A file counts as an image if it has the name or the first bytes of one. If its content is not an image, it becomes a
reject with its reason. Hidden entries and those that systems make (thumbnails, recycle bins, what macOS leaves in
archives) are skipped, and their number is logged. `pipeline.corpora.images.Folder` says which links are followed.
"""

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.ahead import ahead
from pipeline.corpora.images import MAX_IMAGE_BYTES, MAX_PATH_CHARS, SIGNATURE_BYTES, Folder, format_of
from pipeline.corpora.pack import MAX_SHARD_BYTES, runs
from pipeline.corpora.picture import Picture, checked
from pipeline.corpora.records import Reason, Reject, RejectedError, shown

READABLE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
SUFFIXES = (*READABLE, ".heic", ".heif", ".jp2", ".jxl")  # files with one of the last four become rejects
# Names that NAS systems, Windows and macOS give to their own files and folders, in lower case.
SYSTEM_NAMES = frozenset({
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin", "system volume information",
    "lost+found", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini",
})  # fmt: skip

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
    follow_links: bool = False

    @property
    def num_rows(self) -> int:
        return len(self.files)

    def read(self) -> Iterator[Picture | Reject]:
        """Yield one image or reject per file, in order, with only the images that are decoded ahead in memory."""
        return ahead(partial(_outcome, Folder(self.folder, self.follow_links)), self.files)


def plan(folder: Path, corpus: str, shard_images: int, follow_links: bool = False) -> list[Files]:
    """Return all images sorted by image_id, in runs of at most `shard_images`.

    Only files without a known suffix are opened. `follow_links` also follows links to files and folders anywhere.
    Raises ValueError if there is no folder, or no image in it.
    """
    door = Folder(folder, follow_links)
    errors, num_skipped = _walk(door)
    paths = sorted(errors)
    ids = unique([f"{corpus}/{safe_name(path)}" for path in paths])
    files = [_file(door, image_id, path, errors[path]) for image_id, path in zip(ids, paths, strict=True)]
    if not files:
        skipped = f"; {_skipped(num_skipped)}" if num_skipped else ""
        raise ValueError(f"{folder} has no images: expected are data/*.parquet, or image files at any depth{skipped}")
    ordered = sorted(files, key=lambda file: file.image_id)
    return [
        Files(folder, tuple(run), follow_links)
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


def is_system_name(name: str) -> bool:
    """Return True if a file or folder of this name is hidden or made by a system, and therefore skipped."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _walk(door: Folder) -> tuple[dict[str, RejectedError | None], int]:
    """Return the relative path of every file that counts as an image, with None, and the number of skipped entries.

    Folders that cannot be entered and links that lead out are included with their error.
    """
    errors: dict[str, RejectedError | None] = {}
    visited = {door.root}
    num_others = num_skipped = 0

    def refuse(error: OSError) -> None:
        if not isinstance(error, PermissionError):
            raise error  # a failing disk, for example, says nothing about the folder
        errors[os.path.relpath(str(error.filename), door.root)] = RejectedError(
            Reason.unreadable_file, f"the folder cannot be read: {error.strerror}"
        )

    for parent, folders, names in os.walk(door.root, onerror=refuse, followlinks=door.follow_links):
        inside = os.path.relpath(parent, door.root)
        own_folders, own_names = ([name for name in both if not is_system_name(name)] for both in (folders, names))
        num_skipped += len(folders) + len(names) - len(own_folders) - len(own_names)
        if len(inside) > MAX_PATH_CHARS:  # no image below can be read, and walking ever deeper would fail
            errors[inside] = RejectedError(
                Reason.malformed_path, f"the path of the folder has more than {MAX_PATH_CHARS} characters"
            )
            own_folders, own_names = [], []
        for path in (os.path.normpath(os.path.join(inside, name)) for name in own_names):
            if _counts(door, path):
                errors[path] = None
            else:
                num_others += 1
        paths = {name: os.path.normpath(os.path.join(inside, name)) for name in sorted(own_folders)}
        errors |= _links_out(door, paths.values())
        folders[:] = [name for name, path in paths.items() if path not in errors and _is_new(door, path, visited)]
    if num_others:
        _log.info("%d files are not images, by name and content, and are ignored", num_others)
    if num_skipped:
        _log.warning("%s", _skipped(num_skipped))
    return errors, num_skipped


def _skipped(number: int) -> str:
    return f"skipped: {number} hidden or system files and folders, such as .DS_Store, @eaDir, #recycle"


def _is_new(door: Folder, path: str, visited: set[str]) -> bool:
    """Return True for a folder that the walk has not met; add folders to `visited` where links may lead to them again.

    Links to places inside the folder are not followed, because the walk reaches their targets anyway.
    """
    if not door.follow_links:
        return True  # os.walk does not enter links
    location = os.path.join(door.root, path)
    real = os.path.realpath(location)
    if real in visited or (os.path.islink(location) and door.holds(real)):
        return False
    visited.add(real)
    return True


def _links_out(door: Folder, folders: Iterable[str]) -> dict[str, RejectedError | None]:
    """Return the links among the folders that lead out of the root, with their error, unless they are followed."""
    errors: dict[str, RejectedError | None] = {}
    for path in folders:
        if os.path.islink(os.path.join(door.root, path)):
            try:
                door.locate(path)
            except RejectedError as why:
                errors[path] = why
    return errors


def _counts(door: Folder, path: str) -> bool:
    """Return True if a file is named as an image or, being a regular file, begins as one."""
    if os.path.splitext(path)[1].lower() in SUFFIXES:
        return True
    try:
        location = door.locate(path)
        if not stat.S_ISREG(os.lstat(location).st_mode):
            return False
        with open(location, "rb", buffering=0) as file:
            return begins_as_picture(file.read(SIGNATURE_BYTES))
    except (OSError, RejectedError):
        return False  # nothing indicates that it is an image


def begins_as_picture(head: bytes) -> bool:
    """Return True if the first bytes of a file are an image's signature.

    That of TIFF is left out: raw files of cameras have it too, and all that would be read of them is a thumbnail.
    """
    return format_of(head) not in (None, "TIFF")


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
    hint = " (`evoke curate` and `evoke score` follow it with --follow-links)"
    detail = f"{why.detail}{hint if why.reason is Reason.path_outside_folder else ''}"
    return Reject(file.image_id, why.reason, f"{shown(file.path)}: {detail}")
