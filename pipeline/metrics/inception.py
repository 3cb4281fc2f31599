"""Define the Inception network of FID: TensorFlow's network of 2015-12-05, whose pooling differs from torchvision's.

The weights are pt_inception-2015-12-05 as safetensors with torchvision's names. Nothing is downloaded.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import Inception3
from torchvision.models import inception as published

from pipeline.judges.pretrained import load_backbone

WIDTH, NUM_CLASSES = 2048, 1008
IMAGE_PX = 299


class AveragePooled:
    """A block whose last branch averages over the pixels inside the map only: padding zeros do not count."""

    def _forward(self, maps: Tensor) -> list[Tensor]:
        pools = F.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)
        return [*super()._forward(maps)[:-1], self.branch_pool(pools)]  # type: ignore[misc, attr-defined]


class MaxPooled:
    """A block whose last branch uses max pooling instead of average pooling, as TensorFlow's graph does."""

    def _forward(self, maps: Tensor) -> list[Tensor]:
        pools = F.max_pool2d(maps, 3, 1, 1)
        return [*super()._forward(maps)[:-1], self.branch_pool(pools)]  # type: ignore[misc, attr-defined]


class BlockA(AveragePooled, published.InceptionA):
    """The blocks at 35 x 35."""


class BlockC(AveragePooled, published.InceptionC):
    """The blocks at 17 x 17."""


class BlockE(AveragePooled, published.InceptionE):
    """The first block at 8 x 8."""


class LastBlockE(MaxPooled, published.InceptionE):
    """The second block at 8 x 8."""


class Inception(nn.Module):
    """FID's Inception without its classifier: squares BHWC in [0, 255] of 299 px -> features B x 2048 float32."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [published.BasicConv2d, BlockA, published.InceptionB, BlockC, published.InceptionD, BlockE,
                  published.InceptionAux]  # fmt: skip
        self.net = Inception3(NUM_CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
        self.net.Mixed_7c = LastBlockE(WIDTH)
        self.net.fc = nn.Identity()

    def forward(self, squares: Tensor) -> Tensor:
        return self.net((squares.permute(0, 3, 1, 2).float() - 128) / 128)


def load_inception(file: Path, device: torch.device | str = "cpu") -> Inception:
    """Load the network in evaluation mode.

    Raises ValueError that names the file if it is missing or is not such a network.
    """
    inception = Inception()
    load_backbone(inception.net, file)
    return inception.to(device).eval()
