"""What one image is asked for: emotions by weight, a prompt with a gap, a seed, a strength."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.conditioning.prompts import GAP
from pipeline.corpora.records import shown
from pipeline.emotions import EMOTIONS, INDEX


@dataclass(frozen=True)
class Request:
    """One image. weights: of the eight emotions, summing to 1; strength: of the adapters, 1 as trained, 0 none."""

    weights: tuple[float, ...]
    prompt: str
    seed: int
    strength: float = 1.0

    @property
    def name(self) -> str:
        """ "awe", or "awe and fear" for a fusion."""
        return " and ".join(self.mixture)

    @property
    def mixture(self) -> dict[str, float]:
        """The emotions that have a weight, in the order of the eight."""
        return {emotion: weight for emotion, weight in zip(EMOTIONS, self.weights, strict=True) if weight}

    @property
    def label(self) -> str:
        """As the command line takes it: "awe", or "awe=0.6 fear=0.4"."""
        mixture = self.mixture
        return " ".join(mixture) if len(mixture) == 1 else " ".join(f"{name}={w:.6g}" for name, w in mixture.items())

    @property
    def stem(self) -> str:
        """How files are named: "awe", or "awe-fear"."""
        return "-".join(self.mixture)


def request(emotions: str | Mapping[str, float], seed: int, prompt: str = GAP, strength: float = 1.0) -> Request:
    """An emotion, or several by weight (made to sum to 1). ValueError for an unknown name or a weight <= 0."""
    weights = {emotions: 1.0} if isinstance(emotions, str) else dict(emotions)
    for name, weight in weights.items():
        if name not in INDEX:
            nearest = difflib.get_close_matches(name, EMOTIONS, 1, 0.0)[0]
            raise ValueError(f"unknown emotion {shown(name)}; the nearest is {nearest!r} of {', '.join(EMOTIONS)}")
        if not 0 < weight < float("inf"):
            raise ValueError(f"the weight of {name} is {weight}; it must be a number > 0")
    if not weights:
        raise ValueError(f"no emotion is given; the eight are {', '.join(EMOTIONS)}")
    if not 0 <= strength < float("inf"):
        raise ValueError(f"strength = {strength}: allowed is a number >= 0")
    total = sum(weights.values())
    if total == float("inf"):
        raise ValueError("the weights are too large to be added; give smaller ones, such as awe=0.6 fear=0.4")
    return Request(tuple(weights.get(name, 0.0) / total for name in EMOTIONS), prompt, seed, strength)


def weight_matrix(requests: Sequence[Request]) -> Tensor:
    """Weights B8 float32."""
    return torch.tensor([request.weights for request in requests])


def strengths(requests: Sequence[Request]) -> Tensor:
    """Strengths B float32."""
    return torch.tensor([request.strength for request in requests])
