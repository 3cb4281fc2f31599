"""Two disjoint halves of the train split, so that the emotion classifier and its judge learn from other pictures.

The half is a property of the image_id alone: it stays when pictures are added, removed or put in another order.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.params import Half


def in_half(image_ids: Sequence[str], half: "Half") -> NDArray[np.bool_]:
    """Whether each of N pictures lies in this half: N bool. About one in two is in `first`, the others in `second`."""
    digests = [hashlib.sha256(f"half/{image_id}".encode()).digest() for image_id in image_ids]
    second = np.array([digest[0] & 1 for digest in digests], bool)
    return {"first": ~second, "second": second, "both": np.ones(len(second), bool)}[half]
