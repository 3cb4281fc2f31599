"""Embed images in a page as WebP data URIs, no larger than they are shown, so that one file contains everything."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from pipeline.corpora.images import to_rgb

PICTURE_PX, LARGE_PX = 128, 256  # longest edges of an image among many, and of one in the story
QUALITY = 82


@dataclass(frozen=True)
class Figure:
    """An image as a data URI with its size in px and its alternative text."""

    uri: str
    width: int
    height: int
    alt: str


def figure(image: Image.Image, alt: str, longest_px: int) -> Figure:
    """Return an image as a figure, shrunk if an edge exceeds longest_px."""
    small = to_rgb(image)
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=4)
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Figure(uri, small.width, small.height, alt)
