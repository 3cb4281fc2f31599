"""Reproduce what the published code does to images and pairs before it measures: protocol `emogen`, with its defects.

It gives numbers that can be compared with the papers' (REFERENCE C). What differs from `clean`:

- The pairs of emotion k are drawn from emotions 1 to k, because the list of images is never emptied.
- LPIPS gets pixels in [0, 1] where it expects [-1, 1] (`lpips.as_pixels`).
- CLIP gets pixels that were divided by 255 twice, which makes nearly black images.
- FID squashes images to squares, mixes all splits into the reference, and adds up sums over emotions (`fid.fid`).
- Emo-A and Sem-C pool the images of all emotions (`means.py`), so an emotion counts as often as it has images.
- Generated images have been compressed as JPEG of quality 75 and real images have not, for Emo-A and Sem-C as well.
- Real images are opened without their EXIF orientation and without their alpha channel (`opened`).

Deviations that stay:

- Draws of pairs are seeded, and `scores.num_pairs` is their number per emotion (published: no seed, 10 pairs).
- An unreadable image is a reject with its reason; the published FID takes a random other image in its place. Images are
  of three formats, and their pixels are limited (pipeline/corpora/images.py).
- LPIPS compares center squares of `scores.perceptual_px` (published: whole images, which the generator makes square).
- Without the published weights, other networks measure; their names are in the keys (`Measure.as_published`).
- Of Emo-A there is the accuracy alone, not the mean probability and the accuracy over polarities.
- Metrics have intervals and values of real images beside; for Emo-A and Sem-C, the latter weigh emotions by the images
  that the method has of them.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.metrics.pairs import Pairs

if TYPE_CHECKING:
    from torchvision.transforms import Compose

    from pipeline.foundation.clip import Clip

JPEG_QUALITY = 75  # Pillow's default; the published code sets none


def never_reset_pairs(emotions: NDArray[np.int64], num_pairs: int, generator: np.random.Generator) -> Pairs:
    """Return `num_pairs` pairs of distinct images for each emotion, drawn from it and all emotions before it.

    emotions has shape N. A pair may be drawn twice. The first emotion has pairs only if it has two images.
    """
    parts = []
    for index in np.unique(emotions):
        rows = np.flatnonzero(emotions <= index)
        number = num_pairs if len(rows) > 1 else 0
        drawn = [generator.choice(rows, 2, replace=False, shuffle=True) for _ in range(number)]
        parts.append(np.column_stack([np.array(drawn, np.int64).reshape(-1, 2), np.full(number, index)]))
    return Pairs(*np.concatenate(parts).T)


@torch.inference_mode()
def twice_rescaled_features(clip: "Clip", pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Return features ND of N RGB images, not of unit length; one forward pass.

    The published code gives CLIPProcessor tensors in [0, 1], which the processor divides by 255 again.
    """
    pixels = torch.stack([twice_rescaled(clip.transform, picture) for picture in pictures]).to(clip.device)
    features: NDArray[np.float32] = clip.model.encode_image(pixels).float().cpu().numpy()
    return features


def twice_rescaled(transform: "Compose", picture: Image.Image) -> Tensor:
    """Return CLIP's input CHW for an image, as if its pixels had been divided by 255 again before normalization."""
    normalize = transform.transforms[-1]
    mean, deviation = (torch.as_tensor(values)[:, None, None] for values in (normalize.mean, normalize.std))
    return ((transform(picture) * deviation + mean) / 255 - mean) / deviation


def opened(image: Image.Image) -> Image.Image:
    """Return a decoded image as RGB, neither turned by its EXIF orientation nor composited.

    Transparent pixels get the colors that they hide, and deep grays are clipped. As from `to_rgb`, no metadata is left.
    """
    image = image.convert("RGB")
    image.info = {}
    return image


def squashed(picture: Image.Image, image_px: int) -> Image.Image:
    """Return the whole image resized to a square, without keeping its aspect ratio."""
    return picture.resize((image_px, image_px), Image.Resampling.BILINEAR)


def stored(picture: Image.Image) -> Image.Image:
    """Return a generated image as it is read back from the JPEG file that the published code writes."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file).convert("RGB")
