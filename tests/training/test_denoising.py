"""The diffusion loss against its definition, for noise and v, plain and weighted by min-SNR."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from pipeline.training.denoising import denoising_errors, denoising_target, noise_schedule, noisy


def schedule(kind: str) -> DDPMScheduler:
    return noise_schedule(SimpleNamespace(scheduler=DDPMScheduler(prediction_type=kind)))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_costs_nothing_and_gives_the_latents_back(kind: str) -> None:
    noise, latents, steps = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3), torch.tensor([0, 200, 600, 999])
    found = schedule(kind)
    target = denoising_target(found, latents, noise, steps)
    assert denoising_errors(found, target, target, steps, None).abs().max() == 0
    alphas = found.alphas_cumprod[steps][:, None, None, None]
    mixed = noisy(found, latents, noise, steps)
    if kind == "epsilon":
        back = (mixed - (1 - alphas).sqrt() * target) / alphas.sqrt()
    else:
        back = alphas.sqrt() * mixed - (1 - alphas).sqrt() * target
    assert torch.allclose(back, latents, atol=1e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_min_snr_weights_are_those_of_diffusers(kind: str) -> None:
    found, steps = schedule(kind), torch.tensor([0, 100, 500, 999])
    predicted, target = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    snr = compute_snr(found, steps)
    weights = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1 if kind == "v_prediction" else snr)
    wanted = weights * (predicted - target).square().mean((1, 2, 3))
    assert torch.allclose(denoising_errors(found, predicted, target, steps, 5.0), wanted, rtol=1e-4)


def test_what_cannot_be_trained_is_named() -> None:
    with pytest.raises(ValueError, match="'sample'"):
        schedule("sample")
