"""The VAE and the U-Net: what they start as, what is folded in, and the folder that plain diffusers reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.foundation.clip import load_clip, normalized
from pipeline.foundation.conversion import text_encoder
from pipeline.foundation.diffusion import (
    build_unet,
    empty_text,
    load_pipeline,
    sample_latents,
    scheduler,
    timestep_density,
    v_loss,
)
from pipeline.foundation.recipes import UNET as BUNDLED_UNET
from pipeline.foundation.recipes import VAE as BUNDLED_VAE
from pipeline.foundation.vae import Latents, build_vae, encode, foreground, psnr, standardise
from tests.foundation.conftest import CPU, UNET, VAE, World


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


def test_timesteps_have_the_density_of_min_snr() -> None:
    density, alphas = timestep_density(5.0), scheduler().alphas_cumprod
    snr = alphas / (1 - alphas)
    assert density.sum().item() == pytest.approx(1, abs=1e-5)
    assert density.argmax().item() == (snr - 5).abs().argmin().item()
    latents = Latents(torch.zeros(9, 4, 8, 8), torch.zeros(9, 4, 8, 8))
    recipe = UNET.model_copy(update={"batch_size": 4000})
    ids = torch.zeros(9, 2, 32, dtype=torch.int16)
    generator = torch.Generator().manual_seed(0)
    _, _, steps, texts = sample_latents(latents, ids, torch.ones(32).long(), density.cumsum(0), recipe, generator)
    expected = (density * torch.arange(1000)).sum().item()
    assert steps.float().mean().item() == pytest.approx(expected, rel=0.05)
    assert (texts == 1).all(1).float().mean().item() == pytest.approx(UNET.text_dropout, abs=0.02)


def test_the_loss_of_a_perfect_prediction_of_v_is_zero(clip_folder: Path) -> None:
    from diffusers import DDPMScheduler

    latents, noise = torch.randn(2, 3, 4, 8, 8)
    steps, alphas = torch.tensor([3, 500, 999]), scheduler().alphas_cumprod
    reference = DDPMScheduler.from_config(scheduler().config)

    class Perfect(nn.Module):
        def forward(self, noisy: torch.Tensor, *_: object, return_dict: bool) -> tuple[torch.Tensor]:
            assert torch.allclose(noisy, reference.add_noise(latents, noise, steps), atol=1e-6)
            return (reference.get_velocity(latents, noise, steps),)

    ids = empty_text(clip_folder).expand(3, -1)
    assert v_loss(Perfect(), text_encoder(clip_folder), alphas, latents, noise, steps, ids).item() < 1e-10


def test_a_plain_diffusers_pipeline_samples_from_the_folder(diffusion_folder: Path) -> None:
    pipeline = load_pipeline(diffusion_folder)
    assert pipeline.vae.config.scaling_factor == 1.0
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    images = pipeline(
        ["a dark beach", "awe"], num_inference_steps=2, guidance_scale=3.0, generator=generators, output_type="np"
    ).images
    alone = pipeline(
        "awe", num_inference_steps=2, guidance_scale=3.0, generator=torch.Generator().manual_seed(2), output_type="np"
    ).images
    assert images.shape == (2, 64, 64, 3)
    assert np.allclose(images[1], alone[0], atol=1e-4)


def test_the_pipeline_text_encoder_is_that_of_clip(diffusion_folder: Path, clip_folder: Path) -> None:
    pipeline, clip = load_pipeline(diffusion_folder), load_clip(clip_folder)
    ids = pipeline.tokenizer(["a dark beach"], padding="max_length", return_tensors="pt").input_ids
    assert torch.equal(ids, clip.tokenizer(["a dark beach"]))
    with torch.no_grad():
        pooled = pipeline.text_encoder(ids).pooler_output @ clip.model.text_projection
    assert torch.allclose(nn.functional.normalize(pooled, dim=-1), clip.encode_texts(["a dark beach"]), atol=1e-5)


def test_no_file_of_the_folder_holds_a_path_of_this_machine(diffusion_folder: Path, tmp_path: Path) -> None:
    texts = [file.read_text() for file in diffusion_folder.rglob("*.json")]
    assert texts
    assert not [text for text in texts if str(tmp_path.parent.parent) in text]


def test_the_bundled_sizes_fit() -> None:
    unet = build_unet(BUNDLED_UNET, torch.Size((BUNDLED_VAE.latent_channels, 8, 8)), 128)
    vae = build_vae(BUNDLED_VAE)
    weights = sum(parameter.numel() for model in (unet, vae) for parameter in model.parameters())
    assert 2 * weights < 20_000_000


def test_a_folder_without_a_pipeline_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="model_index"):
        load_pipeline(tmp_path)


def test_pictures_decode_to_their_own_size(world: World, vae_folder: Path) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(str(vae_folder))
    pictures = torch.from_numpy(world.images[:2])
    with torch.no_grad():
        decoded = vae.decode(encode(vae, pictures, CPU).means.float()).sample
    assert decoded.shape == normalized(pictures).shape
