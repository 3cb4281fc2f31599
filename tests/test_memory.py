"""Check that what saves memory changes no result: recomputed activations with adapters, images decoded one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from pipeline.adapters import ADAPTERS, HiLora, add_adapters
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.stable_diffusion import ATTENTION
from pipeline.generation.folder import load_foundation
from pipeline.generation.plain import PromptGenerator
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling, denoised
from pipeline.memory import is_low, recomputed
from pipeline.runtime import Precision, fast_attention

CPU = torch.device("cpu")


def adapted(models: Path, is_recomputed: bool) -> HiLora:
    """Return adapters that act, on a U-Net that keeps its activations or computes them anew."""
    unet = load_module(UNet2DConditionModel, models / "foundation/diffusion/unet")
    if is_recomputed:
        unet.enable_gradient_checkpointing(recomputed)
    hilora = add_adapters(unet, ATTENTION, dict.fromkeys(ADAPTERS, 4), torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in hilora.parameters().values():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return hilora


def gradients(hilora: HiLora, precision: Precision) -> dict[str, torch.Tensor]:
    """Return the gradients of a loss of two emotions, taken as in the training loop: outside of route and autocast."""
    draws = torch.Generator().manual_seed(2)
    latents, states = torch.randn(2, 16, 8, 8, generator=draws), torch.randn(2, 32, 128, generator=draws)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), fast_attention(CPU):
        with hilora.route(torch.eye(8)[[0, 7]]):
            predicted = hilora.unet(latents, torch.tensor([10, 900]), states, return_dict=False)[0]
        loss = predicted.float().square().mean()
    loss.backward()
    return {name: p.grad for name, p in hilora.parameters().items() if p.grad is not None}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recomputed_activations_give_the_gradients_of_kept_ones(models: Path, precision: Precision) -> None:
    kept, recomputed_ = (gradients(adapted(models, flag), precision) for flag in (False, True))
    assert kept.keys() == recomputed_.keys()
    assert any(".awe." in name or ".amusement." in name for name in kept)
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed_[name], gradient, rtol=1e-6, atol=1e-6)
    assert max(float(gradient.abs().max()) for gradient in kept.values()) > 1e-3


def test_blocks_run_twice_and_only_where_there_is_a_backward_pass(models: Path) -> None:
    hilora, calls = adapted(models, True), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    block: nn.Module = hilora.unet.up_blocks[0].resnets[0]
    block.register_forward_pre_hook(count)
    with torch.no_grad():
        hilora.unet(torch.zeros(1, 16, 8, 8), 1, torch.zeros(1, 32, 128))
    assert calls == 1
    gradients(hilora, "fp32")
    assert calls == 1 + 2


def test_images_decoded_one_by_one_are_the_same(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def images(is_saving: str) -> list[np.ndarray]:
        monkeypatch.setenv("EVOKE_LOW_MEMORY", is_saving)
        foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
        assert foundation.base.vae.use_slicing == (is_saving == "1")
        assert foundation.base.denoiser.is_gradient_checkpointing == (is_saving == "1")
        generator = PromptGenerator(foundation.base.encoder, "an image of {S}", ("awe",))
        requests = [request("awe", seed) for seed in range(3)]
        settings = Sampling(2, 3.0, "ddim", 3)
        return list(denoised(foundation.base, generator, requests, settings))

    np.testing.assert_allclose(images("1"), images("0"), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("card", "value", "expected"), [
    (0, "", False), (24e9, "", True), (80e9, "", False), (0, "1", True), (24e9, "0", False),
])  # fmt: skip
def test_the_size_of_the_card_decides_unless_the_variable_does(
    card: float, value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOKE_LOW_MEMORY", value)
    assert is_low(card) is expected


def test_a_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_LOW_MEMORY", "yes")
    with pytest.raises(ValueError, match=r"EVOKE_LOW_MEMORY = 'yes': allowed are 0 and 1"):
        is_low(24e9)
