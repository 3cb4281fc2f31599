"""Load published ResNets from local files: torchvision state dicts stored as safetensors. Nothing is downloaded.

Sem-C as published uses ResNet-50s trained on Places365 and on ImageNet as scene and object judges (REFERENCE C).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.judges.pixels import MEAN, STD
from pipeline.weights import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from PIL import Image
    from torchvision.models import ResNet

RESIZED_PX, CROPPED_PX = 256, 224  # as in the evaluation code of torchvision and Places365
NAMES = "names"
REMEDY = "expected a torchvision state dict as safetensors: torch.load the published file and save_file its tensors"


@dataclass(frozen=True)
class PublishedJudge:
    """A ResNet-50 with its own class names, none of which is `none`, and the preprocessing it was trained with."""

    net: "ResNet"
    names: tuple[str, ...]

    @torch.inference_mode()
    def probabilities(self, pictures: "Sequence[Image.Image]") -> Tensor:
        """Return the softmax BC of B RGB images on the CPU; one forward pass."""
        weight = self.net.fc.weight
        pixels = torch.stack([transform(picture) for picture in pictures]).to(weight.device)
        return self.net(pixels).float().softmax(1).cpu()


def transform(picture: "Image.Image") -> Tensor:
    """Return an RGB image as a tensor 3 x 224 x 224, preprocessed as in training.

    The shorter edge is resized to 256, the center is cropped, and ImageNet's mean and standard deviation are applied.
    """
    from torchvision.transforms import functional

    middle = functional.center_crop(functional.resize(picture, RESIZED_PX), CROPPED_PX)
    return functional.normalize(functional.to_tensor(middle), MEAN, STD)


def load_published(file: Path, kind: str) -> PublishedJudge:
    """Load a ResNet-50 with any number of classes.

    The class names come from the file's metadata, else from FILE.txt (one per line), else they are kind_0, kind_1 and
    so on. Raises ValueError that names the file if it is missing or is not such a network.
    """
    from torchvision import models

    state, metadata = torchvision_state(file)
    if "fc.weight" not in state:
        raise ValueError(f"{file}: fc.weight is missing; {REMEDY}")
    num_classes = len(state["fc.weight"])
    net = models.resnet50(weights=None, num_classes=num_classes)
    _load(net, state, file)
    return PublishedJudge(net.eval(), _names(file, metadata, kind, num_classes))


def save_published(judge: PublishedJudge, file: Path) -> None:
    """Write a self-contained copy: the class names are stored in the metadata."""
    save_safetensors(file, judge.net.state_dict(), {NAMES: json.dumps(judge.names, ensure_ascii=False)})


def load_backbone(net: nn.Module, file: Path) -> None:
    """Load the weights of a file, except those of its last layer, into a torchvision network without a last layer.

    Raises ValueError that names the file if it is missing or does not fit the network.
    """
    state, _ = torchvision_state(file)
    _load(net, {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, file)


def torchvision_state(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors under torchvision's names, and the metadata.

    The prefix "module." of networks trained on several GPUs is removed.
    """
    state, metadata = load_safetensors(file)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}, metadata


def weights_file(folder: Path, key: str, name: str) -> Path:
    """Return the path of the file that a key of the section `judges` names.

    Raises ValueError that says what to put where if there is no such file.
    """
    file = folder / name
    if Path(name).name != name or not file.is_file():
        raise ValueError(
            f"judges.{key} = {name!r}: {file} does not exist; put it there ({REMEDY}), or set judges.{key} to null"
        )
    return file


def _load(net: nn.Module, state: Mapping[str, Tensor], file: Path) -> None:
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file}: {reason[:300]}; {REMEDY}") from None


def _listed(file: Path, text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("not a list of strings")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: its class names cannot be read: {error}; {REMEDY}") from None
    return tuple(names)


def _names(file: Path, metadata: Mapping[str, str], kind: str, num_classes: int) -> tuple[str, ...]:
    """Return the class names. Raises ValueError if their number differs from num_classes."""
    beside = file.with_suffix(".txt")
    names = tuple(f"{kind}_{index}" for index in range(num_classes))
    if NAMES in metadata:
        names = _listed(file, metadata[NAMES])
    elif beside.is_file():
        names = tuple(beside.read_text(encoding="utf-8").splitlines())
    if len(names) != num_classes:
        raise ValueError(f"{beside}: {len(names)} lines for {num_classes} classes; expected one name per line")
    return names
