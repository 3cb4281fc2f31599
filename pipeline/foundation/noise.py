"""The noise of a base: the steps it was trained on, latents noised at a step, what is predicted, and its solvers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDPMScheduler, SchedulerMixin

    from pipeline.params import Solver


class NoiseSchedule(Protocol):
    """How a base was trained to denoise. Steps are what its denoiser takes for the time, one number for each sample."""

    def draw_steps(self, num: int, generator: torch.Generator) -> Tensor:
        """Return randomly drawn steps, B."""

    def noised(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Return latents with noise, BCHW, at steps B."""

    def target(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Return what the denoiser should predict, BCHW."""

    def weights(self, steps: Tensor, snr_cap: float) -> Tensor:
        """Return the weights of the errors at steps B, capped by the signal-to-noise ratio."""


@dataclass(frozen=True)
class DiscreteSchedule:
    """The noise levels of a DDPM, for a denoiser that predicts the noise or v."""

    scheduler: "DDPMScheduler"

    def draw_steps(self, num: int, generator: torch.Generator) -> Tensor:
        """Return uniformly drawn time steps, B int64."""
        return torch.randint(self.scheduler.config.num_train_timesteps, (num,), generator=generator)

    def noised(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        mixed: Tensor = self.scheduler.add_noise(latents, noise, steps)
        return mixed

    def target(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Return the noise, or v = sqrt(a) noise - sqrt(1 - a) latents; all BCHW."""
        if self.scheduler.config.prediction_type == "epsilon":
            return noise
        velocity: Tensor = self.scheduler.get_velocity(latents, noise, steps)
        return velocity

    def weights(self, steps: Tensor, snr_cap: float) -> Tensor:
        """Return the min-SNR weights of time steps B (Hang et al. 2023), for noise or v prediction."""
        alphas = self.scheduler.alphas_cumprod.to(steps.device)[steps]
        snr = alphas / (1 - alphas)
        divisor = snr if self.scheduler.config.prediction_type == "epsilon" else snr + 1
        return snr.clamp(max=snr_cap) / divisor


def noise_schedule(scheduler: "SchedulerMixin") -> DiscreteSchedule:
    """Return the noise schedule of training for the scheduler of a Stable Diffusion pipeline.

    Raises ValueError if the model predicts neither the noise (epsilon) nor v.
    """
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(scheduler.config)
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"prediction_type = {scheduler.config.prediction_type!r}: allowed are epsilon and v_prediction"
        )
    return DiscreteSchedule(scheduler)


def solver(scheduler: "SchedulerMixin", name: "Solver") -> "SchedulerMixin":
    """Return a diffusers scheduler of a Stable Diffusion pipeline over the noise levels of another one."""
    import diffusers

    classes = {
        "sde-dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "ddim": diffusers.DDIMScheduler,
        "euler": diffusers.EulerDiscreteScheduler,
    }
    # DDIM clips at 1 unless the configuration (here of another solver) forbids it: right for pixels, not for latents.
    config = {**scheduler.config, "clip_sample": False}
    return classes[name].from_config(config | {"algorithm_type": name} if name.endswith("dpmsolver++") else config)
