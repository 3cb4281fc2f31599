"""Read a tar file, such as a shard of webdataset, as the folder that unpacking it would make, without unpacking it.

What counts as an image, and which members are skipped as hidden, is as in `pipeline.corpora.folder`; captions and
labels beside the images are ignored. Nothing in a tar is trusted: headers are parsed one block at a time, no link is
followed, and no member is read whose size is above the limit. The damage of a tar is a reject under the tar's name.
"""

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from pipeline.ahead import ahead
from pipeline.corpora.folder import SUFFIXES, begins_as_picture, is_system_name, safe_name, unique
from pipeline.corpora.images import MAX_IMAGE_BYTES, MAX_PATH_CHARS, SIGNATURE_BYTES
from pipeline.corpora.picture import Picture, checked
from pipeline.corpora.records import Reason, Reject, RejectedError, shown

PLAIN = (".tar",)
COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")  # become rejects
MAX_HEADER_BYTES = 1 << 20  # of a long name, or of extended attributes
MAX_IMAGES = 2_000_000  # of a tar; their index is held in memory, a quarter of a kilobyte each
CHUNK_BYTES = 1 << 20
BLOCK = tarfile.BLOCKSIZE
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Member:
    """An image of a tar: its path, where its bytes are, and its id below the tar's. A refused one has the reason."""

    path: str
    begin: int = 0
    num_bytes: int = 0
    refused: RejectedError | None = None
    key: str = ""


def images(path: Path) -> tuple[Member, ...]:
    """Return the images of a tar sorted by key, which is unique in it; a refused rest of the tar is among them."""
    state = path.stat()
    return _images(path, state.st_size, state.st_mtime_ns)


def read(path: Path, ids: str, inside: str, members: tuple[Member, ...]) -> Iterator[Picture | Reject]:
    """Yield one image or reject for each member. `ids` and `inside` precede the members' keys and paths."""
    return ahead(partial(_outcome, path, ids, inside), members)


@lru_cache(maxsize=1)  # the parts of a tar follow each other
def _images(path: Path, num_bytes: int, _: int) -> tuple[Member, ...]:
    with path.open("rb") as file:
        members = sorted(_listed(file, path.name, num_bytes), key=lambda member: member.path)
    keys = unique([safe_name(member.path) for member in members])
    keyed = (replace(member, key=key) for member, key in zip(members, keys, strict=True))
    return tuple(sorted(keyed, key=lambda member: member.key))


def _listed(file: BinaryIO, name: str, num_bytes: int) -> Iterator[Member]:
    """Yield the images in the order of the tar, and at last the damage that hides what follows, if there is one."""
    number = 0
    try:
        for info in _headers(file, num_bytes):
            if not _counts(file, info):
                continue
            if number == MAX_IMAGES:
                raise RejectedError(Reason.file_too_large, f"what follows {MAX_IMAGES} images is not read; split it")
            number += 1
            yield _member(info, num_bytes)
    except RejectedError as why:
        yield Member(name, refused=why)


def _member(info: tarfile.TarInfo, num_bytes: int) -> Member:
    path = os.path.normpath(info.name[: MAX_PATH_CHARS + 1])
    member = Member(path, info.offset_data, info.size)
    try:
        if len(path) > MAX_PATH_CHARS or _FORBIDDEN.search(path):
            raise RejectedError(Reason.malformed_path, "too long, or with a backslash or a control character")
        if path.startswith(("/", "../")):
            raise RejectedError(Reason.path_outside_folder, "the path leads out of the tar")
        if info.type in _LINKS:
            raise RejectedError(Reason.unreadable_file, "a link, which is not followed in a tar")
        if not info.isreg() or info.type == tarfile.GNUTYPE_SPARSE:
            raise RejectedError(Reason.unreadable_file, "not a plain file")
        if info.size > MAX_IMAGE_BYTES:
            raise RejectedError(Reason.file_too_large, f"{info.size} bytes, at most {MAX_IMAGE_BYTES} are read")
        if info.offset_data + info.size > num_bytes:
            raise RejectedError(Reason.truncated_image, "the tar ends inside it")
        if not info.size:
            raise RejectedError(Reason.empty_file, f"{shown(path)} has 0 bytes")
    except RejectedError as why:
        return replace(member, num_bytes=0, refused=why)
    return member


def _counts(file: BinaryIO, info: tarfile.TarInfo) -> bool:
    """Return True if a member is named as an image or begins as one, and is not hidden or made by a system."""
    if info.isdir() or any(is_system_name(part) for part in info.name.split("/") if part not in ("", ".", "..")):
        return False
    if os.path.splitext(info.name)[1].lower() in SUFFIXES:
        return True
    if not info.isreg():
        return False
    file.seek(info.offset_data)
    return begins_as_picture(file.read(min(SIGNATURE_BYTES, info.size)))


def _headers(file: BinaryIO, num_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Yield every member with its full name, size and `offset_data`.

    Python's own reader holds extended headers of any size in memory, and takes damage for the end of the tar. Raises
    RejectedError where the tar is damaged or goes on behind its end.
    """
    offset, given = 0, dict[str, str]()
    while True:
        info = _header(file, offset)
        if info is None:
            _check_end(file, offset)
            return
        offset += BLOCK
        if info.type == tarfile.GNUTYPE_SPARSE:
            offset = _behind_map(file, offset)
        info.offset_data = offset
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            given |= _extension(file, info, num_bytes)
        elif info.type not in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            _apply(given, info)
            given = {}
            yield info
        if info.isreg() or info.type not in tarfile.SUPPORTED_TYPES or info.type in tarfile.GNU_TYPES:
            offset += -(-info.size // BLOCK) * BLOCK


def _header(file: BinaryIO, offset: int) -> tarfile.TarInfo | None:
    """Return the header at an offset, or None for the end mark. Raises RejectedError for anything else."""
    file.seek(offset)
    block = file.read(BLOCK)
    if block == bytes(BLOCK):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.size >= 0:
            return info
        problem = f"size {info.size}"
    except tarfile.HeaderError as error:
        problem = str(error)
    if not block:
        raise RejectedError(
            Reason.unreadable_file, f"it ends at byte {offset} without an end mark, so it may be cut off"
        )
    if not offset:
        raise RejectedError(Reason.unsupported_format, f"not a plain tar ({problem}); if it is compressed, unpack it")
    raise RejectedError(Reason.unreadable_file, f"damaged at byte {offset} ({problem}); what follows is not read")


def _check_end(file: BinaryIO, offset: int) -> None:
    """Check that a tar has nothing but zeros behind its end mark. Raises RejectedError for a second tar behind it."""
    file.seek(offset)
    while chunk := file.read(CHUNK_BYTES):
        if chunk.count(0) < len(chunk):
            raise RejectedError(Reason.unreadable_file, f"it ends at byte {offset}, and what follows is not read")


def _behind_map(file: BinaryIO, offset: int) -> int:
    """Return the offset of the data of a sparse member, whose map may go on behind its header."""
    file.seek(offset - BLOCK)
    is_extended = file.read(BLOCK)[482:483]
    while is_extended > b"\0":
        is_extended = file.read(BLOCK)[504:505]
        offset += BLOCK
    return offset


def _extension(file: BinaryIO, info: tarfile.TarInfo, num_bytes: int) -> dict[str, str]:
    """Return what an extended header says of the next member. Raises RejectedError if it is too large or damaged."""
    if info.size > MAX_HEADER_BYTES or info.offset_data + info.size > num_bytes:
        raise RejectedError(Reason.unreadable_file, f"a header of {info.size} bytes; what follows is not read")
    file.seek(info.offset_data)
    data = file.read(info.size)
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    records, place, end = dict[str, str](), 0, len(data.rstrip(b"\0"))
    while place < end:
        digits = data[place : place + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        keyword, equals, value = data[place + len(digits) + 1 : place + length - 1].partition(b"=")
        if not equals or length <= len(digits):
            raise RejectedError(Reason.unreadable_file, "damaged extended header; what follows is not read")
        records[keyword.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        place += length
    return records


def _apply(given: dict[str, str], info: tarfile.TarInfo) -> None:
    """Give a member the name and size of its extended header, and mark it if that calls it sparse."""
    info.name = given.get("GNU.sparse.name", given.get("path", info.name)).rstrip("/") or info.name
    if given.get("size", "").isdecimal():
        info.size = int(given["size"][:20])
    if any(key.startswith("GNU.sparse.") for key in given):
        info.type = tarfile.GNUTYPE_SPARSE


def _outcome(tar: Path, ids: str, inside: str, member: Member) -> Picture | Reject:
    image_id, path = f"{ids}/{member.key}", f"{inside}{member.path}"
    try:
        if member.refused:
            raise member.refused
        with tar.open("rb") as file:
            file.seek(member.begin)
            return checked(image_id, file.read(member.num_bytes), path)
    except RejectedError as why:
        return Reject(image_id, why.reason, f"{shown(path)}: {why.detail}")
