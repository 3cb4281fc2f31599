"""Pixels come only from whole pictures of FORMATS under the limit, and every mode ends as upright RGB."""

import random
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from pipeline.corpora.images import read_image, to_rgb, upright_size
from pipeline.corpora.records import Reason, RejectedError

from .conftest import encoded, picture

ROOT = Path(__file__).parents[2]
ENCODINGS = {
    "baseline JPEG": encoded(picture()),
    "progressive JPEG": encoded(picture(), progressive=True),
    "PNG": encoded(picture(), "PNG"),
    "WebP": encoded(picture(), "WEBP"),
    "lossless WebP": encoded(picture(), "WEBP", lossless=True),
}
SMOOTH = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
OTHERS = {
    "TIFF": encoded(SMOOTH, "TIFF"),
    "compressed TIFF": encoded(SMOOTH, "TIFF", compression="tiff_lzw"),
    "TIFF of JPEG": encoded(SMOOTH, "TIFF", compression="jpeg"),
    "BMP": encoded(SMOOTH, "BMP"),
    "GIF": encoded(SMOOTH, "GIF"),
    "AVIF": encoded(SMOOTH, "AVIF"),
}


def reason_of(data: bytes) -> Reason:
    with pytest.raises(RejectedError) as caught:
        read_image(data)
    assert "0x" not in caught.value.detail, "an address would make equal runs differ"
    return caught.value.reason


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def tiff_of_one_tile(edge: int) -> bytes:
    """A compressed TIFF of 16 x 16 px whose one tile has this edge: a decoder would take memory for the whole tile."""
    strip = zlib.compress(bytes(16 * 16))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: edge, 323: edge, 324: 8, 325: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_whole_file_is_read_and_one_cut_anywhere_is_not(name: str) -> None:
    data = ENCODINGS[name]
    assert read_image(data).size == (16, 12)
    cuts = {1, 2, 11, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 9, len(data) - 4, len(data) - 2}
    assert {reason_of(data[:cut]) for cut in cuts | {len(data) - 1}} == {Reason.truncated_image}


@pytest.mark.parametrize("name", OTHERS)
def test_tiff_bmp_gif_and_avif_are_read_whole_and_refused_when_cut(name: str) -> None:
    data = OTHERS[name]
    pixels = np.asarray(to_rgb(read_image(data)), dtype=float)
    assert np.abs(pixels - np.asarray(SMOOTH, dtype=float)).mean() < 4
    for cut in (8, len(data) // 4, len(data) // 2, len(data) * 3 // 4):
        assert reason_of(data[:cut]) in (
            Reason.truncated_image,
            Reason.unreadable_image,
            *([Reason.unsupported_format] if cut < 12 else []),
        )


def read_damaged(data: bytes, generator: random.Random) -> None:
    """Read a file 150 times with up to eight bytes changed; it must be an RGB image or rejected."""
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 8)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        with suppress(RejectedError):
            assert to_rgb(read_image(bytes(damaged))).mode == "RGB"


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")
def test_no_damage_of_the_other_formats_raises_anything_but_a_rejection(name: str) -> None:
    read_damaged(OTHERS[name], random.Random(0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_of_a_tiff_ends_as_rgb(mode: str) -> None:
    source = picture().convert("L").convert(mode) if mode in ("I;16", "I", "F") else picture(mode="RGB")
    source = source if source.mode == mode else lab(source) if mode == "LAB" else source.convert(mode)
    assert to_rgb(read_image(encoded(source, "TIFF"))).size == (16, 12)


def lab(image: Image.Image) -> Image.Image:
    """Return an RGB image in CIELAB, which Pillow makes by a color profile."""
    srgb, space = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.applyTransform(image, ImageCms.buildTransform(srgb, space, "RGB", "LAB"))


@pytest.mark.parametrize("file_format", ["TIFF", "AVIF"])
def test_tiff_and_avif_are_turned_upright_once(file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if file_format == "AVIF" else {}
    image = read_image(encoded(SMOOTH, file_format, exif=exif, quality=100) if options else
                       encoded(SMOOTH, file_format, exif=exif))  # fmt: skip
    turned = np.rot90(np.asarray(SMOOTH, dtype=float), -1)
    assert upright_size(image) == (turned.shape[1], turned.shape[0])
    assert np.abs(np.asarray(to_rgb(image), dtype=float) - turned).mean() < 4


def test_bytes_after_the_end_mark_do_no_harm() -> None:
    for data in (ENCODINGS["baseline JPEG"], ENCODINGS["PNG"]):
        assert read_image(data + b"appended by a phone").size == (16, 12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.empty_file),
        (b"<!DOCTYPE html><html>404</html>", Reason.unsupported_format),
        (encoded(picture(), "PPM"), Reason.unsupported_format),
        (encoded(picture(), "ICO"), Reason.unsupported_format),
        (b"BM, as a text may begin", Reason.unsupported_format),
        (b"\0\0\0\x1cftypavif" + bytes(40), Reason.unreadable_image),
        (tiff_of_one_tile(40_000), Reason.decompression_bomb),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), Reason.unsupported_format),
        (png(12_000, 12_000), Reason.decompression_bomb),
        (png(20_000, 20_000), Reason.decompression_bomb),
        (png(12_000, 12_000, chunk(b"IDAT", zlib.compress(bytes(10**6)))), Reason.decompression_bomb),
        (png(0, 64), Reason.unreadable_image),
        (png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7)))), Reason.unreadable_image),
        (png(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**7)))), Reason.unreadable_image),
        (b"\xff\xd8\xff\xd9", Reason.unreadable_image),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_by_name(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


@pytest.mark.filterwarnings("ignore")
def test_the_pixel_limit_holds_where_pillow_is_silent() -> None:
    assert reason_of(png(9_460, 9_460)) is Reason.decompression_bomb


@pytest.mark.filterwarnings("ignore")
def test_no_damage_raises_anything_but_a_rejection() -> None:
    generator = random.Random(0)
    for data in ENCODINGS.values():
        read_damaged(data, generator)


def test_a_path_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "one.webp"
    path.write_bytes(ENCODINGS["WebP"])
    assert read_image(path).tobytes() == read_image(ENCODINGS["WebP"]).tobytes()
    with pytest.raises(RejectedError, match=r"missing_image: no 'two\.webp' there"):
        read_image(tmp_path / "two.webp")


def test_one_pixel_is_a_picture_and_an_animation_counts_as_its_first_frame() -> None:
    assert read_image(encoded(picture(size=(1, 1)), "PNG")).size == (1, 1)
    for file_format in ("PNG", "WEBP"):
        data = encoded(picture(0), file_format, save_all=True, append_images=[picture(1)], lossless=True)
        assert to_rgb(read_image(data)).tobytes() == picture(0).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV"])
def test_modes_without_transparency_keep_their_look(mode: str) -> None:
    source = picture(mode=mode)
    assert np.array_equal(np.asarray(to_rgb(source)), np.asarray(source.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "RGBa"])
def test_transparency_lies_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    solid = Image.new("RGBA", (4, 4), (80, 80, 80, 255))
    assert to_rgb(clear.convert(mode)).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(solid.convert(mode)).getpixel((0, 0)) == (80, 80, 80)


def test_transparency_of_a_palette_or_a_colour_key_lies_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    for image, key in (
        (palette, 1),
        (Image.new("RGB", (4, 4), (200, 0, 0)), (200, 0, 0)),
        (Image.new("L", (4, 4), 9), 9),
    ):
        assert to_rgb(read_image(encoded(image, "PNG", transparency=key))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 32768, 65535]], np.uint16), [0, 128, 255]),  # I;16
        (np.array([[0, 3, 257]], np.uint16), [0, 0, 1]),  # a dark I;16 stays dark
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),  # I
        (np.array([[0, 128, 255]], np.int32), [0, 128, 255]),
        (np.array([[-5, 1 << 30, 1 << 31 - 1]], np.int64).astype(np.int32), [0, 255, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),  # F
        (np.array([[0, 128, 255]], np.float32), [0, 128, 255]),
        (np.array([[0, np.nan, 1]], np.float32), [0, 0, 255]),
    ],
)  # fmt: skip
def test_deep_greys_are_scaled_and_not_clipped(values: np.ndarray, expected: list[int]) -> None:
    assert np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist() == expected


def test_a_sixteen_bit_png_keeps_its_gradations() -> None:
    data = encoded(Image.fromarray(np.arange(256, dtype=np.uint16)[None] * 257), "PNG")
    assert np.asarray(to_rgb(read_image(data)))[0, :, 1].tolist() == list(range(256))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once_and_leaves_no_tag(orientation: int) -> None:
    stored = picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(encoded(stored, "PNG", exif=exif))
    pixels = np.asarray(stored)
    upright = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1), 7: pixels[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(pixels),
    }[orientation]  # fmt: skip
    found = to_rgb(image)
    assert np.array_equal(np.asarray(found), upright)
    assert upright_size(image) == upright_size(found) == (upright.shape[1], upright.shape[0])
    assert (found.info, dict(found.getexif())) == ({}, {})
    assert image.getexif()[0x0112] == orientation  # the image that was given is unchanged
    for again in (to_rgb(found), ImageOps.exif_transpose(found)):  # transformers calls the latter
        assert np.array_equal(np.asarray(again), upright)


def test_one_module_turns_images() -> None:
    files = [path for name in ("pipeline", "stages", "evoke") for path in (ROOT / name).rglob("*.py")]
    turning = [path for path in files if re.search("exif_transpose|getexif|0x0112", path.read_text())]
    assert turning == [ROOT / "pipeline/corpora/images.py"]


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_exif_block_does_not_cost_the_picture() -> None:
    image = read_image(encoded(picture(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(8)))
    assert upright_size(image) == to_rgb(image).size == (16, 12)
