"""Repaint a finished image in one of six painterly styles, which are clearly distinct and keep the content nameable.

A painting made of marks (strokes, dots) is a map from pixel to mark and one colour per mark, so each layout of marks is
drawn once and only its colours change. Styles see pixels only, not the truth of the image.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.floating[Any]]

NUM_LAYOUTS = 6
CREAM: Pixels = np.array([244, 232, 206], np.float32)
INK: Pixels = np.array([30, 38, 74], np.float32)


def _pixels(image: Image.Image) -> Pixels:
    """Return the image as float32 (H, W, 3), 0 to 255."""
    return np.asarray(image, np.float32)


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _grey(pixels: Pixels) -> Pixels:
    """Return the mean of the channels, (H, W)."""
    grey: Pixels = pixels @ np.full(3, 1 / 3, np.float32)
    return grey


def _saturated(pixels: Pixels, factor: float) -> Pixels:
    grey = _grey(pixels)[..., None]
    return grey + (pixels - grey) * np.float32(factor)


def _edges(image: Image.Image, threshold: float) -> Pixels:
    """Return the strength of the contours, (H, W), 0 to 1.

    It is positive where neighbouring pixels differ by more than the threshold (in levels) in any channel.
    """
    pixels = _pixels(image)
    step = np.zeros(pixels.shape[:2], np.float32)
    step[:, 1:] = np.abs(pixels[:, 1:] - pixels[:, :-1]).max(2)
    step[1:] = np.maximum(step[1:], np.abs(pixels[1:] - pixels[:-1]).max(2))
    return np.clip((step - threshold) / 40, 0, 1)


@lru_cache(maxsize=4 * NUM_LAYOUTS)
def _marks(kind: str, seed: int, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a layout of marks on a canvas of twice `size`.

    The first array, (2 size, 2 size), holds the mark of each pixel (0: bare ground). The second, (M, 2), holds the
    image pixel (row, column) from which each mark takes its colour.
    """
    rng, spacing = np.random.default_rng([seed, size]), 4.0 if kind == "strokes" else 4.8
    across = int(2 * size / spacing) + 2
    rows, columns = np.mgrid[0:across, 0:across]
    centres = np.stack([rows + 0.5 * (columns % 2), columns], -1).reshape(-1, 2) * spacing + rng.normal(
        0, 0.9, (across**2, 2)
    )
    centres = centres[rng.permutation(len(centres))]
    canvas = Image.new("I", (2 * size, 2 * size), 0)
    draw = ImageDraw.Draw(canvas)
    for mark, (y, x) in enumerate(centres.tolist(), start=1):
        if kind == "dots":
            radius = float(rng.uniform(1.9, 2.8))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=mark)
        else:
            angle = 0.9 * math.sin(x / 37 + seed) + 0.9 * math.cos(y / 29 - seed) + float(rng.normal(0, 0.25))
            dx, dy = 3.6 * math.cos(angle), 3.6 * math.sin(angle)
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=mark, width=3)
    sources = np.vstack([[[0, 0]], np.clip(centres / 2, 0, size - 1)]).astype(np.int32)
    return np.asarray(canvas, np.int32), sources


def _painted(image: Image.Image, kind: str, jitter: float, pale: float, rng: np.random.Generator) -> Pixels:
    """Return a square image redrawn in marks, (H, W, 3), 0 to 255 before clipping.

    The colours of the marks vary by `jitter` levels. Bare ground shows the image with its colours moved by the share
    `pale` towards cream.
    """
    marks, sources = _marks(kind, int(rng.integers(NUM_LAYOUTS)), image.width)
    colours = _pixels(image)[sources[:, 0], sources[:, 1]]
    colours += rng.normal(0, jitter, (len(colours), 1)) + rng.normal(0, jitter, colours.shape)
    painted = np.take(colours.astype(np.float32), marks, axis=0)
    ground = _pixels(image) * np.float32(1 - pale) + CREAM * np.float32(pale)
    painted = np.where(marks[..., None] > 0, painted, ground.repeat(2, 0).repeat(2, 1))
    halved: Pixels = painted.reshape(image.height, 2, image.width, 2, 3).mean((1, 3))
    return halved * 0.75 + _pixels(image) * 0.25


def _impressionism(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image in short flowing strokes of broken, slightly brightened colour."""
    return _image(_saturated(_painted(image, "strokes", 13, 0, rng), 1.15) * 0.94 + 18)


def _pointillism(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image in round dots of pure, scattered hues on a pale ground."""
    return _image(_saturated(_painted(image, "dots", 15, 0.7, rng), 1.45))


def _cubism(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image in ochre and slate facets between straight cuts, slightly moved, shaded and outlined."""
    size = image.width
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    angles = np.linspace(0, math.pi, 5, endpoint=False) + rng.uniform(-0.28, 0.28, 5)
    offsets = rng.uniform(0.2, 0.8, 5) * size
    cell, nearest = np.zeros((size, size), np.int64), np.full((size, size), np.inf, np.float32)
    for index, (angle, offset) in enumerate(zip(angles, offsets, strict=True)):
        centre = offset * (abs(math.cos(angle)) + abs(math.sin(angle))) - max(-math.cos(angle), 0) * size
        distance = columns * np.float32(math.cos(angle)) + rows * np.float32(math.sin(angle)) - np.float32(centre)
        cell += (distance > 0).astype(np.int64) << index
        nearest = np.minimum(nearest, np.abs(distance))
    shifts, shades = rng.integers(-2, 3, (32, 2)), rng.uniform(-22, 32, 32).astype(np.float32)
    source_y = np.clip(rows.astype(np.int64) + shifts[cell, 0], 0, size - 1)
    source_x = np.clip(columns.astype(np.int64) + shifts[cell, 1], 0, size - 1)
    pixels = _saturated(_pixels(image), 0.75)[source_y, source_x]
    tint = np.where(
        (cell % 3 == 0)[..., None], np.array([186, 140, 84], np.float32), np.array([106, 120, 142], np.float32)
    )
    pixels = pixels * 0.8 + tint * 0.2 + (shades[cell] + np.minimum(nearest, 12) * 1.5 - 8)[..., None]
    return _image(pixels * np.where(nearest < 0.7, 0.55, 1).astype(np.float32)[..., None])


def _expressionism(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image swaying in waves, with acid, shifted hues, hard contrast and heavy black contours."""
    size = image.width
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    phases, lengths = rng.uniform(0, 2 * math.pi, 4), rng.uniform(4, 6, 4)
    x = columns + 1.3 * np.sin(rows / lengths[0] + phases[0]) + 0.7 * np.sin((rows + columns) / lengths[1] + phases[1])
    y = rows + 1.1 * np.sin(columns / lengths[2] + phases[2]) + 0.6 * np.sin((rows - columns) / lengths[3] + phases[3])
    pixels = _pixels(image)[np.clip(y, 0, size - 1).astype(np.intp), np.clip(x, 0, size - 1).astype(np.intp)]
    turn = float(rng.choice([-1, 1]) * rng.uniform(0.2, 0.32))
    swap = np.roll(np.eye(3, dtype=np.float32), 1 if turn > 0 else -1, axis=1)
    mixed = _saturated(pixels @ ((1 - abs(turn)) * np.eye(3, dtype=np.float32) + abs(turn) * swap), 2.1)
    mixed = (mixed - 128) * 1.3 + 128
    contours = _edges(_image(pixels).filter(ImageFilter.BoxBlur(0.5)), 30)[..., None]
    return _image(mixed * (1 - 0.8 * contours))


def _minimalism(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image as a few pale flat areas without detail or outline."""
    flat = image.quantize(int(rng.integers(6, 8)), method=Image.Quantize.MAXCOVERAGE).filter(ImageFilter.ModeFilter(3))
    return _image(_pixels(flat.convert("RGB")) * 0.74 + 64)


@lru_cache(maxsize=NUM_LAYOUTS)
def _paper(seed: int, size: int) -> Pixels:
    """Return the texture of paper, long fibres over fine grain: factors around 1, (size, size, 1)."""
    rng = np.random.default_rng(seed)
    fibres = rng.normal(0, 0.03, (size, size + 8)).cumsum(1)
    fibres = (fibres[:, 8:] - fibres[:, :-8]) / 2.5
    paper: Pixels = (1 + fibres + rng.normal(0, 0.014, (size, size)))[..., None].astype(np.float32)
    return paper


def _ukiyo_e(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image as a woodblock print: flat colours, indigo outlines, cream paper, shaded sky and red seal."""
    size = image.width
    steps = np.round(_pixels(image.filter(ImageFilter.MedianFilter(3))) / 51) * 51
    pixels = _saturated(steps, 0.75) * (CREAM / 255) * 0.88 + CREAM * 0.22
    fade = np.clip(1 - np.arange(size, dtype=np.float32) / (size * 0.22), 0, 1)[:, None, None] * 0.7
    pixels = pixels * (1 - fade) + np.array([40, 76, 140], np.float32) * fade
    line = _edges(_image(steps), 60)[..., None] * 0.85
    pixels = (pixels * (1 - line) + INK * line) * _paper(int(rng.integers(NUM_LAYOUTS)), size)
    side = 3 if rng.random() < 0.5 else size - 8
    pixels[3:11, side : side + 5] = (198, 50, 44)
    pixels[5:9:2, side + 1 : side + 4] = CREAM
    return _image(pixels)


PAINTERS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "Impressionism": _impressionism,
    "Pointillism": _pointillism,
    "Cubism": _cubism,
    "Expressionism": _expressionism,
    "Minimalism": _minimalism,
    "Ukiyo_e": _ukiyo_e,
}


def paint(image: Image.Image, style: str, rng: np.random.Generator) -> Image.Image:
    """Return the square RGB image repainted in the style, with the same size and mode.

    The same state of `rng` gives the same pixels. Raises ValueError for a style that is not one of vocabulary.STYLES.
    """
    if style not in PAINTERS:
        raise ValueError(f"unknown style {style!r}; allowed: {', '.join(PAINTERS)}")
    return PAINTERS[style](image, rng)
