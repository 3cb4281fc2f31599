"""Brightness and colourfulness of a finished picture: measured, and moved to two drawn numbers (SCIENCE 1, point 3).

Brightness is the mean luminance (Rec. 601), colourfulness the mean chroma (largest minus smallest of R, G, B), both
0..1. A gamma curve moves the first, so that black outlines stay black and white stays white; a scaling about each
pixel's grey moves the second, so that hues stay. What clips is made up for in a second round.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Planes = NDArray[np.floating[Any]]

# One round each: the second steps further than proportion, since by then it is clipping that holds the chroma back.
POWERS = (1.0, 1.5)
LUMINANCE: Planes = np.array([0.299, 0.587, 0.114], np.float32)
LOG_GAMMAS: Planes = np.linspace(-2.6, 2.6, 209, dtype=np.float32)
MAX_SCALE = 12.0


@lru_cache(maxsize=1)
def _curves() -> Planes:
    """Gamma curves, one row per entry of LOG_GAMMAS, over the 256 levels; values 0..1, falling from row to row."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)
    return levels[None, :] ** np.exp(LOG_GAMMAS)[:, None]


def _brightening(histogram: Planes, brightness: float) -> Planes:
    """The gamma curve, 256 values 0..1, that gives luminances of this histogram (sum 1) the mean `brightness`."""
    means = _curves() @ histogram
    row = min(max(int(np.searchsorted(-means, -brightness)), 1), len(means) - 1)
    share = (means[row - 1] - brightness) / max(means[row - 1] - means[row], 1e-6)
    curve: Planes = _curves()[row - 1] + np.float32(min(max(share, 0), 1)) * (_curves()[row] - _curves()[row - 1])
    return curve


def _clip(rgb: Planes) -> Planes:
    return np.clip(rgb, 0, 1, out=rgb)


def _chroma(rgb: Planes) -> float:
    red, green, blue = rgb
    largest, smallest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return float((largest - smallest).mean())


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    """3 x N levels of an RGB picture."""
    return np.ascontiguousarray(np.asarray(image).reshape(-1, 3).T)


def measure_tone(image: Image.Image) -> tuple[float, float]:
    """(brightness, colourfulness) of an RGB picture, both 0..1."""
    rgb = _planes(image).astype(np.float32) / 255
    return float((LUMINANCE @ rgb).mean()), _chroma(rgb)


def set_tone(image: Image.Image, brightness: float, colorfulness: float) -> Image.Image:
    """The RGB picture moved to the brightness (usable .15...85) and colourfulness (.05...6), as near as it gets.

    Within brightness .25...75 and colourfulness .08...40 the drawn scenes come within about .03 of both; a
    colourfulness of .6 cannot be had from a very dark or a very bright picture.
    """
    levels = _planes(image)
    luminance = (LUMINANCE @ levels.astype(np.float32)).astype(np.intp)
    histogram = np.bincount(luminance, minlength=256).astype(np.float32) / luminance.size
    goal, scale = brightness, 1.0
    for power in POWERS:
        bright = np.take(_brightening(histogram, goal), levels)
        grey = LUMINANCE @ bright
        colour = bright - grey
        missing = colorfulness / max(_chroma(_clip(grey + colour * scale)), 1e-3)
        scale = min(MAX_SCALE, scale * missing**power)
        toned = _clip(grey + colour * scale)
        goal += brightness - float((LUMINANCE @ toned).mean())
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    pixels.reshape(-1, 3).T[:] = toned * 255 + 0.5
    return Image.fromarray(pixels)
