"""Diffusion loss of every generator (CoEmoGen Eq. 4, UniEmo Eq. 8), for models that predict the noise or v."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDPMScheduler


def noise_schedule(pipeline: Any) -> "DDPMScheduler":
    """Return the noise schedule that a Stable Diffusion pipeline was trained with.

    Raises ValueError if the model predicts neither the noise (epsilon) nor v.
    """
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"the model predicts {scheduler.config.prediction_type!r}; epsilon and v_prediction can be trained"
        )
    return scheduler


def diffusion_errors(
    unet: Any, schedule: Any, batch: Mapping[str, Tensor], states: Tensor, empty: Tensor, snr_cap: float | None
) -> Tensor:
    """Return the U-Net's error of each sample, B, under text states BTW; with a cap weighted by min-SNR.

    `batch` holds latents and noise BCHW; steps B; dropped B bool. Dropped samples are trained with the states of the
    empty prompt, `empty` 1TW, for classifier-free guidance.
    """
    steps = batch["steps"]
    states = torch.where(batch["dropped"][:, None, None], empty.to(states.dtype), states)
    predicted = unet(noisy(schedule, batch["latents"], batch["noise"], steps), steps, states, return_dict=False)[0]
    target = denoising_target(schedule, batch["latents"], batch["noise"], steps)
    return denoising_errors(schedule, predicted, target, steps, snr_cap)


def draw_diffusion(
    schedule: Any, latents: Tensor, text_dropout: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the part of a batch that `diffusion_errors` takes, drawn at random for latents BCHW."""
    return {
        "latents": latents,
        "noise": torch.randn(latents.shape, generator=generator),
        "steps": draw_steps(schedule, len(latents), generator),
        "dropped": torch.rand(len(latents), generator=generator) < text_dropout,
    }


def denoising_target(schedule: Any, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Return what the U-Net should predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) latents; all BCHW."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    velocity: Tensor = schedule.get_velocity(latents, noise, steps)
    return velocity


def denoising_errors(schedule: Any, predicted: Tensor, target: Tensor, steps: Tensor, snr_cap: float | None) -> Tensor:
    """Return the mean squared error of each sample, B; with a cap weighted by min-SNR (Hang et al. 2023)."""
    errors = (predicted.float() - target.float()).pow(2).mean((1, 2, 3))
    if snr_cap is None:
        return errors
    alphas = schedule.alphas_cumprod.to(errors.device)[steps]
    snr = alphas / (1 - alphas)
    divisor = snr if schedule.config.prediction_type == "epsilon" else snr + 1
    return errors * snr.clamp(max=snr_cap) / divisor


def noisy(schedule: Any, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Return latents BCHW with the noise of their time steps B added."""
    mixed: Tensor = schedule.add_noise(latents, noise, steps)
    return mixed


def draw_steps(schedule: Any, num: int, generator: torch.Generator) -> Tensor:
    """Return uniformly drawn time steps, B int64."""
    return torch.randint(schedule.config.num_train_timesteps, (num,), generator=generator)
