"""One entry point for every generator: requests -> pictures, in large mixed batches, each from a seed of its own.

The denoising is diffusers' StableDiffusionPipeline; ours is only what goes in: generators, states, adapters. So an
image is the same, to float tolerance, whatever else is in its batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.conditioning.prompts import tokenize
from pipeline.generation.defaults import SOLVER
from pipeline.generation.request import Request
from pipeline.runtime import Precision, autocast, seed_of

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from pipeline.params import Images

MAX_STEPS = 1000
Solver = Literal["sde-dpmsolver++", "dpmsolver++", "unipc", "ddim", "euler"]


class EmotionGenerator(Protocol):
    """What a kind of model must be able to do: say a condition, and put what it has onto the U-Net for a batch."""

    @property
    def emotions(self) -> Sequence[str]:
        """Those that it knows."""

    @property
    def has_adapters(self) -> bool:
        """Whether a request's strength does anything."""

    def states(self, requests: Sequence[Request]) -> Tensor:
        """Text states BTW that the U-Net attends to."""

    def applied(self, requests: Sequence[Request]) -> AbstractContextManager[None]:
        """Within, the U-Net serves these requests, in this order, as often as guidance repeats them."""


@dataclass(frozen=True)
class Sampling:
    """How to denoise: solver steps, guidance scale (1: none), solver, images a batch, precision of U-Net and decoder.

    ValueError if out of range.
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
                f"steps = {self.steps}: allowed are 1 to {MAX_STEPS}, as a model knows no more levels of noise"
            )
        if self.solver not in get_args(Solver):
            raise ValueError(f"solver = {self.solver!r}: allowed are {', '.join(get_args(Solver))}")


def sampling_of(images: "Images") -> Sampling:
    """As params.yaml's section `images` says."""
    return Sampling(images.steps, images.guidance, images.solver, images.batch_size, images.precision)


def sample(
    pipeline: "StableDiffusionPipeline",
    encoder: ConditionEncoder,
    generator: EmotionGenerator,
    requests: Sequence[Request],
    sampling: Sampling,
) -> Iterator[NDArray[np.uint8]]:
    """Pictures HW3 uint8, one for each request, in their order. Random by the seeds of the requests alone."""
    for picture in denoised(pipeline, encoder, generator, requests, sampling):
        yield (picture * 255).round().astype(np.uint8)


@torch.inference_mode()
def denoised(
    pipeline: "StableDiffusionPipeline",
    encoder: ConditionEncoder,
    generator: EmotionGenerator,
    requests: Sequence[Request],
    sampling: Sampling,
) -> Iterator[NDArray[np.float32]]:
    """The same before they are rounded: HW3 in [0, 1]."""
    pipeline.scheduler = solver(pipeline, sampling.solver)
    coarse = autocast(sampling.precision, pipeline.device)
    empty = encoder(tokenize(pipeline.tokenizer, [""]).to(pipeline.device)).states
    for start in range(0, len(requests), sampling.batch_size):
        batch = requests[start : start + sampling.batch_size]
        states = generator.states(batch)
        with generator.applied(batch), coarse:
            images = pipeline(
                prompt_embeds=states.to(pipeline.dtype),
                negative_prompt_embeds=empty.expand(len(batch), -1, -1).to(pipeline.dtype),
                generator=generators(batch),
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                output_type="np",
            ).images
        yield from images


def generators(requests: Sequence[Request]) -> list[torch.Generator]:
    """One for each request, of the noise that it starts from and of what a solver adds: on the CPU, so that both are
    the same on every device.
    """
    return [torch.Generator().manual_seed(noise_seed(request.seed)) for request in requests]


def noise_seed(seed: int) -> int:
    """Of the noise of a request's seed; a plain diffusers pipeline with a CPU generator of it draws the same."""
    return seed_of(seed, "noise")


def solver(pipeline: "StableDiffusionPipeline", name: Solver) -> object:
    """A diffusers scheduler over the noise schedule that the model was trained with."""
    import diffusers

    classes = {
        "sde-dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "ddim": diffusers.DDIMScheduler,
        "euler": diffusers.EulerDiscreteScheduler,
    }
    # DDIM clips at 1 where a configuration (of another solver) says nothing of it: right for pixels, not for latents.
    config = {**pipeline.scheduler.config, "clip_sample": False}
    return classes[name].from_config(config | {"algorithm_type": name} if name.endswith("dpmsolver++") else config)
