"""Provide the networks that FID and LPIPS use: the judge on pixels, or the papers' networks from local files.

The files are safetensors with the published names: Inception from pt_inception-2015-12-05, AlexNet from torchvision
(alexnet-owt-7be5be79). LPIPS is computed by the lpips package, which brings AlexNet's calibrated heads; nothing is
downloaded.
"""

import warnings
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
from pipeline.metrics.lpips import Perceptual, feature_distance
from pipeline.metrics.result import Protocol
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from lpips import LPIPS

    from pipeline.judges.panel import Judges
    from pipeline.params import Scores

WANTED = {
    "inception_weights": "pt_inception-2015-12-05", "alexnet_weights": "torchvision's alexnet-owt-7be5be79",
    "lpips_heads": "lpips' weights/v0.1/alex.pth",
}  # fmt: skip
HEADS = "weights/v0.1/alex.pth"  # in the lpips package
PERCEPTUAL_PX = 512  # images of Stable Diffusion 1.5, which the papers compare at full size
NUM_CLASSES = (365, 1000)  # Places365 and ImageNet


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
                f"scores.{key} = {name!r}: {folder / name} does not exist; put {wanted} there as safetensors, "
                f"or set scores.{key} to null"
            )


def perceptual_networks(
    judges: "Judges", settings: "Scores", folder: Path, device: torch.device | str = "cpu"
) -> tuple[Perceptual, ...]:
    """Return the judge's network, and AlexNet if the section `scores` names its weights, which lie in `folder`."""
    networks = [judge_perceptual(judges)]
    if settings.alexnet_weights:
        heads = folder / settings.lpips_heads if settings.lpips_heads else None
        networks.append(alexnet_perceptual(folder / settings.alexnet_weights, heads, settings.perceptual_px, device))
    return tuple(networks)


def judge_perceptual(judges: "Judges") -> Perceptual:
    """Return the distance by the levels of the pixel judge, which has no calibrated heads."""
    return feature_distance(judge_name(judges), judges.image_px, lambda pixels: judge_maps(judges, pixels))


def judge_maps(judges: "Judges", pixels: Tensor) -> list[Tensor]:
    """Return the maps BCHW of each level of the pixel judge; pixels BCHW in [-1, 1]."""
    device = judges.network.temperature.device
    return judges.network.feature_maps((pixels.to(device).permute(0, 2, 3, 1) + 1) * 127.5)


def alexnet_perceptual(
    weights: Path, heads: Path | None, image_px: int, device: torch.device | str = "cpu"
) -> Perceptual:
    """Return the original LPIPS at image_px. For the files and the errors see load_lpips."""
    net = load_lpips(weights, heads).to(device)

    def between(pixels: Tensor, first: Tensor, second: Tensor) -> Tensor:
        pixels = pixels.to(device)
        return net(pixels[first], pixels[second]).flatten()

    return Perceptual("lpips", alexnet_name(image_px), image_px, between)


def load_lpips(weights: Path, heads: Path | None) -> "LPIPS":
    """Return the network of the lpips package with AlexNet's weights and heads; for None, the package's own heads.

    Raises ValueError that names the file if one is missing or is something else.
    """
    from lpips import LPIPS
    from torchvision.models import alexnet

    trunk = alexnet(weights=None)
    load_backbone(trunk, weights)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")  # the package's old arguments
        net = LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False)  # otherwise AlexNet is downloaded
    layers = trunk.features.state_dict()
    net.net.load_state_dict({name: layers[name.partition(".")[2]] for name in net.net.state_dict()})
    net.load_state_dict(load_heads(heads, net.chns), strict=False)
    return net.eval()


def load_heads(file: Path | None, widths: list[int]) -> dict[str, Tensor]:
    """Return the weights 1 x C x 1 x 1 of each layer under the names of the lpips package.

    They are those of a safetensors file or, for None, those that the package brings, a pickle read as tensors alone.
    Raises ValueError that names the file if the shapes do not match `widths`.
    """
    import lpips

    if file is None:
        return torch.load(Path(lpips.__file__).parent / HEADS, map_location="cpu", weights_only=True)
    state, _ = load_safetensors(file)
    names = [f"lin{index}.model.1.weight" for index in range(len(widths))]
    shapes = [tuple(state[name].shape) if name in state else None for name in names]
    if shapes != [(1, width, 1, 1) for width in widths]:
        raise ValueError(f"{file}: heads have shapes {shapes}; expected {HEADS} of lpips as safetensors, or null")
    return {name: state[name] for name in names}


@torch.inference_mode()
def inception_features(
    network: Inception, pictures: list[Image.Image], protocol: Protocol = "clean"
) -> NDArray[np.float32]:
    """Return the Inception features N x 2048 of N RGB images of any size; one forward pass.

    `clean` crops the center square, where the package clean-fid squashes the whole image. `clean-fid` squashes it as
    that package does, `emogen` as published.
    """
    fitted = {"clean": square, "emogen": squashed, "clean-fid": squashed_in_floats}[protocol]
    squares = np.stack([np.asarray(fitted(picture, IMAGE_PX)) for picture in pictures])
    device = next(network.parameters()).device
    features: NDArray[np.float32] = network(torch.from_numpy(squares).to(device)).cpu().numpy()
    return features


def squashed_in_floats(picture: Image.Image, image_px: int) -> NDArray[np.float32]:
    """Return the whole RGB image resized to a square HWC in [0, 255], as mode `clean` of the package clean-fid does.

    Its filter is bicubic and antialiased, and values are not rounded. The package turns no image by EXIF orientation
    and drops alpha; here images are upright and on white.
    """
    size, bicubic = (image_px, image_px), Image.Resampling.BICUBIC
    bands = [np.asarray(band.convert("F").resize(size, bicubic)) for band in picture.split()]
    return np.stack(bands, 2).clip(0, 255)
