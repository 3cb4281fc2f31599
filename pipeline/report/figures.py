"""Pictures inside a page: each as a data URI in WebP, no larger than it is shown, so that one file holds all."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.corpora.images import to_rgb
from pipeline.training.figures import contact_sheet

PLOT_PX, PAGE_PX = 1280, 4096  # widest and tallest plot: its text stays readable
PICTURE_PX = 128  # of a picture among others
QUALITY = 82


@dataclass(frozen=True)
class Figure:
    """A picture as a data URI, its size in px, what it shows for who cannot see it, and the line below it."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""


def figure(picture: Image.Image, alt: str, caption: str = "", longest_px: int | None = None) -> Figure:
    """A picture, made smaller where an edge is longer than longest_px, or where a plot is too large."""
    small = to_rgb(picture)
    small.thumbnail((longest_px or PLOT_PX, longest_px or PAGE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=4)
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Figure(uri, small.width, small.height, alt, caption)


def plot(path: Path, alt: str, caption: str = "") -> Figure:
    """A plot that a stage drew."""
    with Image.open(path) as picture:
        return figure(picture, alt, caption)


def sheet(pictures: Sequence[Image.Image], num_columns: int, alt: str) -> Figure:
    """Pictures of any sizes as squares of one size, in rows, as one figure; there is at least one."""
    edge = min(PICTURE_PX, max(max(picture.size) for picture in pictures))
    squares = [np.asarray(_square(picture, edge)) for picture in pictures]
    return figure(contact_sheet(squares, num_columns), alt)


def _square(picture: Image.Image, edge: int) -> Image.Image:
    """The middle of a picture."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    return picture.crop((left, top, left + short, top + short)).resize((edge, edge), Image.Resampling.LANCZOS)
