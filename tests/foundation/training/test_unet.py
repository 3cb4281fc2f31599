"""The U-Net: its timesteps, its loss, its size."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.foundation.conversion import scheduler, text_encoder
from pipeline.foundation.noise import noise_schedule
from pipeline.foundation.recipes import UNET as BUNDLED_UNET
from pipeline.foundation.recipes import VAE as BUNDLED_VAE
from pipeline.foundation.training.unet import build_unet, draw_noised, empty_text, timestep_density, v_loss
from pipeline.foundation.training.vae import Latents, build_vae
from tests.foundation.conftest import UNET


def test_timesteps_have_the_density_of_min_snr() -> None:
    density, alphas = timestep_density(5.0), scheduler().alphas_cumprod
    snr = alphas / (1 - alphas)
    assert density.sum().item() == pytest.approx(1, abs=1e-5)
    assert density.argmax().item() == (snr - 5).abs().argmin().item()
    latents = Latents(torch.zeros(9, 4, 8, 8), torch.zeros(9, 4, 8, 8))
    ids, rows = torch.zeros(9, 2, 32, dtype=torch.int16), torch.arange(4000) % 9
    drawn = partial(draw_noised, latents, ids, torch.ones(32).long(), density.cumsum(0), UNET.text_dropout)
    batch = drawn(rows, torch.Generator().manual_seed(0))
    expected = (density * torch.arange(1000)).sum().item()
    assert batch["steps"].float().mean().item() == pytest.approx(expected, rel=0.05)
    assert (batch["ids"] == 1).all(1).float().mean().item() == pytest.approx(UNET.text_dropout, abs=0.02)


def test_the_loss_of_a_perfect_prediction_of_v_is_zero(clip_folder: Path) -> None:
    from diffusers import DDPMScheduler

    latents, noise = torch.randn(2, 3, 4, 8, 8)
    steps = torch.tensor([3, 500, 999])
    reference = DDPMScheduler.from_config(scheduler().config)

    class Perfect(nn.Module):
        def forward(self, noisy: torch.Tensor, *_: object, return_dict: bool) -> tuple[torch.Tensor]:
            assert torch.allclose(noisy, reference.add_noise(latents, noise, steps), atol=1e-6)
            return (reference.get_velocity(latents, noise, steps),)

    ids = empty_text(clip_folder).expand(3, -1)
    encoder, batch = text_encoder(clip_folder), {"latents": latents, "noise": noise, "steps": steps}
    assert v_loss(encoder, noise_schedule(scheduler()), Perfect(), ids, **batch).item() < 1e-10


def test_the_bundled_sizes_fit() -> None:
    unet = build_unet(BUNDLED_UNET, torch.Size((BUNDLED_VAE.latent_channels, 8, 8)), 128)
    vae = build_vae(BUNDLED_VAE)
    weights = sum(parameter.numel() for model in (unet, vae) for parameter in model.parameters())
    assert 2 * weights < 20_000_000
