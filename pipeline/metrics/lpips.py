"""LPIPS of pairs of images: how differently a network sees them, layer by layer (Zhang et al., 2018, Eq. 1).

    d(x, y) = sum over layers l of the mean over places h, w of sum over channels c of w_lc (x^_hwc - y^_hwc)^2

with maps x^ of unit length over channels. LPIPS are the distances of AlexNet with its weights w that were calibrated on
what people say. Without them w is 1, the number is another one, and is named `feature_distance`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.judges.examples import square
from pipeline.metrics.pairs import Pairs, pair_results
from pipeline.metrics.result import Measure, Protocol, Result

EPS = 1e-10  # as the package has it

Maps = Callable[[Tensor], list[Tensor]]
Pictures = Callable[[Sequence[int]], Sequence[Image.Image]]


@dataclass(frozen=True)
class Perceptual:
    """A network that gives maps BCHW of pixels BCHW in [-1, 1], of squares of image_px; heads, one C a map, or none."""

    backbone: str
    image_px: int
    maps: Maps
    heads: tuple[Tensor, ...] | None = None

    def measure(self, protocol: Protocol) -> Measure:
        return Measure("feature_distance" if self.heads is None else "lpips", self.backbone, protocol)


def lpips(
    pairs: Pairs, pictures: Pictures, network: Perceptual, batch_size: int, protocol: Protocol = "clean"
) -> list[Result]:
    """Overall, the mean over emotions, then every emotion.

    pictures: rows as in `pairs` -> RGB pictures of any size. The pairs are of the protocol, too (emogen.py).
    """
    distances = pair_distances(pairs, pictures, network, batch_size, protocol)
    return pair_results(network.measure(protocol), pairs, distances)


@torch.inference_mode()
def pair_distances(
    pairs: Pairs, pictures: Pictures, network: Perceptual, batch_size: int, protocol: Protocol
) -> NDArray[np.float32]:
    """Distances P. Each picture goes through the network once in a batch of pairs."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(pairs), batch_size):
        ends = np.stack([pairs.first, pairs.second])[:, start : start + batch_size]
        rows, places = np.unique(ends, return_inverse=True)
        pixels = torch.stack([as_pixels(picture, network.image_px, protocol) for picture in pictures(rows.tolist())])
        maps = [unit(level) for level in network.maps(pixels)]
        first, second = torch.from_numpy(places.reshape(ends.shape))
        found = distances([level[first] for level in maps], [level[second] for level in maps], network.heads)
        parts.append(found.float().cpu().numpy())
    return np.concatenate(parts)


def distances(first: Sequence[Tensor], second: Sequence[Tensor], heads: Sequence[Tensor] | None = None) -> Tensor:
    """Maps BCHW of unit length over channels, of each layer -> B."""
    weights = heads or [torch.ones(level.shape[1], device=level.device) for level in first]
    layers = zip(first, second, weights, strict=True)
    return sum(torch.einsum("bchw,c->b", (x - y).square(), w) / (x.shape[2] * x.shape[3]) for x, y, w in layers)


def unit(maps: Tensor) -> Tensor:
    """Maps BCHW of unit length over channels; what is 0 everywhere stays 0."""
    return maps / (maps.norm(dim=1, keepdim=True) + EPS)


def as_pixels(picture: Image.Image, image_px: int, protocol: Protocol) -> Tensor:
    """A picture of any size -> 3HW, its middle: in [-1, 1], or, as published, in [0, 1], where black is grey."""
    pixels = torch.from_numpy(square(picture, image_px).transpose(2, 0, 1) / np.float32(255))
    return pixels if protocol == "emogen" else 2 * pixels - 1
