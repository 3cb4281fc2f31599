"""What EmoGen published, file by file: the name it goes by, and what it must hold (REFERENCE D, "Artefacts of EmoGen").

Each reader takes the bytes of one file and returns plain values, checked, or raises RefusedError. Nothing is written
here: that is `pipeline.foreign.outputs`.
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

CLIP_WIDTH = 768  # ViT-L/14's joint space, and EmoGen's emotion space
RESNET_WIDTH = 2048
MAX_NAME_CHARS = 200
MAX_PATH_CHARS = 1024
SUM_TOLERANCE = 1e-3  # of eight float32 probabilities
STATISTICS = ("mean", "std")
_COUNT = re.compile(r"^\(\d+\)")


@dataclass(frozen=True)
class Artefact:
    """A published file: `pattern` ends its path; artefacts of one kind, told apart by `member`, become one output."""

    kind: str
    member: str
    pattern: str
    read: Callable[[bytes], Any]

    @property
    def label(self) -> str:
        """Kind and member, as the manifest has it: coefficients/scene."""
        return f"{self.kind}/{self.member}" if self.member else self.kind


class Place(NamedTuple):
    """A row of a balance list: file is the last three parts of its path, such as object/(5636)Tree/awe_00001.jpg."""

    emotion: str | None
    attribute: str | None
    file: str


def classifier(data: bytes) -> "tuple[torch.Tensor, torch.Tensor]":
    """Weight 8 x 768 and bias 8 of the layer that EmoGen judges emotions by: one Linear on CLIP features, not unit."""
    tensors = load_state_dict(data)
    if tensors.keys() != {"fc.weight", "fc.bias"}:
        raise RefusedError(Refusal.wrong_keys, f"{_some(tensors)}, wanted fc.weight and fc.bias")
    weight = checked("fc.weight", tensors["fc.weight"], (len(EMOTIONS), CLIP_WIDTH))
    return weight, checked("fc.bias", tensors["fc.bias"], (len(EMOTIONS),))


def image_encoder(data: bytes) -> "dict[str, torch.Tensor]":
    """The ResNet-50 with 2048 -> 768 and -> 8 layers whose 768 are EmoGen's emotion space; told by those shapes."""
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
    """An emotion's mean in EmoGen's space: 768 float32."""
    return checked("mean", load_tensor(data), (CLIP_WIDTH,))


def deviation(data: bytes) -> "torch.Tensor":
    """An emotion's standard deviations in EmoGen's space: 768 float32, at least 0."""
    values = checked("std", load_tensor(data), (CLIP_WIDTH,))
    if bool((values < 0).any()):
        raise RefusedError(Refusal.out_of_range, f"a standard deviation is {float(values.min()):g}, at least 0 is one")
    return values


def coefficients(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Attribute -> mean probability of each emotion (8, sums to 1), names in snake_case (UniEmo Eq. 5 as released)."""
    table = _container(unpickle(data), dict)
    values = {_text(name, MAX_NAME_CHARS): _probabilities(name, row) for name, row in table.items()}
    keys = [attribute_key(name) for name in values]
    repeated = sorted(key for key, number in Counter(keys).items() if number > 1)
    if repeated:
        raise RefusedError(Refusal.wrong_keys, f"names that are equal in snake_case: {_some(repeated)}")
    return dict(zip(keys, values.values(), strict=True))


def attributes(data: bytes) -> list[tuple[str, str]]:
    """(emotion, attribute) of the words that EmoGen guides an emotion by, in its order."""
    table = _container(unpickle(data), dict)
    if set(table) != {f"attr_{emotion}" for emotion in EMOTIONS}:
        raise RefusedError(Refusal.wrong_keys, f"{_some(table)}, wanted attr_ and each of {', '.join(EMOTIONS)}")
    return [
        (emotion, attribute_key(_text(name, MAX_NAME_CHARS)))
        for emotion in EMOTIONS
        for name in _container(table[f"attr_{emotion}"], list)
    ]


def vocabulary(data: bytes) -> list[str]:
    """All attributes that EmoGen knows, scenes and objects in one, in its order."""
    return [attribute_key(_text(name, MAX_NAME_CHARS)) for name in _container(unpickle(data), list)]


def balance(data: bytes) -> list[Place]:
    """The list by which EmoGen oversamples: paths of a foreign machine in the order of training."""
    return [place(_text(path, MAX_PATH_CHARS)) for path in _container(unpickle(data), list)]


def place(path: str) -> Place:
    """Emotion (of the file's name, or of a folder), attribute (the folder) and last three parts of a foreign path."""
    foreign = PureWindowsPath(path)  # takes both separators
    parts = foreign.relative_to(foreign.anchor).parts[-3:]
    if not parts or ".." in parts:
        raise RefusedError(Refusal.wrong_keys, f"{shown(path)} names no file")
    words = [parts[-1].rpartition("_")[0].lower(), *(part.lower() for part in parts[:-1])]
    emotion = next((word for word in words if word in INDEX), None)
    return Place(emotion, attribute_key(parts[-2]) if len(parts) > 1 else None, "/".join(parts))


def attribute_key(name: str) -> str:
    """A name as EmoSet's vocabulary has it in snake_case: "(5636)Alarm clock", EmoGen's folder, -> alarm_clock."""
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
    """Text that a table can hold and a terminal show."""
    if type(value) is not str:
        raise RefusedError(Refusal.wrong_type, f"{type(value).__name__}, wanted text")
    if not 0 < len(value) <= max_chars or not value.isprintable():
        raise RefusedError(Refusal.wrong_keys, f"{shown(value)}: empty, unprintable or over {max_chars} characters")
    return value


def _probabilities(name: str, row: Any) -> NDArray[np.float32]:
    """The eight values of one attribute. Raises RefusedError unless they are probabilities that sum to about 1."""
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
    """Names for a message, the first few."""
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
