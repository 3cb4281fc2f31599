"""Compute distances of pairs of images: how differently a network sees them by layer (Zhang et al., 2018, Eq. 1).

LPIPS proper is computed by the lpips package (backbones.py), with weights calibrated on human judgements. Without such
weights the result is a different quantity, named `feature_distance`, which is computed here:

    d(x, y) = sum over layers l of the mean over places h, w of sum over channels c of (x^_hwc - y^_hwc)^2

The maps x^ have unit length over channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.judges.examples import square
from pipeline.metrics.pairs import Pairs, pair_results
from pipeline.metrics.result import Measure, Protocol, Result

EPS = 1e-10  # as in the lpips package

Maps = Callable[[Tensor], list[Tensor]]
Pictures = Callable[[Sequence[int]], Sequence[Image.Image]]


@dataclass(frozen=True)
class Perceptual:
    """A network for perceptual distances.

    `between` returns the distances P of P pairs: pixels BCHW in [-1, 1], squares of image_px, and the indices P of the
    first and of the second images.
    """

    name: Literal["lpips", "feature_distance"]
    backbone: str
    image_px: int
    between: Callable[[Tensor, Tensor, Tensor], Tensor]

    def measure(self, protocol: Protocol) -> Measure:
        return Measure(self.name, self.backbone, protocol)


def feature_distance(backbone: str, image_px: int, maps: Maps) -> Perceptual:
    """Return the distance by the feature maps of a network, whose channels weigh alike.

    `maps` returns maps BCHW of pixels BCHW in [-1, 1].
    """

    def between(pixels: Tensor, first: Tensor, second: Tensor) -> Tensor:
        levels = [unit(level) for level in maps(pixels)]
        return distances([level[first] for level in levels], [level[second] for level in levels])

    return Perceptual("feature_distance", backbone, image_px, between)


def lpips(
    pairs: Pairs, pictures: Pictures, network: Perceptual, batch_size: int, protocol: Protocol = "clean"
) -> list[Result]:
    """Return the mean distance of pairs overall (the mean over emotions), then for every emotion.

    `pictures` maps the row indices in `pairs` to RGB images of any size. The pairs must follow the same protocol
    (emogen.py).
    """
    distances = pair_distances(pairs, pictures, network, batch_size, protocol)
    return pair_results(network.measure(protocol), pairs, distances)


@torch.inference_mode()
def pair_distances(
    pairs: Pairs, pictures: Pictures, network: Perceptual, batch_size: int, protocol: Protocol
) -> NDArray[np.float32]:
    """Return the distances P of P pairs. An image is read once per batch of pairs."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(pairs), batch_size):
        ends = np.stack([pairs.first, pairs.second])[:, start : start + batch_size]
        rows, places = np.unique(ends, return_inverse=True)
        pixels = torch.stack([as_pixels(picture, network.image_px, protocol) for picture in pictures(rows.tolist())])
        first, second = torch.from_numpy(places.reshape(ends.shape))
        parts.append(network.between(pixels, first, second).float().cpu().numpy())
    return np.concatenate(parts)


def distances(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return the distances of B pairs: maps BCHW of each layer, of unit length over channels -> distances B."""
    weights = [torch.ones(level.shape[1], device=level.device) for level in first]  # a plain sum differs in low bits
    layers = zip(first, second, weights, strict=True)
    return sum(torch.einsum("bchw,c->b", (x - y).square(), w) / (x.shape[2] * x.shape[3]) for x, y, w in layers)


def unit(maps: Tensor) -> Tensor:
    """Return maps BCHW scaled to unit length over channels; zero vectors stay zero."""
    return maps / (maps.norm(dim=1, keepdim=True) + EPS)


def as_pixels(picture: Image.Image, image_px: int, protocol: Protocol) -> Tensor:
    """Return the center square of an image of any size as a tensor 3HW.

    The range is [-1, 1] under `clean` and, as published, [0, 1] under `emogen`, where black looks like gray.
    """
    pixels = torch.from_numpy(square(picture, image_px).transpose(2, 0, 1) / np.float32(255))
    return pixels if protocol == "emogen" else 2 * pixels - 1
