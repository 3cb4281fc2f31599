"""Sample images with any generator: requests -> images, in large mixed batches, each with its own seed.

The denoising is that of diffusers' StableDiffusionPipeline. This module supplies only its inputs: random generators,
text states and adapters. An image is therefore the same, to float tolerance, whatever else is in its batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.conditioning.prompts import tokenize
from pipeline.generation.composition import Composition, composition, mixing, num_terms
from pipeline.generation.defaults import SOLVER
from pipeline.generation.request import Request
from pipeline.params import Solver
from pipeline.runtime import Precision, autocast, seed_of

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from pipeline.params import Images

MAX_STEPS = 1000


class EmotionGenerator(Protocol):
    """Interface of every kind of model: give text states, and apply adapters to the U-Net for a batch."""

    @property
    def emotions(self) -> Sequence[str]:
        """Return the emotions that the model was trained on: no other is drawn."""

    def states(self, requests: Sequence[Request]) -> Tensor:
        """Return the text states BTW that the U-Net attends to. Every request has an emotion."""

    def applied(self, requests: Sequence[Request]) -> AbstractContextManager[None]:
        """Return a context in which the U-Net serves these requests in order, also when guidance repeats them.

        A request without an emotion is served without adapters.
        """


@dataclass(frozen=True)
class Sampling:
    """Settings of the denoising.

    They are the solver steps, guidance scale (1 turns it off), solver, images per batch, and precision of U-Net and
    decoder. Raises ValueError if one is out of range.
    """

    steps: int
    guidance: float
    solver: Solver = SOLVER
    batch_size: int = 64
    precision: Precision = "fp32"

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
    pipeline: "StableDiffusionPipeline",
    encoder: ConditionEncoder,
    generator: EmotionGenerator,
    requests: Sequence[Request],
    sampling: Sampling,
) -> Iterator[NDArray[np.uint8]]:
    """Yield images HW3 uint8, one per request, in order. All randomness comes from the seeds of the requests."""
    for image in denoised(pipeline, encoder, generator, requests, sampling):
        yield (image * 255).round().astype(np.uint8)


@torch.inference_mode()
def denoised(
    pipeline: "StableDiffusionPipeline",
    encoder: ConditionEncoder,
    generator: EmotionGenerator,
    requests: Sequence[Request],
    sampling: Sampling,
) -> Iterator[NDArray[np.float32]]:
    """Yield images HW3 float32 in [0, 1], one per request, in order: those of `sample` before rounding.

    Raises ValueError for a request of an emotion that the model was not trained on.
    """
    check_emotions(generator, requests)
    coarse = autocast(sampling.precision, pipeline.device)
    empty = encoder(tokenize(pipeline.tokenizer, [""]).to(pipeline.device)).states
    size = max(1, sampling.batch_size // max(map(num_terms, requests), default=1))
    for start in range(0, len(requests), size):
        composed = composition(requests[start : start + size])
        states = states_of(composed, pipeline, encoder, generator)
        pipeline.scheduler = solver(pipeline, sampling.solver)
        if not composed.is_plain:
            pipeline.scheduler = mixing(pipeline.scheduler, composed.matrix())
        with generator.applied(composed.terms), coarse:
            images = pipeline(
                prompt_embeds=states.to(pipeline.dtype),
                negative_prompt_embeds=empty.expand(len(states), -1, -1).to(pipeline.dtype),
                generator=generators(composed.terms),
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                output_type="np",
            ).images
        yield from images[composed.firsts]


def states_of(
    composed: Composition, pipeline: "StableDiffusionPipeline", encoder: ConditionEncoder, generator: EmotionGenerator
) -> Tensor:
    """Return the text states PTW of the terms: the generator's, or those of the words if there is no emotion."""
    emotional = composed.emotional
    texts = [term.prompt if not has else "" for term, has in zip(composed.terms, emotional.tolist(), strict=True)]
    states = encoder(tokenize(pipeline.tokenizer, texts).to(pipeline.device)).states
    if taught := [term for term, has in zip(composed.terms, emotional.tolist(), strict=True) if has]:
        states[emotional.to(states.device)] = generator.states(taught).to(states.dtype)
    return states


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


def solver(pipeline: "StableDiffusionPipeline", name: Solver) -> object:
    """Return a diffusers scheduler over the noise schedule that the model was trained with."""
    import diffusers

    classes = {
        "sde-dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "ddim": diffusers.DDIMScheduler,
        "euler": diffusers.EulerDiscreteScheduler,
    }
    # DDIM clips at 1 unless the configuration (here of another solver) forbids it: right for pixels, not for latents.
    config = {**pipeline.scheduler.config, "clip_sample": False}
    return classes[name].from_config(config | {"algorithm_type": name} if name.endswith("dpmsolver++") else config)
