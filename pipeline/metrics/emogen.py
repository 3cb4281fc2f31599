"""Protocol `emogen`: what the published code does to pictures and pairs before it measures, defects included.

For numbers that are to stand beside the papers' (REFERENCE C). Each function is one defect:
- pairs of emotion k are drawn from emotions 1 to k, as the list of pictures is never emptied;
- LPIPS sees pixels in [0, 1] where it expects [-1, 1] (`lpips.as_pixels`);
- CLIP sees pixels divided by 255 twice, nearly black pictures;
- FID squashes pictures to squares, mixes all splits into the reference, and adds up sums over emotions (`fid.fid`);
- generated pictures have been through JPEG of quality 75, real ones have not, for Emo-A and Sem-C too.
Deviates: draws are seeded, which the published ones are not; an unreadable picture is never replaced by another.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.metrics.pairs import Pairs

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip

JPEG_QUALITY = 75  # Pillow's own, as the published code names none


def never_reset_pairs(emotions: NDArray[np.int64], num_pairs: int, generator: np.random.Generator) -> Pairs:
    """Of each emotion `num_pairs` pairs of distinct images of it or any before it; a pair may come twice.

    emotions N are those of the images. The first emotion needs two images for a pair.
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
    """RGB pictures -> features ND, not of unit length. One forward.

    The published code gives CLIPProcessor tensors in [0, 1], which it divides by 255 once more.
    """
    pixels = torch.stack([twice_rescaled(clip.transform, picture) for picture in pictures]).to(clip.device)
    features: NDArray[np.float32] = clip.model.encode_image(pixels).float().cpu().numpy()
    return features


def twice_rescaled(transform: Any, picture: Image.Image) -> Tensor:
    """A picture as CLIP's transform gives it, CHW, had its pixels been divided by 255 before it takes off the mean."""
    normalize = transform.transforms[-1]
    mean, deviation = (torch.as_tensor(values)[:, None, None] for values in (normalize.mean, normalize.std))
    return ((transform(picture) * deviation + mean) / 255 - mean) / deviation


def squashed(picture: Image.Image, image_px: int) -> Image.Image:
    """The whole picture as a square, whatever its shape."""
    return picture.resize((image_px, image_px), Image.Resampling.BILINEAR)


def stored(picture: Image.Image) -> Image.Image:
    """A generated picture as it is read back from the file that the published code writes."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return Image.open(file).convert("RGB")
