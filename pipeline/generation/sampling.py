"""Sample images with any generator: requests -> images, in large mixed batches, each with its own seed.

The denoising is that of the base's diffusers pipeline. This module supplies only its inputs: random generators,
conditions and adapters. An image is therefore the same, to float tolerance, whatever else is in its batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.conditioning.encoder import Condition
from pipeline.foundation.base import Base
from pipeline.generation.composition import Composition, composition, mixing, num_terms
from pipeline.generation.defaults import SOLVER
from pipeline.generation.request import Request
from pipeline.params import Solver
from pipeline.runtime import Precision, autocast, seed_of

if TYPE_CHECKING:
    from pipeline.params import Images

MAX_STEPS = 1000


class EmotionGenerator(Protocol):
    """Interface of every kind of model: give conditions, and apply adapters to the denoiser for a batch."""

    @property
    def emotions(self) -> Sequence[str]:
        """Return the emotions that the model was trained on: no other is drawn."""

    def condition(self, requests: Sequence[Request]) -> Condition:
        """Return the condition of B requests. Every request has an emotion."""

    def applied(self, requests: Sequence[Request]) -> AbstractContextManager[None]:
        """Return a context in which the denoiser serves these requests in order, also when guidance repeats them.

        A request without an emotion is served without adapters.
        """


@dataclass(frozen=True)
class Sampling:
    """Settings of the denoising.

    They are the solver steps, guidance scale (1 turns it off), solver, images per batch, precision of U-Net and
    decoder, and the prompt that guidance leads away from. Raises ValueError if one is out of range.
    """

    steps: int
    guidance: float
    solver: Solver = SOLVER
    batch_size: int = 64
    precision: Precision = "fp32"
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        for name, value in (("steps", self.steps), ("guidance", self.guidance), ("batch_size", self.batch_size)):
            if not 1 <= value < float("inf"):
                raise ValueError(f"{name} = {value}: allowed is a number >= 1")
        if self.steps > MAX_STEPS:
            raise ValueError(
                f"steps = {self.steps}: allowed are 1 to {MAX_STEPS}, the number of noise levels of the model"
            )
        if self.solver not in get_args(Solver):
            raise ValueError(f"solver = {self.solver!r}: allowed are {', '.join(get_args(Solver))}")


def sampling_of(images: "Images") -> Sampling:
    """Return the sampling settings of the section `images` of params.yaml."""
    return Sampling(images.steps, images.guidance, images.solver, images.batch_size, images.precision)


def sample(
    base: Base, generator: EmotionGenerator, requests: Sequence[Request], sampling: Sampling
) -> Iterator[NDArray[np.uint8]]:
    """Yield images HW3 uint8, one per request, in order. All randomness comes from the seeds of the requests."""
    for image in denoised(base, generator, requests, sampling):
        yield (image * 255).round().astype(np.uint8)


@torch.inference_mode()
def denoised(
    base: Base, generator: EmotionGenerator, requests: Sequence[Request], sampling: Sampling
) -> Iterator[NDArray[np.float32]]:
    """Yield images HW3 float32 in [0, 1], one per request, in order: those of `sample` before rounding.

    Raises ValueError for a request of an emotion that the model was not trained on.
    """
    check_emotions(generator, requests)
    coarse = autocast(sampling.precision, base.device)
    away = sampling.negative_prompt
    negative = base.encoder.of([away]) if away else base.encoder.empty()
    size = max(1, sampling.batch_size // max(map(num_terms, requests), default=1))
    for start in range(0, len(requests), size):
        composed = composition(requests[start : start + size])
        condition = condition_of(composed, base, generator)
        scheduler = base.solver(sampling.solver)
        if not composed.is_plain:
            scheduler = mixing(scheduler, composed.matrix())
        with generator.applied(composed.terms), coarse:
            noise = generators(composed.terms)
            images = base.images(condition, negative, noise, scheduler, sampling.steps, sampling.guidance)
        yield from images[composed.firsts]


def condition_of(composed: Composition, base: Base, generator: EmotionGenerator) -> Condition:
    """Return the condition of the P terms: the generator's, or that of the words if there is no emotion."""
    emotional = composed.emotional
    texts = [term.prompt if not has else "" for term, has in zip(composed.terms, emotional.tolist(), strict=True)]
    condition = base.encoder.of(texts)
    if taught := [term for term, has in zip(composed.terms, emotional.tolist(), strict=True) if has]:
        places = (emotional.cumsum(0) - 1).clamp(min=0).to(base.device)
        condition = condition.where(emotional.to(base.device), generator.condition(taught).take(places))
    return condition


def check_emotions(generator: EmotionGenerator, requests: Sequence[Request]) -> None:
    """Raise ValueError for a request of an emotion that the model was not trained on."""
    for request in requests:
        if unknown := [emotion for emotion in request.mixture if emotion not in generator.emotions]:
            raise ValueError(
                f"the model knows no {', no '.join(unknown)}: its corpus has no such images; it knows "
                f"{', '.join(generator.emotions)}"
            )


def generators(requests: Sequence[Request]) -> list[torch.Generator]:
    """Return one random generator per request, for its initial noise and the noise that a solver adds.

    They are on the CPU, so both are the same on every device.
    """
    return [torch.Generator().manual_seed(noise_seed(request.seed)) for request in requests]


def noise_seed(seed: int) -> int:
    """Return the seed of the noise for the seed of a request.

    A plain diffusers pipeline with a CPU generator of this seed draws the same noise.
    """
    return seed_of(seed, "noise")
