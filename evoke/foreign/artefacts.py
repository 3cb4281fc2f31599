"""Read the artifacts that EmoGen published, by name and required content (REFERENCE D, "Artefacts of EmoGen").

Each reader takes the bytes of one file and returns tensors, or rows of the table that they become. It raises
RefusedError for any other content. Writing is left to `evoke.foreign.outputs`.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoke.foreign.checkpoint import checked, load_state_dict, load_tensor
from evoke.foreign.pickles import parse, vector
from evoke.foreign.refusal import RefusedError
from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.corpora.emoset import snake_case
from pipeline.corpora.records import shown
from pipeline.emotions import EMOTIONS, INDEX

if TYPE_CHECKING:
    import torch


CLIP_WIDTH = 768  # of ViT-L/14's joint space and of EmoGen's emotion space
RESNET_WIDTH = 2048
MAX_NAME_CHARS = 200
MAX_PATH_CHARS = 1024
SUM_TOLERANCE = 1e-3  # of the sum of eight float32 probabilities
_COUNT = re.compile(r"^\(\d+\)")

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Artefact:
    """A published file whose path ends with `pattern`, with the reader of its bytes.

    Artifacts of one kind are distinguished by `member` and become one output.
    """

    kind: str
    member: str
    pattern: str
    read: Callable[[bytes, str], Any]  # of the bytes and the member

    @property
    def label(self) -> str:
        """Return kind and member as in the manifest, such as coefficients/scene."""
        return f"{self.kind}/{self.member}" if self.member else self.kind


def classifier(data: bytes, _member: str = "") -> "dict[str, torch.Tensor]":
    """Return weight 8 x 768 and bias 8 of the Linear layer by which EmoGen classifies emotions.

    Its input is CLIP features that are not of unit length.
    """
    tensors = load_state_dict(data)
    if tensors.keys() != {"fc.weight", "fc.bias"}:
        raise RefusedError("wrong_keys", f"tensors are {_some(tensors)}, expected fc.weight and fc.bias")
    shapes = {"fc.weight": (len(EMOTIONS), CLIP_WIDTH), "fc.bias": (len(EMOTIONS),)}
    return {name.removeprefix("fc."): checked(name, tensors[name], shape) for name, shape in shapes.items()}


def image_encoder(data: bytes, _member: str = "") -> "dict[str, torch.Tensor]":
    """Return the state dict of the ResNet-50 whose 768 outputs are EmoGen's emotion space.

    The network is recognised by the shapes of its layers 2048 -> 768 and 768 -> 8.
    """
    tensors = load_state_dict(data)
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    if not shapes >= {(CLIP_WIDTH, RESNET_WIDTH), (len(EMOTIONS), CLIP_WIDTH)}:
        raise RefusedError("wrong_shape", f"no 768 x 2048 and 8 x 768 layers among {_some(tensors)}")
    for name, tensor in tensors.items():
        _text(name)
        if tensor.is_floating_point():
            checked(shown(name), tensor, tuple(tensor.shape))
    return tensors


def gaussian(data: bytes, member: str) -> "torch.Tensor":
    """Return the mean or the standard deviations of an emotion in EmoGen's emotion space: 768 float32."""
    values = checked(member, load_tensor(data), (CLIP_WIDTH,))
    if member.endswith("_std") and bool((values < 0).any()):
        raise RefusedError("out_of_range", f"a standard deviation is {float(values.min()):g}, expected >= 0")
    return values


def coefficients(data: bytes, kind: str) -> Rows:
    """Return the mean probabilities of the emotions (8, sum 1) of each attribute, as released (UniEmo Eq. 5).

    What was not published is not invented: num_images (M_j) is 0 for unknown, and standard_error is 0. The columns
    coefficient, mean and in_sample all hold the published values, which are not shrunk and come from a classifier that
    had seen the images.
    """
    table = {_text(name): _probabilities(name, value) for name, value in _container(parse(data), dict).items()}
    keys = [attribute_key(name) for name in table]
    repeated = sorted(key for key, number in Counter(keys).items() if number > 1)
    if repeated:
        raise RefusedError("wrong_keys", f"several names are equal in snake_case: {_some(repeated)}")
    unknown = {"num_images": 0, "standard_error": np.zeros(len(EMOTIONS), np.float32)}
    return [
        {"attribute": f"{kind}/{key}", "kind": kind, "name": key, **unknown}
        | dict.fromkeys(("coefficient", "mean", "in_sample"), values)
        for key, values in zip(keys, table.values(), strict=True)
    ]


def attributes(data: bytes, kind: str) -> Rows:
    """Return the attributes by which EmoGen guides each emotion, in EmoGen's order."""
    table = _container(parse(data), dict)
    if set(table) != {f"attr_{emotion}" for emotion in EMOTIONS}:
        raise RefusedError(
            "wrong_keys", f"keys are {_some(table)}, expected attr_ and one of {', '.join(EMOTIONS)} each"
        )
    return [
        {"emotion": emotion, "kind": kind, "name": attribute_key(_text(name))}
        for emotion in EMOTIONS
        for name in _container(table[f"attr_{emotion}"], list)
    ]


def vocabulary(data: bytes, _member: str = "") -> Rows:
    """Return all attributes that EmoGen knows, scenes and objects together, in EmoGen's order."""
    names = _container(parse(data), list)
    return [{"name": attribute_key(_text(name)), "position": position} for position, name in enumerate(names)]


def balance(data: bytes, kind: str) -> Rows:
    """Return the list by which EmoGen oversamples: places from paths of another machine, in training order."""
    paths = enumerate(_container(parse(data), list))
    return [{"kind": kind, "position": position, **place(_text(path, MAX_PATH_CHARS))} for position, path in paths]


def place(path: str) -> dict[str, str | None]:
    """Return the emotion, the attribute and the last three parts of a path of another machine.

    The emotion is found in the file's name or in a folder's name; the attribute is the name of the file's folder.
    """
    foreign = PureWindowsPath(path)  # accepts both path separators
    parts = foreign.relative_to(foreign.anchor).parts[-3:]
    if not parts or ".." in parts:
        raise RefusedError("wrong_keys", f"{shown(path)} does not name a file")
    words = [parts[-1].rpartition("_")[0].lower(), *(part.lower() for part in parts[:-1])]
    return {
        "emotion": next((word for word in words if word in INDEX), None),
        "attribute": attribute_key(parts[-2]) if len(parts) > 1 else None,
        "file": "/".join(parts),
    }


def attribute_key(name: str) -> str:
    """Return an attribute's name in the snake_case of EmoSet's vocabulary.

    EmoGen's folder "(5636)Alarm clock" gives alarm_clock. Raises RefusedError if the name is not an attribute's name.
    """
    key = snake_case(_COUNT.sub("", name))
    if not key or "/" in key:
        raise RefusedError("wrong_keys", f"{shown(name)} is not the name of an attribute")
    return key


def _container(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise RefusedError("wrong_type", f"found {type(value).__name__}, expected {kind.__name__}")
    if not value:
        raise RefusedError("wrong_keys", f"the {kind.__name__} is empty")
    return value


def _text(value: Any, max_chars: int = MAX_NAME_CHARS) -> str:
    """Return the value if it is text that a table can hold and a terminal can show; raises RefusedError otherwise."""
    if type(value) is not str:
        raise RefusedError("wrong_type", f"found {type(value).__name__}, expected text")
    if not 0 < len(value) <= max_chars or not value.isprintable():
        raise RefusedError("wrong_keys", f"{shown(value)}: empty, unprintable or over {max_chars} characters")
    return value


def _probabilities(name: str, value: Any) -> NDArray[np.float32]:
    """Return the eight values of one attribute.

    Raises RefusedError unless they are probabilities and sum to 1, within SUM_TOLERANCE.
    """
    values = vector(name, value, len(EMOTIONS))
    if not np.isfinite(values).all():
        raise RefusedError("not_finite", f"{shown(name)} contains NaN or infinity")
    if values.min() < 0.0 or abs(float(values.sum(dtype=np.float64)) - 1.0) > SUM_TOLERANCE:
        raise RefusedError("out_of_range", f"{shown(name)} is {values.tolist()}, expected probabilities that sum to 1")
    return values


def _some(names: Any) -> str:
    """Return the number of names and the first five of them, for a message."""
    return f"{len(names)} names: {shown(', '.join(list(names)[:5]))}"


ARTEFACTS: tuple[Artefact, ...] = (
    Artefact("image_encoder", "", "image_encoder/*.pth", image_encoder),
    Artefact("classifier", "", "time_*.pth", classifier),
    *(Artefact("coefficients", kind, f"attr_coefficient_emotion_{kind}.pkl", coefficients) for kind in ATTRIBUTE_KINDS),
    *(Artefact("attributes", kind, f"{kind}_attr.pkl", attributes) for kind in ATTRIBUTE_KINDS),
    Artefact("vocabulary", "", "all_attribute_object_scene.pkl", vocabulary),
    *(Artefact("balance", kind, f"{kind}_norepeat.pkl", balance) for kind in ATTRIBUTE_KINDS),
    *(
        Artefact("emotion_space", f"{emotion}_{name}", f"{emotion}_{name}_v2.pt", gaussian)
        for emotion in EMOTIONS
        for name in ("mean", "std")
    ),
)
