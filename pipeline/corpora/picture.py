"""Check and decode an unlabelled image, which the readers of a curation yield beside rejects.

`Record` is the labelled counterpart. The image is decoded only once, both to check it and to pass it to CLIP.
"""

from dataclasses import dataclass

from PIL import Image

from pipeline.corpora.images import read_image, to_rgb
from pipeline.corpora.records import Reason, RejectedError

# CLIP scales the shorter edge to its input size before it crops: a strip of 1 x 100,000 px would take gigabytes.
MAX_ASPECT = 50


@dataclass(frozen=True, slots=True)
class Picture:
    """A checked and decoded image without a label.

    image_bytes are the unchanged bytes of the file; pixels are upright RGB. path is None if the source has none.
    artist, genre and style are None if the source does not name them.
    """

    image_id: str
    image_bytes: bytes
    path: str | None
    pixels: Image.Image
    artist: str | None = None
    genre: str | None = None
    style: str | None = None


def checked(image_id: str, data: bytes, path: str | None, **art: str | None) -> Picture:
    """Return the bytes of a file as a checked image. Raises RejectedError as `read_image` does, and for a strip."""
    pixels = to_rgb(read_image(data))
    check_shape(*pixels.size)
    return Picture(image_id, data, path, pixels, **art)


def check_shape(width: int, height: int) -> None:
    """Check that neither edge is longer than MAX_ASPECT times the other. Raises RejectedError if one is."""
    if max(width, height) > MAX_ASPECT * min(width, height):
        shape = f"{width} x {height} px"
        raise RejectedError(Reason.extreme_shape, f"{shape}: one side is more than {MAX_ASPECT} times the other")
