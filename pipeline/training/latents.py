"""Encode images into the autoencoder's latents once: mean and log-variance, of each image and its mirror image.

Training draws from the posterior at each step, as if it encoded the image anew.
"""

import json
import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.features import decoded
from pipeline.params import Fit
from pipeline.runtime import autocast
from pipeline.work import written_aside

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL import Image

    from pipeline.work import WorkFolder

COLUMNS = ("mean", "logvar", "mirrored_mean", "mirrored_logvar")
VALUES, INDEX = "latents", "latents.json"  # pieces of the cache; the index is written last


def encode_pictures(vae: "AutoencoderKL", rows: pa.Table, image_px: int, fit: Fit, batch_size: int) -> pa.Table:
    """Return the columns of LATENTS_SCHEMA for rows with image_id and image.

    Latents are flattened CHW, float16, and scaled for the U-Net.
    """
    squares = decoded(rows, batch_size, partial(prepared, image_px=image_px, fit=fit))
    parts = [_posteriors(vae, images) for _, images in squares]
    columns = {name: _column([part[name] for part in parts]) for name in COLUMNS} if parts else {}
    width = vae.config.latent_channels * (image_px // factor(vae)) ** 2
    empty = pa.array([], pa.list_(pa.float16(), width))
    return pa.table({"image_id": rows["image_id"], **{name: columns.get(name, empty) for name in COLUMNS}})


def factor(vae: "AutoencoderKL") -> int:
    """Return the number of image pixels along the edge of one latent pixel, 8 in Stable Diffusion."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def prepared(picture: "Image.Image", image_px: int, fit: Fit) -> "Image.Image":
    """Return a square image: the centre of the image (crop), or all of it squashed, as EmoGen does (squash)."""
    from PIL import Image, ImageOps

    if fit == "squash":
        return picture.resize((image_px, image_px), Image.Resampling.LANCZOS)
    return ImageOps.fit(picture, (image_px, image_px), Image.Resampling.LANCZOS)


@torch.inference_mode()
def _posteriors(vae: "AutoencoderKL", squares: "Sequence[Image.Image]") -> dict[str, Tensor]:
    """Return the COLUMNS of a batch of squares by name, each BCHW."""
    pixels = np.stack([np.asarray(square) for square in squares])
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(vae.device, vae.dtype) / 127.5 - 1
    with autocast("bf16", vae.device):
        plain, mirrored = (vae.encode(x).latent_dist for x in (scaled, scaled.flip(3)))
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor or 0.0
    return {
        "mean": (plain.mean - shift) * scale,
        "logvar": plain.logvar + 2 * np.log(scale),
        "mirrored_mean": (mirrored.mean - shift) * scale,
        "mirrored_logvar": mirrored.logvar + 2 * np.log(scale),
    }


def _column(parts: Sequence[Tensor]) -> pa.Array:
    values = torch.cat([part.flatten(1).half().cpu() for part in parts]).numpy()
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


class LatentCache:
    """Latents of many images in one memory-mapped file, so that memory use does not grow with their number."""

    def __init__(self, work: "WorkFolder", shards: Iterable[pa.Table], channels: int) -> None:
        """Open the cache, which is first written from `shards` unless the piece `latents` exists.

        `shards` are tables of LATENTS_SCHEMA, read one by one.
        """
        index = work.once(INDEX, lambda aside: _write(work.part(VALUES), aside, shards))
        self.image_ids: list[str] = json.loads(index.read_text())
        values = np.memmap(work.shared / VALUES, np.float16, "r").reshape(
            len(self.image_ids), len(COLUMNS), channels, -1
        )
        side = math.isqrt(values.shape[-1])
        self.values = values.reshape(*values.shape[:-1], side, side)

    def draw(self, rows: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
        """Return latents BCHW float32, drawn from the posteriors of rows B.

        Where `mirrored`, B bool, is true, they are those of the mirror images.
        """
        kinds = 2 * mirrored.long().numpy()
        index = rows.numpy()
        mean = torch.from_numpy(self.values[index, kinds].astype(np.float32))
        logvar = torch.from_numpy(self.values[index, kinds + 1].astype(np.float32))
        noise = torch.randn(mean.shape, generator=generator)
        return mean + (0.5 * logvar).exp() * noise


def _write(values: Path, index: Path, shards: Iterable[pa.Table]) -> None:
    """Write all values to one file, and then their image_ids to the other."""
    image_ids: list[str] = []
    with written_aside(values) as aside, aside.open("wb") as file:
        for shard in shards:
            image_ids += shard["image_id"].to_pylist()
            file.write(np.stack([_matrix(shard, name) for name in COLUMNS], 1).tobytes())
    index.write_text(json.dumps(image_ids))


def _matrix(table: pa.Table, name: str) -> NDArray[np.float16]:
    column = table[name].combine_chunks()
    matrix: NDArray[np.float16] = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
    return matrix


def draw_mirrored(number: int, mirror: bool, generator: torch.Generator) -> Tensor:
    """Return which images of a batch are mirrored, B bool: each with probability 1/2, or none if `mirror` is off."""
    return torch.rand(number, generator=generator) < (0.5 if mirror else 0.0)
