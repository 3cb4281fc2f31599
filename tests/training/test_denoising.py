"""The diffusion loss against its definition, for noise and v, plain and weighted by min-SNR."""

from collections.abc import Callable

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch import Tensor

from pipeline.training.denoising import denoising_target, diffusion_errors, noise_schedule


def schedule(kind: str) -> DDPMScheduler:
    return noise_schedule(DDPMScheduler(prediction_type=kind))


def says(predicted: Tensor) -> Callable[..., tuple[Tensor]]:
    """A U-Net that predicts the same whatever it is given."""
    return lambda *_, return_dict: (predicted,)


def batch_of(latents: Tensor, noise: Tensor, steps: Tensor) -> dict[str, Tensor]:
    return {"latents": latents, "noise": noise, "steps": steps, "dropped": torch.zeros(len(steps), dtype=torch.bool)}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_costs_nothing_and_gives_the_latents_back(kind: str) -> None:
    noise, latents, steps = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3), torch.tensor([0, 200, 600, 999])
    found = schedule(kind)
    target, text = denoising_target(found, latents, noise, steps), torch.zeros(4, 1, 1)
    batch = batch_of(latents, noise, steps)
    assert diffusion_errors(says(target), found, batch, text, text[:1], None).abs().max() == 0
    alphas = found.alphas_cumprod[steps][:, None, None, None]
    mixed = found.add_noise(latents, noise, steps)
    if kind == "epsilon":
        back = (mixed - (1 - alphas).sqrt() * target) / alphas.sqrt()
    else:
        back = alphas.sqrt() * mixed - (1 - alphas).sqrt() * target
    assert torch.allclose(back, latents, atol=1e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_min_snr_weights_are_those_of_diffusers(kind: str) -> None:
    found, steps = schedule(kind), torch.tensor([0, 100, 500, 999])
    predicted, latents, noise = torch.randn(3, 4, 2, 3, 3)
    target, text = denoising_target(found, latents, noise, steps), torch.zeros(4, 1, 1)
    snr = compute_snr(found, steps)
    weights = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1 if kind == "v_prediction" else snr)
    wanted = weights * (predicted - target).square().mean((1, 2, 3))
    errors = diffusion_errors(says(predicted), found, batch_of(latents, noise, steps), text, text[:1], 5.0)
    assert torch.allclose(errors, wanted, rtol=1e-4)


def test_dropped_samples_are_trained_with_the_states_of_the_empty_prompt() -> None:
    found, states = schedule("epsilon"), torch.arange(4.0)[:, None, None]
    given: list[Tensor] = []

    def unet(noisy: Tensor, steps: Tensor, states: Tensor, return_dict: bool) -> tuple[Tensor]:
        given.append(states)
        return (noisy,)

    batch = batch_of(*torch.randn(2, 4, 2, 3, 3), torch.tensor([0, 100, 500, 999]))
    batch["dropped"] = torch.tensor([False, True, False, True])
    diffusion_errors(unet, found, batch, states, torch.full((1, 1, 1), 9.0), None)
    assert given[0].flatten().tolist() == [0, 9, 2, 9]


def test_what_cannot_be_trained_is_named() -> None:
    with pytest.raises(ValueError, match="'sample'"):
        schedule("sample")
