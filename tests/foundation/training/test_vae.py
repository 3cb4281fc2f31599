"""The VAE: what it starts as, what is folded in, what its loss weighs."""

from pathlib import Path

import pytest
import torch

from pipeline.foundation.training.clip import normalized
from pipeline.foundation.training.vae import build_vae, encode, foreground, psnr, standardise
from tests.foundation.conftest import CPU, VAE, World


def test_residual_blocks_of_the_vae_start_as_the_identity() -> None:
    vae = build_vae(VAE)
    second = [module for name, module in vae.named_modules() if name.endswith(".conv2")]
    assert second
    assert not any(module.weight.any() or module.bias.any() for module in second)


def test_standardised_latents_have_unit_variance_and_decode_as_before(world: World) -> None:
    vae, pictures = build_vae(VAE), torch.from_numpy(world.images)
    before = encode(vae, pictures, CPU).means.float()
    with torch.no_grad():
        decoded = vae.decode(before[:4]).sample
        standardise(vae, before)
        after = encode(vae, pictures, CPU).means.float()
        again = vae.decode(after[:4]).sample
    assert torch.allclose(after.std((0, 2, 3)), torch.ones(4), atol=0.02)
    assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(4), atol=0.02)
    assert torch.allclose(decoded, again, atol=0.05)


def test_the_foreground_is_what_lies_in_any_box() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]] * 2])
    mask = foreground(boxes, 4)
    assert mask[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert not mask[1].any()


def test_psnr_is_twenty_decibels_at_a_tenth_of_the_range() -> None:
    assert psnr(torch.zeros(2, 3), torch.full((2, 3), 0.2)) == pytest.approx(20, abs=1e-4)


def test_pictures_decode_to_their_own_size(world: World, vae_folder: Path) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(str(vae_folder))
    pictures = torch.from_numpy(world.images[:2])
    with torch.no_grad():
        decoded = vae.decode(encode(vae, pictures, CPU).means.float()).sample
    assert decoded.shape == normalized(pictures).shape
