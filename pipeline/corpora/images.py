"""Open the files of a dataset's folder and decode images, trusting neither; readers of every layout use this module.

`Folder` opens only files inside its root, and linked ones that `_resolve` allows. `read_image` decodes complete images
of FORMATS under a pixel limit. `to_rgb` converts every mode to upright RGB; nothing else in the project turns an image.
The module knows nothing about any dataset.
"""

import errno
import os
import re
import stat
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from pipeline.corpora.records import Reason, RejectedError, shown

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", *(("AVIF",) if features.check("avif") else ()))
SIGNATURE_BYTES = 40
MAX_PIXELS = 89_478_485  # 256 MiB of RGB; above it Pillow warns of a decompression bomb
MAX_IMAGE_BYTES = 64 << 20
MAX_PATH_CHARS = 1024
MAX_SCANS = 500  # of a JPEG; progressive files have about ten, and each is a pass over all pixels

# Errors of Pillow's decoders on hostile bytes. MemoryError is left out because it says nothing about the file.
_DECODER_ERRORS = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_SCAN = b"\xff\xda"  # SOS, a marker that never occurs in the coded pixels of a JPEG
_JPEG, _PNG, _RIFF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"
_MARKS = {
    _JPEG: "JPEG", _PNG: "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
# DVC's cache names a file by the MD5 of its content; `.dvc/cache` without `files/md5` is the layout of DVC 2.
_IN_DVC_CACHE = re.compile(r"/(?:files/md5|\.dvc/cache)/[0-9a-f]{2}/[0-9a-f]{30}\Z")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> transposition that turns the image upright (EXIF 2.3, tag 0x0112)
_SIDEWAYS = (5, 6, 7, 8)

# Between one and two times its limit Pillow only warns, so the warning is made an error. The filter applies to the
# whole process because catch_warnings is not thread-safe.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # on damaged EXIF blocks, which count as none


class Folder:
    """A dataset's folder, and the only way in which readers open its files.

    Links may point to other places inside the folder and to files in a cache of DVC (`cache.type symlink`), and
    anywhere if `follow_links` is set. All other links that lead out are refused.
    """

    def __init__(self, root: str | Path, follow_links: bool = False) -> None:
        self.root = os.path.realpath(root)
        self.follow_links = follow_links
        self._inside = os.path.join(self.root, "")
        # Parents are resolved once per folder: a lookup per file instead of an lstat per path component.
        self._parents: dict[str, str] = {}
        if not os.path.isdir(self.root):
            raise ValueError(
                f"the folder {root} does not exist ({self.root}): check the path, or unpack the dataset there"
            )

    def locate(self, path: str) -> str:
        """Return the real location of a relative path without opening it.

        Raises RejectedError if the path is malformed or leads out of the folder.
        """
        if not 0 < len(path) <= MAX_PATH_CHARS or _FORBIDDEN.search(path) or _not_utf8(path):
            raise RejectedError(Reason.malformed_path, shown(path))
        if path.startswith("/") or ".." in path.split("/"):
            raise RejectedError(Reason.path_outside_folder, shown(path))
        parent, name = os.path.split(path)
        if name in ("", "."):
            raise RejectedError(Reason.malformed_path, f"{shown(path)} does not name a file")
        if parent not in self._parents:
            self._parents[parent] = self._resolve(parent, path)
        location = os.path.join(self._parents[parent], name)
        return self._resolve(location, path) if os.path.islink(location) else location

    def size(self, path: str, missing: Reason) -> int:
        """Return the size of a file in bytes without opening it.

        Raises RejectedError as `read` does, except for its limit.
        """
        location = self.locate(path)
        try:
            return os.stat(location).st_size
        except OSError as error:
            raise _rejected(error, location, missing) from None

    def read(self, path: str, max_bytes: int, missing: Reason) -> bytes:
        """Return the bytes of a file, at least one.

        Raises RejectedError, with reason `missing` if the file does not exist, else with the reason why it cannot be
        read.
        """
        data = _bytes_of(self.locate(path), max_bytes, missing)
        if not data:
            raise RejectedError(Reason.empty_file, f"{shown(path)} has 0 bytes")
        return data

    def holds(self, real: str) -> bool:
        """Return True if a real location is the folder or lies inside it."""
        return real == self.root or real.startswith(self._inside)

    def _resolve(self, location: str, path: str) -> str:
        real = os.path.realpath(os.path.join(self.root, location))
        if self.follow_links or self.holds(real) or (_IN_DVC_CACHE.search(real) and os.path.isfile(real)):
            return real
        raise RejectedError(Reason.path_outside_folder, f"{shown(path)} is a link to outside the folder")


def format_of(head: bytes) -> str | None:
    """Return the format, as Pillow names it, whose signature the first SIGNATURE_BYTES of a file have, or None."""
    if head.startswith(_RIFF):
        return "WEBP" if head[8:12] == b"WEBP" else None
    if head[4:8] == b"ftyp":  # then the brands of the container
        return "AVIF" if re.search(b"avi[fs]", head[8:SIGNATURE_BYTES]) else None
    if head.startswith(b"BM") and head[6:10] == bytes(4):  # reserved bytes, without which text may begin like this
        return "BMP"
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def read_image(source: bytes | Path) -> Image.Image:
    """Return a fully decoded image, neither converted nor turned; of an animation, the first frame.

    source: the bytes of a file, or a trusted path. Raises RejectedError for an image that is missing, empty, too large,
    of an unsupported format, a decompression bomb, truncated or unreadable.
    """
    data = source if isinstance(source, bytes) else _bytes_of(str(source), MAX_IMAGE_BYTES, Reason.missing_image)
    if not data:
        raise RejectedError(Reason.empty_file, "the file has 0 bytes")
    if len(data) > MAX_IMAGE_BYTES:
        raise RejectedError(Reason.file_too_large, f"{len(data)} bytes, at most {MAX_IMAGE_BYTES} are read")
    if data.startswith(_JPEG) and data.count(_SCAN) > MAX_SCANS:
        raise RejectedError(
            Reason.decompression_bomb, f"{data.count(_SCAN)} JPEG scans, at most {MAX_SCANS} are decoded"
        )
    try:
        image = Image.open(BytesIO(data), formats=[name for name in FORMATS if name == format_of(data)])
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(
                f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded"
            )
        if isinstance(image, TiffImageFile):
            _check_tile(image)
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedError(Reason.decompression_bomb, str(error)) from None
    except _DECODER_ERRORS as error:
        raise RejectedError(*_diagnosis(data, error)) from None
    if image.format == "PNG" and _ends_early(data):  # Pillow accepts such a file
        raise RejectedError(Reason.truncated_image, f"{len(data)} bytes without an end marker")
    return image


def _check_tile(image: TiffImageFile) -> None:
    """Raise DecompressionBombError for a TIFF whose tiles, each decoded whole, are larger than any image may be."""
    width, height = (image.tag_v2.get(tag) for tag in (TILEWIDTH, TILELENGTH))
    if isinstance(width, int) and isinstance(height, int) and width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"tiles of {width} x {height} pixels, at most {MAX_PIXELS} are decoded")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as upright RGB.

    Transparency becomes white, deep greys are scaled to 8 bits, and EXIF orientation is applied. The returned image has
    no metadata, so that neither a second call nor a library turns it again.
    """
    orientation = _orientation(image)
    if image.mode.startswith(("I", "F")):
        image = _to_grey(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    image = image.convert("RGB")
    image.info = {}
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) in pixels of the image that `to_rgb` returns, without converting it."""
    return (image.height, image.width) if _orientation(image) in _SIDEWAYS else image.size


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1-8.

    A damaged EXIF block, which is common, counts as none (1), because the pixels are intact.
    """
    try:
        return int(image.getexif().get(0x0112, 1))
    except _DECODER_ERRORS:
        return 1


def _to_grey(image: Image.Image) -> Image.Image:
    """Return an image of mode I;16, I or F as mode L.

    I;16 has a full scale of 65535. I and F do not define one: the smallest usual scale that covers all values is used.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    scales = (
        (65535.0,)
        if image.mode.startswith("I;16")
        else (255.0, 65535.0)
        if image.mode == "I"
        else (1.0, 255.0, 65535.0)
    )
    peak = float(values.max())
    full = next((scale for scale in scales if peak <= scale), peak)
    return Image.fromarray((np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def _diagnosis(data: bytes, error: Exception) -> tuple[Reason, str]:
    """Return the reason why decoding failed, and a detail for people."""
    unidentified = isinstance(error, UnidentifiedImageError)
    detail = "damaged header" if unidentified else f"{type(error).__name__} {shown(str(error))}"
    if _ends_early(data) or "truncated" in str(error).lower():
        return Reason.truncated_image, f"{len(data)} bytes: {detail}"
    if unidentified and format_of(data) not in FORMATS:
        return Reason.unsupported_format, f"expected {', '.join(FORMATS)}, but the file begins with {data[:16]!r}"
    return Reason.unreadable_image, detail


def _ends_early(data: bytes) -> bool:
    """Return True if a JPEG, PNG or WebP lacks its end mark: EOI, IEND and the declared length.

    Pillow itself refuses files of the other formats that end before the last pixel.
    """
    if _JPEG.startswith(data[:3]):
        return not data.rstrip(b"\0").endswith(b"\xff\xd9")
    if _PNG.startswith(data[:8]):
        return not 0 <= data.rfind(b"IEND") <= len(data) - 8  # the mark and its checksum
    if _RIFF.startswith(data[:4]) and b"WEBP".startswith(data[8:12]):
        return len(data) < 12 or len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False


def _bytes_of(location: str, max_bytes: int, missing: Reason) -> bytes:
    """Return the bytes of a regular file. Raises RejectedError if it cannot be read.

    O_NONBLOCK keeps a FIFO from making the reader wait for a writer.
    """
    try:
        descriptor = os.open(location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise RejectedError(
                    Reason.unreadable_file, f"{shown(os.path.basename(location))} is not a regular file"
                )
            if info.st_size > max_bytes:
                raise RejectedError(Reason.file_too_large, f"{info.st_size} bytes, at most {max_bytes} are read")
            return file.readall()
    except OSError as error:
        raise _rejected(error, location, missing) from None


def _rejected(error: OSError, location: str, missing: Reason) -> Exception:
    """Return the OSError of a file as a RejectedError.

    An error that does not concern the file itself, such as a failing disk, is returned unchanged.
    """
    name = shown(os.path.basename(location))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return RejectedError(missing, f"no {name} there")
    if error.errno == errno.ENAMETOOLONG:
        return RejectedError(Reason.malformed_path, f"the name {name} is too long for this file system")
    if isinstance(error, PermissionError | IsADirectoryError) or error.errno in (
        errno.ELOOP,
        errno.ENXIO,
    ):  # ELOOP: a link to itself; ENXIO: a socket
        return RejectedError(Reason.unreadable_file, f"{name}: {error.strerror}")
    return error


def _not_utf8(text: str) -> bool:
    """Return True if the text has lone surrogates, which JSON can write but no file name or table may hold."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
