"""Define the networks that judge pixels: softmax heads for emotion, scene and object on one backbone.

The backbone is our small residual network for 64 px, or a torchvision ResNet. The judges share neither architecture nor
weights nor training images with CLIP (SCIENCE 2).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from pipeline.emotion_set import EMOTIONS
from pipeline.params import Backbone

if TYPE_CHECKING:
    from torchvision.models import ResNet

# Channels of the small network: the stem, then blocks at 1/4, 1/8 and 1/16 of the edge.
WIDTHS = (32, 64, 128, 192)
GROUP_CHANNELS = 16  # channels per group; smaller groups are four times slower on CPUs
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet statistics, which published weights expect


@dataclass(frozen=True)
class Logits:
    """Network outputs for B images.

    emotions B8; scenes BS and objects BO (`none` first), or None without such a head; features BD, pooled.
    """

    emotions: Tensor
    scenes: Tensor | None
    objects: Tensor | None
    features: Tensor


class PixelJudge(nn.Module):
    """The pixel judge: a backbone with emotion, scene and object heads.

    squares BHWC uint8 -> Logits

    The features BD are the mean and the maximum of the last maps over places. A head for 0 names is omitted.
    """

    def __init__(self, backbone: Backbone, num_scenes: int, num_objects: int) -> None:
        super().__init__()
        self.backbone = SmallResNet(WIDTHS) if backbone == "small" else TorchvisionResNet(backbone)
        width = 2 * self.backbone.width
        self.emotions = nn.Linear(width, len(EMOTIONS))
        self.scenes = nn.Linear(width, num_scenes) if num_scenes else None
        self.objects = nn.Linear(width, num_objects) if num_objects else None
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, squares: Tensor) -> Logits:
        """Return float32 logits before temperature scaling: squares BHWC uint8 -> Logits."""
        last = self.feature_maps(squares)[-1].float()
        features = torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1)
        scenes, objects = (head and head(features) for head in (self.scenes, self.objects))
        return Logits(self.emotions(features), scenes, objects, features)

    def feature_maps(self, squares: Tensor) -> list[Tensor]:
        """Return the maps BCHW of each level, fine to coarse, for squares BHWC uint8."""
        return self.backbone(normalized(squares))


class SmallResNet(nn.Module):
    """A small ResNet: a stem to a quarter of the edge, then residual blocks; pixels BCHW -> maps of three levels."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = widths[-1]
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 5, 2, 2), nn.MaxPool2d(2))
        pairs = enumerate(itertools.pairwise(widths))
        self.blocks = nn.ModuleList(ResidualBlock(before, after, 2 if level else 1) for level, (before, after) in pairs)
        self.norm = nn.Sequential(group_norm(widths[-1]), nn.SiLU())
        self.to(memory_format=torch.channels_last)  # takes a third of the time on CPUs

    def forward(self, pixels: Tensor) -> list[Tensor]:
        maps = self.stem(pixels)
        levels = [maps := block(maps) for block in self.blocks]
        return [*levels[:-1], self.norm(levels[-1])]


class ResidualBlock(nn.Module):
    """A pre-activation residual block: two convolutions beside a projected shortcut.

    It uses group norms because they behave the same in training and in evaluation.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(group_norm(before), nn.SiLU(), nn.Conv2d(before, after, 3, stride, 1))
        self.second = nn.Sequential(group_norm(after), nn.SiLU(), nn.Conv2d(after, after, 3, 1, 1))
        self.shortcut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, after, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return self.shortcut(maps) + self.second(self.first(maps))


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels)


class TorchvisionResNet(nn.Module):
    """A torchvision ResNet with random weights and no classifier; pixels BCHW -> maps of its four levels."""

    def __init__(self, name: Literal["resnet18", "resnet50"]) -> None:
        super().__init__()
        from torchvision import models

        self.net: ResNet = getattr(models, name)(weights=None)
        self.width = int(self.net.fc.in_features)
        self.net.fc = nn.Identity()
        self.to(memory_format=torch.channels_last)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        net = self.net
        maps = net.maxpool(net.relu(net.bn1(net.conv1(pixels))))
        return [maps := level(maps) for level in (net.layer1, net.layer2, net.layer3, net.layer4)]


def normalized(squares: Tensor) -> Tensor:
    """Return the squares standardized by ImageNet's mean and standard deviation, channels last in memory.

    squares BHWC uint8 -> BCHW float
    """
    mean, std = (torch.tensor(values, device=squares.device) for values in (MEAN, STD))
    return ((squares.float() / 255 - mean) / std).permute(0, 3, 1, 2)
