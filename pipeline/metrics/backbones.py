"""Provide the networks that FID and LPIPS use: the judge on pixels, or the papers' networks from local files.

The files are safetensors with the published names: Inception from pt_inception-2015-12-05, AlexNet from torchvision
(alexnet-owt-7be5be79), and its heads from the lpips package (weights/v0.1/alex.pth).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.judges.examples import square
from pipeline.judges.pretrained import load_backbone
from pipeline.metrics.emogen import squashed
from pipeline.metrics.inception import IMAGE_PX, Inception
from pipeline.metrics.lpips import Perceptual
from pipeline.metrics.result import Protocol
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from pipeline.judges.panel import Judges
    from pipeline.params import Scores

WANTED = {
    "inception_weights": "pt_inception-2015-12-05", "alexnet_weights": "torchvision's alexnet-owt-7be5be79",
    "lpips_heads": "lpips' weights/v0.1/alex.pth",
}  # fmt: skip
ALEXNET_LAYERS = ((0, 2), (2, 5), (5, 8), (8, 10), (10, 12))  # slices of torchvision's features, each up to a ReLU
PERCEPTUAL_PX = 512  # images of Stable Diffusion 1.5, which the papers compare at full size
NUM_CLASSES = (365, 1000)  # Places365 and ImageNet
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # for pixels in [-1, 1], rounded as in lpips


def judge_name(judges: "Judges") -> str:
    """Return the name of the pixel judge as a backbone; it is trained here, so it has no published network's name."""
    return f"judge_{judges.backbone}"


def clarity_name(judges: "Judges") -> str:
    """Return the name of the networks behind Sem-C.

    The name is resnet50 if both judges are ResNet-50s with the papers' numbers of classes, resnet50_n_m for other
    published networks, and the name of the pixel judge otherwise.
    """
    if not (judges.scene_judge and judges.object_judge):
        return judge_name(judges)
    num_classes = len(judges.scene_names), len(judges.object_names)
    return "resnet50" if num_classes == NUM_CLASSES else "resnet50_{}_{}".format(*num_classes)


def alexnet_name(image_px: int) -> str:
    """Return alexnet at the papers' image size, else the name with the size, because LPIPS depends on it."""
    return "alexnet" if image_px == PERCEPTUAL_PX else f"alexnet_{image_px}px"


def check_weights(settings: "Scores", folder: Path) -> None:
    """Check the weights files before anything is loaded.

    Raises ValueError for a file that the section `scores` names and that `folder` lacks.
    """
    for key, wanted in WANTED.items():
        name = getattr(settings, key)
        if name and not (folder / name).is_file():
            raise ValueError(
                f"scores.{key} = {name!r}: there is no {folder / name}; put {wanted} there as safetensors, "
                f"or set scores.{key} to null"
            )


def perceptual_networks(
    judges: "Judges", settings: "Scores", folder: Path, device: torch.device | str = "cpu"
) -> tuple[Perceptual, ...]:
    """Return the judge's network, and AlexNet if the section `scores` names its files, which lie in `folder`."""
    networks = [judge_perceptual(judges)]
    if settings.alexnet_weights and settings.lpips_heads:
        files = folder / settings.alexnet_weights, folder / settings.lpips_heads
        networks.append(alexnet_perceptual(*files, settings.perceptual_px, device))
    return tuple(networks)


def judge_perceptual(judges: "Judges") -> Perceptual:
    """Return the levels of the pixel judge as a perceptual network without heads."""
    device = judges.network.temperature.device

    def maps(pixels: Tensor) -> list[Tensor]:
        return judges.network.feature_maps((pixels.to(device).permute(0, 2, 3, 1) + 1) * 127.5)

    return Perceptual(judge_name(judges), judges.image_px, maps)


def alexnet_perceptual(weights: Path, heads: Path, image_px: int, device: torch.device | str = "cpu") -> Perceptual:
    """Return the network of the original LPIPS: AlexNet with calibrated heads.

    Raises ValueError that names the file if one is missing or is something else.
    """
    from torchvision.models import alexnet

    net = alexnet(weights=None)
    load_backbone(net, weights)
    slices = [net.features[begin:end].to(device).eval() for begin, end in ALEXNET_LAYERS]
    shift, scale = (torch.tensor(values, device=device)[:, None, None] for values in (SHIFT, SCALE))

    def maps(pixels: Tensor) -> list[Tensor]:
        level = (pixels.to(device) - shift) / scale
        return [level := part(level) for part in slices]

    widths = [part[-2].out_channels for part in slices]
    return Perceptual(alexnet_name(image_px), image_px, maps, load_heads(heads, widths, device))


def load_heads(file: Path, widths: list[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
    """Return the weights C of each layer, stored under the names of the lpips package.

    Raises ValueError that names the file if the shapes do not match `widths`.
    """
    state, _ = load_safetensors(file)
    names = [f"lin{index}.model.1.weight" for index in range(len(widths))]
    shapes = [tuple(state[name].shape) if name in state else None for name in names]
    if shapes != [(1, width, 1, 1) for width in widths]:
        raise ValueError(f"{file}: heads have shapes {shapes}; wanted is lpips' weights/v0.1/alex.pth as safetensors")
    return tuple(state[name].flatten().to(device) for name in names)


@torch.inference_mode()
def inception_features(
    network: Inception, pictures: list[Image.Image], protocol: Protocol = "clean"
) -> NDArray[np.float32]:
    """Return the Inception features N x 2048 of N RGB images of any size; one forward pass.

    `clean` crops the center square, `emogen` squashes the whole image as published.
    """
    fitted = squashed if protocol == "emogen" else square
    squares = np.stack([np.asarray(fitted(picture, IMAGE_PX)) for picture in pictures])
    device = next(network.parameters()).device
    features: NDArray[np.float32] = network(torch.from_numpy(squares).to(device)).cpu().numpy()
    return features
