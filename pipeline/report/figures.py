"""Embed images in a page as WebP data URIs, no larger than they are shown, so that one file contains everything."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.corpora.images import to_rgb
from pipeline.report.plots import DRAWINGS, draw
from pipeline.sheet import contact_sheet

PLOT_PX, PAGE_PX = 1280, 4096  # maximum width and height of a plot; its text stays readable
PICTURE_PX = 128  # edge of an image in a grid
QUALITY = 82


@dataclass(frozen=True)
class Figure:
    """An image as a data URI with its size in px, its alternative text, and the caption below it."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""


def figure(image: Image.Image, alt: str, caption: str = "", longest_px: int | None = None) -> Figure:
    """Return an image as a figure.

    The image is shrunk if an edge exceeds longest_px or, without it, the size limits of a plot.
    """
    small = to_rgb(image)
    small.thumbnail((longest_px or PLOT_PX, longest_px or PAGE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=4)
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Figure(uri, small.width, small.height, alt, caption)


def plot(path: Path, alt: str, caption: str = "") -> Figure:
    """Return a plot file written by a stage as a figure."""
    with draw(path) if path.name in DRAWINGS else Image.open(path) as image:
        return figure(image, alt, caption)


def sheet(images: Sequence[Image.Image], num_columns: int, alt: str) -> Figure:
    """Return at least one image of any size as a grid of equal squares in one figure."""
    edge = min(PICTURE_PX, max(max(image.size) for image in images))
    squares = [np.asarray(_square(image, edge)) for image in images]
    return figure(contact_sheet(squares, num_columns), alt)


def _square(image: Image.Image, edge: int) -> Image.Image:
    """Return the center square of an image, resized to an edge of `edge`."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return image.crop((left, top, left + short, top + short)).resize((edge, edge), Image.Resampling.LANCZOS)
