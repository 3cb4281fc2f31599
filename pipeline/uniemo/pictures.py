"""Prepare images for the understanding chain: squares cached in one mapped file, crops made on the device.

The chain sees the central square of an image, as in CLIP's own transform. In training it sees a random part of that
square (area and aspect ratio as in Inception's crops), mirrored half of the time, drawn by the generator of the step.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn

from pipeline.corpora.images import read_image, to_rgb
from pipeline.runtime import threads

if TYPE_CHECKING:
    from open_clip.transformer import VisionTransformer

    from pipeline.work import WorkFolder

MAX_ASPECT = 4 / 3  # largest aspect ratio of a crop, wide or tall
Squares = NDArray[np.uint8]  # NHW3


def cached_squares(work: "WorkFolder", shards: Iterable[pa.Table], image_px: int) -> Squares:
    """Return the squares of all images in all shards (column image), NHW3 uint8, memory-mapped.

    The file is the piece `squares` of the work folder, which is written if it does not exist. Memory use does not grow
    with the number of images.
    """

    def write(aside: Path) -> None:
        with aside.open("wb") as file, ThreadPoolExecutor(threads()) as pool:
            for shard in shards:
                encoded = (row["bytes"] for row in shard["image"].to_pylist())
                for square in pool.map(lambda data: square_of(to_rgb(read_image(data)), image_px), encoded):
                    file.write(square.tobytes())

    return np.memmap(work.once("squares", write), np.uint8, "r").reshape(-1, image_px, image_px, 3)


def square_of(picture: Image.Image, image_px: int) -> Squares:
    """Return the central square of an upright RGB image as HW3 uint8 with edge `image_px`."""
    return np.array(ImageOps.fit(picture, (image_px, image_px), Image.Resampling.BICUBIC))


def draw_crops(number: int, min_crop: float, generator: torch.Generator) -> Tensor:
    """Return random crops B23: affine maps from points in the crop to points in the square, both in [-1, 1].

    `min_crop` is the smallest area as a share of the square; 1 leaves only the mirroring. Crops lie within the square.
    """
    area = min_crop + (1 - min_crop) * torch.rand(number, generator=generator)
    widest = area.log().neg().clamp(max=np.log(MAX_ASPECT))
    aspect = (widest * (2 * torch.rand(number, generator=generator) - 1)).exp()
    size = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], 1)  # width, height
    middle = (1 - size) * (2 * torch.rand(number, 2, generator=generator) - 1)
    mirrored = torch.where(torch.rand(number, generator=generator) < 0.5, -1.0, 1.0)
    scale = torch.diag_embed(size * torch.stack([mirrored, torch.ones(number)], 1))
    return torch.cat([scale, middle[:, :, None]], 2)


def mirror_map(mirrored_B: Tensor) -> Tensor:
    """Return whole squares as affine maps B23 like those of `draw_crops`, mirrored where B bool is true."""
    signs = torch.where(mirrored_B, -1.0, 1.0)
    rows = torch.stack([signs, torch.ones(len(signs))], 1)
    return torch.cat([torch.diag_embed(rows), torch.zeros(len(signs), 2, 1)], 2)


class ClipInput(nn.Module):
    """Input transform of a CLIP: squares BHW3 uint8 -> pixels BCHW with its size, mean and deviation."""

    def __init__(self, visual: "VisionTransformer") -> None:
        from open_clip.model import get_model_preprocess_cfg

        super().__init__()
        config = get_model_preprocess_cfg(visual)
        self.image_px = int(visual.image_size[0])
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(config[name]).view(3, 1, 1), persistent=False)

    def forward(self, squares_BHW3: Tensor, crops_B23: Tensor | None = None) -> Tensor:
        """Return the pixels BCHW of the whole squares, or of their crops if these are given."""
        pixels = squares_BHW3.permute(0, 3, 1, 2).float() / 255
        edge = self.image_px
        if crops_B23 is not None:
            grid = F.affine_grid(crops_B23, [len(pixels), 3, edge, edge], align_corners=False)
            pixels = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
        elif pixels.shape[-1] != edge:
            pixels = F.interpolate(pixels, (edge, edge), mode="bicubic", antialias=True).clamp(0, 1)
        return (pixels - self.mean) / self.std
