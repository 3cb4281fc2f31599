"""The diffusion loss of every generator (CoEmoGen Eq. 4, UniEmo Eq. 8), for noise or v as the model predicts it."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDPMScheduler


def noise_schedule(pipeline: Any) -> "DDPMScheduler":
    """The noise that a Stable Diffusion pipeline was trained with. ValueError for what cannot be trained here."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"the model predicts {scheduler.config.prediction_type!r}; epsilon and v_prediction can be trained"
        )
    return scheduler


def denoising_target(schedule: Any, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """What the U-Net is to predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) latents; all BCHW."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    velocity: Tensor = schedule.get_velocity(latents, noise, steps)
    return velocity


def denoising_errors(schedule: Any, predicted: Tensor, target: Tensor, steps: Tensor, snr_cap: float | None) -> Tensor:
    """Mean squared errors of each sample, B; with a cap weighted by min-SNR (Hang et al. 2023)."""
    errors = (predicted.float() - target.float()).pow(2).mean((1, 2, 3))
    if snr_cap is None:
        return errors
    alphas = schedule.alphas_cumprod.to(errors.device)[steps]
    snr = alphas / (1 - alphas)
    divisor = snr if schedule.config.prediction_type == "epsilon" else snr + 1
    return errors * snr.clamp(max=snr_cap) / divisor


def noisy(schedule: Any, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Latents BCHW at their time steps B."""
    mixed: Tensor = schedule.add_noise(latents, noise, steps)
    return mixed


def draw_steps(schedule: Any, num: int, generator: torch.Generator) -> Tensor:
    """Uniform time steps, B int64."""
    return torch.randint(schedule.config.num_train_timesteps, (num,), generator=generator)
