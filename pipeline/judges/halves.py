"""Split the train images into two halves, so that the emotion classifier and its judge learn from different images.

The half depends on the image_id alone. It stays the same when images are added, removed or reordered.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.params import Half


def in_half(image_ids: Sequence[str], half: "Half") -> NDArray[np.bool_]:
    """Return a mask N of the images in this half; `first` and `second` each hold about one image in two."""
    digests = [hashlib.sha256(f"half/{image_id}".encode()).digest() for image_id in image_ids]
    second = np.array([digest[0] & 1 for digest in digests], bool)
    return {"first": ~second, "second": second, "both": np.ones(len(second), bool)}[half]
