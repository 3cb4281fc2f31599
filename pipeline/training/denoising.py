"""Diffusion loss of every generator (CoEmoGen Eq. 4, UniEmo Eq. 8), for any base and any noise schedule."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.conditioning.encoder import Condition
    from pipeline.foundation.base import Base
    from pipeline.foundation.noise import NoiseSchedule


def diffusion_errors(
    base: "Base", batch: Mapping[str, Tensor], condition: "Condition", empty: "Condition", snr_cap: float | None
) -> Tensor:
    """Return the denoiser's error of each sample, B, under a condition of B rows; with a cap weighted by min-SNR.

    `batch` holds latents and noise BCHW; steps B; dropped B bool. Dropped samples are trained with `empty`, of one row,
    for classifier-free guidance.
    """
    given = condition.where(batch["dropped"], empty)
    squares = squared_errors(lambda noised, steps: base.predict(noised, steps, given), base.schedule, batch)
    errors = squares.mean((1, 2, 3))
    return errors if snr_cap is None else errors * base.schedule.weights(batch["steps"], snr_cap)


def squared_errors(
    predict: Callable[[Tensor, Tensor], Tensor], schedule: "NoiseSchedule", batch: Mapping[str, Tensor]
) -> Tensor:
    """Return the squared errors BCHW of what `predict` makes of noised latents BCHW and steps B.

    `batch` holds latents and noise BCHW, and steps B.
    """
    latents, noise, steps = batch["latents"], batch["noise"], batch["steps"]
    predicted = predict(schedule.noised(latents, noise, steps), steps)
    return (predicted.float() - schedule.target(latents, noise, steps).float()).pow(2)


def draw_diffusion(
    schedule: "NoiseSchedule", latents: Tensor, text_dropout: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the part of a batch that `diffusion_errors` takes, drawn at random for latents BCHW."""
    return {
        "latents": latents,
        "noise": torch.randn(latents.shape, generator=generator),
        "steps": schedule.draw_steps(len(latents), generator),
        "dropped": torch.rand(len(latents), generator=generator) < text_dropout,
    }
