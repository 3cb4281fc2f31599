"""Read the artifacts that EmoGen published, by name and required content (REFERENCE D, "Artefacts of EmoGen").

Each reader takes the bytes of one file and returns checked plain values, or raises RefusedError. Writing is left to
`pipeline.foreign.outputs`.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.corpora.emoset import snake_case
from pipeline.corpora.records import shown
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.foreign.checkpoint import checked, load_state_dict, load_tensor
from pipeline.foreign.refusal import Refusal, RefusedError
from pipeline.foreign.unpickle import Array, unpickle

if TYPE_CHECKING:
    import torch

CLIP_WIDTH = 768  # of ViT-L/14's joint space and of EmoGen's emotion space
RESNET_WIDTH = 2048
MAX_NAME_CHARS = 200
MAX_PATH_CHARS = 1024
SUM_TOLERANCE = 1e-3  # of the sum of eight float32 probabilities
STATISTICS = ("mean", "std")
_COUNT = re.compile(r"^\(\d+\)")


@dataclass(frozen=True)
class Artefact:
    """A published file, with the reader of its bytes.

    Its path ends with `pattern`. Artifacts of one kind are distinguished by `member` and become one output.
    """

    kind: str
    member: str
    pattern: str
    read: Callable[[bytes], Any]

    @property
    def label(self) -> str:
        """Return kind and member as in the manifest, such as coefficients/scene."""
        return f"{self.kind}/{self.member}" if self.member else self.kind


class Place(NamedTuple):
    """A row of a balance list: `file` is the last three parts of its path, such as object/(5636)Tree/awe_00001.jpg."""

    emotion: str | None
    attribute: str | None
    file: str


def classifier(data: bytes) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return weight 8 x 768 and bias 8 of the Linear layer by which EmoGen classifies emotions.

    Its input is CLIP features that are not of unit length.
    """
    tensors = load_state_dict(data)
    if tensors.keys() != {"fc.weight", "fc.bias"}:
        raise RefusedError(Refusal.wrong_keys, f"{_some(tensors)}, wanted fc.weight and fc.bias")
    weight = checked("fc.weight", tensors["fc.weight"], (len(EMOTIONS), CLIP_WIDTH))
    return weight, checked("fc.bias", tensors["fc.bias"], (len(EMOTIONS),))


def image_encoder(data: bytes) -> "dict[str, torch.Tensor]":
    """Return the state dict of the ResNet-50 whose 768 outputs are EmoGen's emotion space.

    The network is recognised by the shapes of its layers 2048 -> 768 and 768 -> 8.
    """
    tensors = load_state_dict(data)
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    if not shapes >= {(CLIP_WIDTH, RESNET_WIDTH), (len(EMOTIONS), CLIP_WIDTH)}:
        raise RefusedError(Refusal.wrong_shape, f"no 768 x 2048 and 8 x 768 layer among {_some(tensors)}")
    for name, tensor in tensors.items():
        _text(name, MAX_NAME_CHARS)
        if tensor.is_floating_point():
            checked(shown(name), tensor, tuple(tensor.shape))
    return tensors


def mean(data: bytes) -> "torch.Tensor":
    """Return an emotion's mean in EmoGen's emotion space: 768 float32."""
    return checked("mean", load_tensor(data), (CLIP_WIDTH,))


def deviation(data: bytes) -> "torch.Tensor":
    """Return an emotion's standard deviations in EmoGen's emotion space: 768 float32, at least 0."""
    values = checked("std", load_tensor(data), (CLIP_WIDTH,))
    if bool((values < 0).any()):
        raise RefusedError(Refusal.out_of_range, f"a standard deviation is {float(values.min()):g}, at least 0 is one")
    return values


def coefficients(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return attribute -> mean probability of each emotion (8, sums to 1), as released (UniEmo Eq. 5).

    Attribute names are in snake_case.
    """
    table = _container(unpickle(data), dict)
    values = {_text(name, MAX_NAME_CHARS): _probabilities(name, row) for name, row in table.items()}
    keys = [attribute_key(name) for name in values]
    repeated = sorted(key for key, number in Counter(keys).items() if number > 1)
    if repeated:
        raise RefusedError(Refusal.wrong_keys, f"names that are equal in snake_case: {_some(repeated)}")
    return dict(zip(keys, values.values(), strict=True))


def attributes(data: bytes) -> list[tuple[str, str]]:
    """Return (emotion, attribute) of the attributes by which EmoGen guides each emotion, in EmoGen's order."""
    table = _container(unpickle(data), dict)
    if set(table) != {f"attr_{emotion}" for emotion in EMOTIONS}:
        raise RefusedError(Refusal.wrong_keys, f"{_some(table)}, wanted attr_ and each of {', '.join(EMOTIONS)}")
    return [
        (emotion, attribute_key(_text(name, MAX_NAME_CHARS)))
        for emotion in EMOTIONS
        for name in _container(table[f"attr_{emotion}"], list)
    ]


def vocabulary(data: bytes) -> list[str]:
    """Return all attributes that EmoGen knows, scenes and objects together, in EmoGen's order."""
    return [attribute_key(_text(name, MAX_NAME_CHARS)) for name in _container(unpickle(data), list)]


def balance(data: bytes) -> list[Place]:
    """Return the list by which EmoGen oversamples: places from paths of another machine, in training order."""
    return [place(_text(path, MAX_PATH_CHARS)) for path in _container(unpickle(data), list)]


def place(path: str) -> Place:
    """Return the emotion, the attribute and the last three parts of a path of another machine.

    The emotion is found in the file's name or in a folder's name; the attribute is the name of the file's folder.
    """
    foreign = PureWindowsPath(path)  # accepts both path separators
    parts = foreign.relative_to(foreign.anchor).parts[-3:]
    if not parts or ".." in parts:
        raise RefusedError(Refusal.wrong_keys, f"{shown(path)} names no file")
    words = [parts[-1].rpartition("_")[0].lower(), *(part.lower() for part in parts[:-1])]
    emotion = next((word for word in words if word in INDEX), None)
    return Place(emotion, attribute_key(parts[-2]) if len(parts) > 1 else None, "/".join(parts))


def attribute_key(name: str) -> str:
    """Return an attribute's name in the snake_case of EmoSet's vocabulary.

    EmoGen's folder "(5636)Alarm clock" gives alarm_clock. Raises RefusedError if the name is not an attribute's name.
    """
    key = snake_case(_COUNT.sub("", name))
    if not key or "/" in key:
        raise RefusedError(Refusal.wrong_keys, f"{shown(name)} is no attribute's name")
    return key


def _container(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise RefusedError(Refusal.wrong_type, f"{type(value).__name__}, wanted {kind.__name__}")
    if not value:
        raise RefusedError(Refusal.wrong_keys, f"an empty {kind.__name__}")
    return value


def _text(value: Any, max_chars: int) -> str:
    """Return the value if it is text that a table can hold and a terminal can show; raises RefusedError otherwise."""
    if type(value) is not str:
        raise RefusedError(Refusal.wrong_type, f"{type(value).__name__}, wanted text")
    if not 0 < len(value) <= max_chars or not value.isprintable():
        raise RefusedError(Refusal.wrong_keys, f"{shown(value)}: empty, unprintable or over {max_chars} characters")
    return value


def _probabilities(name: str, row: Any) -> NDArray[np.float32]:
    """Return the eight values of one attribute. Raises RefusedError unless they are probabilities.

    They must sum to 1, within SUM_TOLERANCE.
    """
    if type(row) is not Array or row.values.dtype.kind != "f":
        raise RefusedError(Refusal.wrong_type, f"{shown(name)} has {type(row).__name__}, wanted floating numbers")
    if row.values.shape != (len(EMOTIONS),):
        raise RefusedError(Refusal.wrong_shape, f"{shown(name)} is {list(row.values.shape)}, wanted {[len(EMOTIONS)]}")
    values: NDArray[np.float32] = row.values.astype(np.float32)
    if not np.isfinite(values).all():
        raise RefusedError(Refusal.not_finite, f"{shown(name)} holds NaN or an infinity")
    if values.min() < 0.0 or abs(float(values.sum(dtype=np.float64)) - 1.0) > SUM_TOLERANCE:
        raise RefusedError(Refusal.out_of_range, f"{shown(name)} is {values.tolist()}, no probabilities that sum to 1")
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
        Artefact("emotion_space", f"{emotion}_{statistic}", f"{emotion}_{statistic}_v2.pt", read)
        for emotion in EMOTIONS
        for statistic, read in zip(STATISTICS, (mean, deviation), strict=True)
    ),
)
