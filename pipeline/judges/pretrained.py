"""Published ResNets from local files: torchvision's state dicts as safetensors, nothing is downloaded.

The field's Sem-C takes ResNet-50s of Places365 and of ImageNet as scene and object judge (REFERENCE C).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.judges.pixels import MEAN, STD
from pipeline.weights import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from PIL import Image

RESIZED_PX, CROPPED_PX = 256, 224  # as torchvision's and Places365's own evaluation
NAMES = "names"
REMEDY = "wanted is a state dict of torchvision as safetensors: torch.load the published file and save_file its tensors"


@dataclass(frozen=True)
class PublishedJudge:
    """A ResNet-50 with its own classes, none of which is `none`, and the transform that it was trained with."""

    net: Any
    names: tuple[str, ...]

    @torch.inference_mode()
    def probabilities(self, pictures: "Sequence[Image.Image]") -> Tensor:
        """RGB pictures -> softmax BC on the CPU. One forward."""
        weight = self.net.fc.weight
        pixels = torch.stack([transform(picture) for picture in pictures]).to(weight.device)
        return self.net(pixels).float().softmax(1).cpu()


def transform(picture: "Image.Image") -> Tensor:
    """An RGB picture -> 3 x 224 x 224: shorter edge to 256, the middle, ImageNet's mean and deviation."""
    from torchvision.transforms import functional

    middle = functional.center_crop(functional.resize(picture, RESIZED_PX), CROPPED_PX)
    return functional.normalize(functional.to_tensor(middle), MEAN, STD)


def load_published(file: Path, kind: str) -> PublishedJudge:
    """A ResNet-50 of any number of classes, named as its metadata or FILE.txt (one a line) say, else kind_0 and on.

    Raises ValueError that names the file where it is missing or no such network.
    """
    from torchvision import models

    state, metadata = torchvision_state(file)
    if "fc.weight" not in state:
        raise ValueError(f"{file}: it has no fc.weight; {REMEDY}")
    num_classes = len(state["fc.weight"])
    net = models.resnet50(weights=None, num_classes=num_classes)
    _load(net, state, file)
    return PublishedJudge(net.eval(), _names(file, metadata, kind, num_classes))


def save_published(judge: PublishedJudge, file: Path) -> None:
    """Writes a copy that needs no other file."""
    save_safetensors(file, judge.net.state_dict(), {NAMES: json.dumps(judge.names, ensure_ascii=False)})


def load_backbone(net: nn.Module, file: Path) -> None:
    """Give a ResNet of torchvision that has lost its last layer the weights of a file but those of its last layer.

    Raises ValueError that names the file.
    """
    state, _ = torchvision_state(file)
    _load(net, {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, file)


def torchvision_state(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by torchvision's names, without the "module." of a network trained on several GPUs; and metadata."""
    state, metadata = load_safetensors(file)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}, metadata


def weights_file(folder: Path, key: str, name: str) -> Path:
    """The file that a key of the section `judges` names. Raises ValueError that says what to put where."""
    file = folder / name
    if Path(name).name != name or not file.is_file():
        raise ValueError(
            f"judges.{key} = {name!r}: there is no {file}; put it there ({REMEDY}), or set judges.{key} to null"
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
            raise ValueError("no list of texts")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: its names of classes cannot be read: {error}; {REMEDY}") from None
    return tuple(names)


def _names(file: Path, metadata: Mapping[str, str], kind: str, num_classes: int) -> tuple[str, ...]:
    """Class names. Raises ValueError where there are more or fewer than classes."""
    beside = file.with_suffix(".txt")
    names = tuple(f"{kind}_{index}" for index in range(num_classes))
    if NAMES in metadata:
        names = _listed(file, metadata[NAMES])
    elif beside.is_file():
        names = tuple(beside.read_text(encoding="utf-8").splitlines())
    if len(names) != num_classes:
        raise ValueError(f"{beside}: {len(names)} lines for {num_classes} classes; wanted is one name a line")
    return names
