"""Describe what one image should be: emotions by weight, a prompt with a gap, a seed and a strength."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.conditioning.prompts import GAP
from pipeline.corpora.records import shown
from pipeline.emotion_set import EMOTIONS, INDEX
from pipeline.emotion_words import allowed


@dataclass(frozen=True)
class Request:
    """One requested image.

    `weights` are those of the eight emotions and sum to 1. `strength` is that of the emotion: 0 none, 1 as trained.
    """

    weights: tuple[float, ...]
    prompt: str
    seed: int
    strength: float = 1.0

    @property
    def name(self) -> str:
        """Return the emotions in words: "awe", or "awe and fear" for a fusion."""
        return " and ".join(self.mixture)

    @property
    def mixture(self) -> dict[str, float]:
        """Return the emotions with a nonzero weight, in the order of EMOTIONS."""
        return {emotion: weight for emotion, weight in zip(EMOTIONS, self.weights, strict=True) if weight}

    @property
    def label(self) -> str:
        """Return the emotions as the command line takes them: "awe", or "awe=0.6 fear=0.4"."""
        mixture = self.mixture
        return " ".join(mixture) if len(mixture) == 1 else " ".join(f"{name}={w:.6g}" for name, w in mixture.items())

    @property
    def stem(self) -> str:
        """Return the emotions as the stem of file names: "awe", or "awe-fear"."""
        return "-".join(self.mixture)


def request(emotions: str | Mapping[str, float], seed: int, prompt: str = GAP, strength: float = 1.0) -> Request:
    """Return a request for an emotion, or for several by weight (normalised to sum to 1).

    Raises ValueError for no emotion, an unknown name, a weight <= 0, and a strength that is negative or infinite.
    """
    weights = {emotions: 1.0} if isinstance(emotions, str) else dict(emotions)
    for name, weight in weights.items():
        if name not in INDEX:
            raise ValueError(f"unknown emotion {shown(name)}; {allowed(name, EMOTIONS)}")
        if not 0 < weight < float("inf"):
            raise ValueError(f"the weight of {name} is {weight}: allowed is a number > 0")
    if not weights:
        raise ValueError(f"no emotion is given; allowed are {', '.join(EMOTIONS)}")
    if not 0 <= strength < float("inf"):
        raise ValueError(f"strength = {strength}: allowed is a number >= 0")
    total = sum(weights.values())
    if total == float("inf"):
        raise ValueError("the sum of the weights is too large; give smaller weights, such as awe=0.6 fear=0.4")
    return Request(tuple(weights.get(name, 0.0) / total for name in EMOTIONS), prompt, seed, strength)


def weight_matrix(requests: Sequence[Request]) -> Tensor:
    """Return the emotion weights of requests, B8 float32."""
    return torch.tensor([request.weights for request in requests])
