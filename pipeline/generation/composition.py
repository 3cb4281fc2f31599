"""Compose an image of several emotions, or of an emotion at another strength, from guided predictions.

At each step the solver follows a weighted sum of predictions for the same latents (Liu et al. 2022):

    (1 - strength) * neutral + strength * sum over the emotions of weight * emotion

Neutral is the prompt without the emotion, on the foundation model without adapters. So strength 0 gives the image that
the foundation model draws of the rest of the prompt, 1 the emotion as trained, and more than 1 exaggerates it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.request import Request

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

NO_EMOTION = (0.0,) * len(EMOTIONS)


@dataclass(frozen=True)
class Composition:
    """A batch of B requests as P terms, each of one emotion or of none.

    `of` P int64 is the request of each term, and `weights` P its weight in the prediction for that request.
    """

    terms: tuple[Request, ...]
    of: Tensor
    weights: Tensor

    @property
    def is_plain(self) -> bool:
        """Return whether every request is a single emotion at strength 1, so that there is nothing to mix."""
        return bool((self.weights == 1).all())

    @property
    def emotional(self) -> Tensor:
        """Return which terms have an emotion, P bool."""
        return torch.tensor([term.weights != NO_EMOTION for term in self.terms])

    @property
    def firsts(self) -> list[int]:
        """Return the index of the first term of each request; all terms of a request become the same image."""
        places = self.of.tolist()
        return [places.index(request) for request in dict.fromkeys(places)]

    def matrix(self) -> Tensor:
        """Return the matrix PP that maps the predictions for all terms to their weighted sum for each term."""
        return (self.of[:, None] == self.of) * self.weights


def composition(requests: Sequence[Request]) -> Composition:
    """Return the terms of requests, in their order."""
    terms = [(index, *term) for index, request in enumerate(requests) for term in _terms(request)]
    rows, weights, parts = zip(*terms, strict=True)
    return Composition(parts, torch.tensor(rows), torch.tensor(weights))


def num_terms(request: Request) -> int:
    """Return how many predictions an image of this request takes."""
    return len(_terms(request))


def _terms(request: Request) -> list[tuple[float, Request]]:
    strength = request.strength
    neutral = Request(NO_EMOTION, " ".join(request.prompt.replace(GAP, " ").split()), request.seed)
    emotions = [
        (strength * weight, Request(tuple(float(name == emotion) for name in EMOTIONS), request.prompt, request.seed))
        for emotion, weight in request.mixture.items()
    ]
    return [term for term in ((1 - strength, neutral), *emotions) if term[0] != 0]


def mixing(scheduler: "SchedulerMixin", matrix: Tensor) -> "SchedulerMixin":
    """Return a diffusers scheduler that steps with matrix PP times the predictions PCHW."""
    step = scheduler.step

    @functools.wraps(step)
    def mixed(prediction: Tensor, *args: Any, **kwargs: Any) -> Any:
        weights = matrix.to(prediction.device, prediction.dtype)
        return step(torch.tensordot(weights, prediction, 1), *args, **kwargs)

    scheduler.step = mixed
    return scheduler
