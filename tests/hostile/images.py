"""Hostile picture files, each a few kilobytes made when it is asked for, with what a reader must say of it.

Those that tests/corpora/test_images.py and the tests of each reader hold are not repeated here: empty and truncated
files, HTML, headers of 12,000 and 20,000 px, compressed text and ICC chunks, every mode, EXIF rotation.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from pipeline.corpora.images import MAX_SCANS
from pipeline.corpora.records import Reason
from tests.corpora.conftest import encoded, picture
from tests.corpora.test_images import chunk, png, tiff_of_one_tile

PIXELS = chunk(b"IDAT", zlib.compress(bytes(9 * 8)))  # of 8 x 8 greys
BOMB, UNREADABLE, FOREIGN = Reason.decompression_bomb, Reason.unreadable_image, Reason.unsupported_format


@dataclass(frozen=True)
class Hostile:
    """A file, and the reason of its reject; None where it is a picture all the same, and no harm comes of it."""

    make: Callable[[], bytes]
    reason: Reason | None


def resized_jpeg(width: int, height: int, precision: int = 8) -> bytes:
    """A JPEG of 16 x 12 px whose header says another size or depth."""
    data = bytearray(encoded(picture()))
    at = data.find(b"\xff\xc0") + 4
    data[at : at + 5] = struct.pack(">BHH", precision, height, width)
    return bytes(data)


def many_scans(num: int, edge: int = 64) -> bytes:
    """A progressive JPEG whose last scan is there `num` times more: each is a pass over all pixels."""
    data = encoded(Image.new("L", (edge, edge), 100), progressive=True)
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * num + b"\xff\xd9"


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP that declares a canvas and has no picture."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + size


def raw_png(header: bytes, *chunks: bytes) -> bytes:
    """A PNG whose IHDR holds these bytes."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    """A BMP header of 24 bits and no pixels."""
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif_bomb() -> bytes:
    """65,535 x 65,535 px in 35 bytes."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    return b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + frame + b"\x02\x02\x44\x01\x00\x3b"


def exif(block: bytes) -> bytes:
    """A JPEG with this as its EXIF block."""
    data, body = encoded(picture()), b"Exif\0\0" + block
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def bad_checksum() -> bytes:
    data = bytearray(png(8, 8, PIXELS))
    data[29] ^= 1
    return bytes(data)


def animation() -> bytes:
    frames = [Image.new("RGB", (64, 64), (number, 0, 0)) for number in range(300)]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def endless_ifd() -> bytes:
    """An EXIF directory that points to itself as the next, and whose one entry is of 2^32 - 1 values elsewhere."""
    entry = struct.pack(">HHII", 0x0112, 3, 0xFFFFFFFF, 0xFFFFFFF0)
    return exif(b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 8))


HEADER = struct.Struct(">IIBBBBB")
PICTURES: dict[str, Hostile] = {
    "a JPEG header of 65535 x 65535": Hostile(lambda: resized_jpeg(65535, 65535), BOMB),
    "a JPEG header of 65535 x 1400": Hostile(lambda: resized_jpeg(65535, 1400), BOMB),
    "a JPEG of hundreds of scans": Hostile(lambda: many_scans(MAX_SCANS), BOMB),
    "a JPEG of 12 bits": Hostile(lambda: resized_jpeg(16, 12, 12), UNREADABLE),
    "a JPEG of no height": Hostile(lambda: resized_jpeg(16, 0), UNREADABLE),
    "a JPEG with an archive behind it": Hostile(lambda: encoded(picture()) + b"PK\x03\x04../canary", None),
    "a JPEG with an EXIF directory that is its own next": Hostile(endless_ifd, None),
    "a JPEG with an EXIF block of noise": Hostile(lambda: exif(bytes(range(256)) * 200), None),
    "a WebP canvas of 16384 x 16384": Hostile(lambda: webp_canvas(16384, 16384), BOMB),
    "a WebP canvas of 2^24 x 2^24": Hostile(lambda: webp_canvas(1 << 24, 1 << 24), BOMB),
    "a WebP without a picture": Hostile(lambda: webp_canvas(16, 16), UNREADABLE),
    "a WebP that declares no bytes": Hostile(lambda: b"RIFF\0\0\0\0WEBP", UNREADABLE),
    "a WebP of 300 frames": Hostile(animation, None),
    "a PNG of 2^31 - 1 x 2^31 - 1": Hostile(lambda: png(2**31 - 1, 2**31 - 1, PIXELS), BOMB),
    "a PNG of 2^32 - 1 x 1": Hostile(lambda: png(2**32 - 1, 1, PIXELS), BOMB),
    "a PNG of a gigabyte of pixels beyond its own": Hostile(
        lambda: png(8, 8, chunk(b"IDAT", zlib.compress(bytes(10**8), 9))), None
    ),
    "a PNG with 40 MB of text": Hostile(lambda: png(8, 8, chunk(b"tEXt", b"a\0" + bytes(40 << 20)), PIXELS), None),
    "a PNG with 100 texts of a megabyte each": Hostile(
        lambda: png(8, 8, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6)))] * 100, PIXELS), UNREADABLE
    ),
    "a PNG with a translated text of 100 MB": Hostile(
        lambda: png(8, 8, chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(10**8))), PIXELS), UNREADABLE
    ),
    "a PNG with 30 MB of EXIF": Hostile(
        lambda: png(8, 8, chunk(b"eXIf", b"MM\0*" + b"\xff" * (30 << 20)), PIXELS), None
    ),
    "a PNG that declares 2^31 - 1 frames": Hostile(
        lambda: png(8, 8, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), PIXELS), None
    ),
    "a PNG whose chunk has 2^32 - 1 bytes": Hostile(
        lambda: png(8, 8)[:33] + struct.pack(">I", 0xFFFFFFFF) + b"IDATxxIEND....", UNREADABLE
    ),
    "a PNG of a wrong checksum": Hostile(bad_checksum, UNREADABLE),
    "a PNG of an unknown colour type": Hostile(lambda: raw_png(HEADER.pack(8, 8, 8, 5, 0, 0, 0), PIXELS), UNREADABLE),
    "a PNG of a header of three bytes": Hostile(lambda: raw_png(b"abc", PIXELS), Reason.truncated_image),
    "a GIF of 65535 x 65535": Hostile(gif_bomb, BOMB),
    "a TIFF of one tile of 40000 x 40000": Hostile(lambda: tiff_of_one_tile(40_000), BOMB),
    "a BMP header of 2^31 - 1 x 1": Hostile(lambda: bmp(2**31 - 1, 1), BOMB),
    "an AVIF of its brand alone": Hostile(lambda: b"\0\0\0\x1cftypavif" + bytes(40), UNREADABLE),
    "an SVG that names a file of the system": Hostile(
        lambda: b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', FOREIGN
    ),
    "a PostScript program": Hostile(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(canary) (w) file closefile\n", FOREIGN),
    "a Photoshop file": Hostile(lambda: b"8BPS\0\1" + bytes(60), FOREIGN),
    "an icon": Hostile(lambda: encoded(picture(size=(16, 16)), "ICO"), FOREIGN),
    "a JPEG 2000": Hostile(lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), FOREIGN),
    "a HEIC": Hostile(lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", FOREIGN),
    "a pickle": Hostile(lambda: b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.", FOREIGN),
    "a program": Hostile(lambda: b"\x7fELF\2\1\1" + bytes(60), FOREIGN),
    "a pointer of Git LFS": Hostile(lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", FOREIGN),
    "text of UTF-16": Hostile(lambda: "<html>".encode("utf-16"), FOREIGN),
    "a strip of 65000 x 1": Hostile(lambda: encoded(Image.new("L", (65000, 1)), "PNG"), Reason.extreme_shape),
    "a strip of 1 x 9000": Hostile(lambda: encoded(Image.new("P", (1, 9000)), "PNG"), Reason.extreme_shape),
}  # fmt: skip
