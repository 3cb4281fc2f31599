"""The diffusion loss against its definition, for noise and v, plain and weighted by min-SNR."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch import Tensor

from pipeline.conditioning.encoder import Condition
from pipeline.foundation.noise import DiscreteSchedule, noise_schedule
from pipeline.training.denoising import diffusion_errors


def schedule(kind: str) -> DiscreteSchedule:
    return noise_schedule(DDPMScheduler(prediction_type=kind))


def says(predicted: Tensor, schedule: DiscreteSchedule) -> Any:
    """A base that predicts the same whatever it is given."""
    return SimpleNamespace(predict=lambda *_: predicted, schedule=schedule)


def said(states: Tensor) -> Condition:
    return Condition(states, states[:, 0])


def batch_of(latents: Tensor, noise: Tensor, steps: Tensor) -> dict[str, Tensor]:
    return {"latents": latents, "noise": noise, "steps": steps, "dropped": torch.zeros(len(steps), dtype=torch.bool)}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_costs_nothing_and_gives_the_latents_back(kind: str) -> None:
    noise, latents, steps = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3), torch.tensor([0, 200, 600, 999])
    found = schedule(kind)
    target, text = found.target(latents, noise, steps), said(torch.zeros(4, 1, 1))
    batch = batch_of(latents, noise, steps)
    assert diffusion_errors(says(target, found), batch, text, said(torch.zeros(1, 1, 1)), None).abs().max() == 0
    alphas = found.scheduler.alphas_cumprod[steps][:, None, None, None]
    mixed = found.noised(latents, noise, steps)
    if kind == "epsilon":
        back = (mixed - (1 - alphas).sqrt() * target) / alphas.sqrt()
    else:
        back = alphas.sqrt() * mixed - (1 - alphas).sqrt() * target
    assert torch.allclose(back, latents, atol=1e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_min_snr_weights_are_those_of_diffusers(kind: str) -> None:
    found, steps = schedule(kind), torch.tensor([0, 100, 500, 999])
    predicted, latents, noise = torch.randn(3, 4, 2, 3, 3)
    target, text = found.target(latents, noise, steps), said(torch.zeros(4, 1, 1))
    snr = compute_snr(found.scheduler, steps)
    weights = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1 if kind == "v_prediction" else snr)
    wanted = weights * (predicted - target).square().mean((1, 2, 3))
    empty = said(torch.zeros(1, 1, 1))
    errors = diffusion_errors(says(predicted, found), batch_of(latents, noise, steps), text, empty, 5.0)
    assert torch.allclose(errors, wanted, rtol=1e-4)


def test_dropped_samples_are_trained_with_the_states_of_the_empty_prompt() -> None:
    found, states = schedule("epsilon"), torch.arange(4.0)[:, None, None]
    given: list[Tensor] = []

    def predict(noised: Tensor, steps: Tensor, condition: Condition) -> Tensor:
        given.append(condition.states)
        return noised

    batch = batch_of(*torch.randn(2, 4, 2, 3, 3), torch.tensor([0, 100, 500, 999]))
    batch["dropped"] = torch.tensor([False, True, False, True])
    base: Any = SimpleNamespace(predict=predict, schedule=found)
    diffusion_errors(base, batch, said(states), said(torch.full((1, 1, 1), 9.0)), None)
    assert given[0].flatten().tolist() == [0, 9, 2, 9]


def test_what_cannot_be_trained_is_named() -> None:
    with pytest.raises(ValueError, match="'sample'"):
        schedule("sample")
