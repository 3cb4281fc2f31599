"""A picture that nobody has labelled, checked and decoded: what the readers of a curation yield beside rejects.

`Record` is its counterpart with a label. The picture is decoded once: to check it, and for CLIP to see it.
"""

from dataclasses import dataclass

from PIL import Image

from pipeline.corpora.images import read_image, to_rgb
from pipeline.corpora.records import Reason, RejectedError

# CLIP scales the shorter edge to its input size before it crops: of a strip of 1 x 100,000 px that makes gigabytes.
MAX_ASPECT = 50


@dataclass(frozen=True, slots=True)
class Picture:
    """image_bytes are those of the file, untouched; pixels are upright RGB. path is None where the source has none.

    artist, genre and style are None where none is told.
    """

    image_id: str
    image_bytes: bytes
    path: str | None
    pixels: Image.Image
    artist: str | None = None
    genre: str | None = None
    style: str | None = None


def checked(image_id: str, data: bytes, path: str | None, **art: str | None) -> Picture:
    """A file's bytes as a picture. Raises RejectedError as `read_image` does, and for a strip."""
    pixels = to_rgb(read_image(data))
    check_shape(*pixels.size)
    return Picture(image_id, data, path, pixels, **art)


def check_shape(width: int, height: int) -> None:
    """Raises RejectedError for a strip."""
    if max(width, height) > MAX_ASPECT * min(width, height):
        shape = f"{width} x {height} px"
        raise RejectedError(Reason.extreme_shape, f"{shape}: one edge is more than {MAX_ASPECT} times the other")
