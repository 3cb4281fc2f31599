"""Lay out images of one size as a contact sheet."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def contact_sheet(pictures: Sequence[NDArray[np.uint8]], num_columns: int, gap: int = 2) -> Image.Image:
    """Return images HW3 of one size, arranged row by row on white."""
    height, width = pictures[0].shape[:2]
    num_rows = -(-len(pictures) // num_columns)
    sheet = np.full((num_rows * (height + gap) + gap, num_columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, num_columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return Image.fromarray(sheet)
