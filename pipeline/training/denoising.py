"""Diffusion loss of every generator (CoEmoGen Eq. 4, UniEmo Eq. 8), for models that predict the noise or v."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDPMScheduler, SchedulerMixin, UNet2DConditionModel


def noise_schedule(scheduler: "SchedulerMixin") -> "DDPMScheduler":
    """Return the noise schedule of training for the scheduler of a Stable Diffusion pipeline.

    Raises ValueError if the model predicts neither the noise (epsilon) nor v.
    """
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(scheduler.config)
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"prediction_type = {scheduler.config.prediction_type!r}: allowed are epsilon and v_prediction"
        )
    return scheduler


def diffusion_errors(
    unet: "UNet2DConditionModel",
    schedule: "DDPMScheduler",
    batch: Mapping[str, Tensor],
    states: Tensor,
    empty: Tensor,
    snr_cap: float | None,
) -> Tensor:
    """Return the U-Net's error of each sample, B, under text states BTW; with a cap weighted by min-SNR.

    `batch` holds latents and noise BCHW; steps B; dropped B bool. Dropped samples are trained with the states of the
    empty prompt, `empty` 1TW, for classifier-free guidance.
    """
    states = torch.where(batch["dropped"][:, None, None], empty.to(states.dtype), states)
    errors = squared_errors(unet, schedule, batch, states).mean((1, 2, 3))
    return errors if snr_cap is None else errors * min_snr_weights(schedule, batch["steps"], snr_cap)


def squared_errors(
    unet: "UNet2DConditionModel", schedule: "DDPMScheduler", batch: Mapping[str, Tensor], states: Tensor
) -> Tensor:
    """Return the squared errors BCHW of what the U-Net predicts under text states BTW.

    `batch` holds latents and noise BCHW, and steps B.
    """
    latents, noise, steps = batch["latents"], batch["noise"], batch["steps"]
    predicted = unet(schedule.add_noise(latents, noise, steps), steps, states, return_dict=False)[0]
    return (predicted.float() - denoising_target(schedule, latents, noise, steps).float()).pow(2)


def draw_diffusion(
    schedule: "DDPMScheduler", latents: Tensor, text_dropout: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the part of a batch that `diffusion_errors` takes, drawn at random for latents BCHW."""
    return {
        "latents": latents,
        "noise": torch.randn(latents.shape, generator=generator),
        "steps": draw_steps(schedule, len(latents), generator),
        "dropped": torch.rand(len(latents), generator=generator) < text_dropout,
    }


def denoising_target(schedule: "DDPMScheduler", latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Return what the U-Net should predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) latents; all BCHW."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    velocity: Tensor = schedule.get_velocity(latents, noise, steps)
    return velocity


def min_snr_weights(schedule: "DDPMScheduler", steps: Tensor, snr_cap: float) -> Tensor:
    """Return the min-SNR weights of time steps B (Hang et al. 2023), for noise or v prediction."""
    alphas = schedule.alphas_cumprod.to(steps.device)[steps]
    snr = alphas / (1 - alphas)
    divisor = snr if schedule.config.prediction_type == "epsilon" else snr + 1
    return snr.clamp(max=snr_cap) / divisor


def draw_steps(schedule: "DDPMScheduler", num: int, generator: torch.Generator) -> Tensor:
    """Return uniformly drawn time steps, B int64."""
    return torch.randint(schedule.config.num_train_timesteps, (num,), generator=generator)
