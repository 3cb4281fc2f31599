"""Train the U-Net of the miniature Stable Diffusion: it predicts v in the VAE's latents, given CLIP's text states.

Timesteps are drawn with min-SNR weights (Hang et al. 2023, Eq. 9 for v) instead of weighting the loss. The text tower
is frozen and evaluated at every step, which costs less than reading cached states.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.foundation.assembly import TRAIN_TIMESTEPS, save_pipeline, scheduler
from pipeline.foundation.conversion import load_text_tokenizer, text_encoder
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.recipes import UNetRecipe
from pipeline.foundation.training.trainer import Batch, Task, draw_rows, fit
from pipeline.foundation.training.vae import Latents, encode

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel


def train_unet(
    images: np.ndarray,
    text_ids: np.ndarray,
    recipe: UNetRecipe,
    clip: Path,
    vae: Path,
    out: Path,
    work: Path,
    device: torch.device,
) -> float:
    """Train a U-Net, write the pipeline folder `out` and return the last mean loss.

    `images` are N3HW uint8, `text_ids` NKT int16; `clip` and `vae` are the folders of the trained models.
    """
    from diffusers import AutoencoderKL

    autoencoder = load_module(AutoencoderKL, vae).requires_grad_(False)
    encoder = text_encoder(clip).requires_grad_(False).to(device)
    latents = encode(autoencoder.to(device), torch.from_numpy(images), device)
    unet = build_unet(recipe, latents.means.shape[1:], encoder.config.hidden_size).to(device)
    density = timestep_density(recipe.snr_cap).to(device)
    texts, empty = torch.from_numpy(text_ids).to(device), empty_text(clip).to(device)
    sample = partial(sample_latents, latents, texts, empty, density.cumsum(0), recipe)
    alphas = scheduler().alphas_cumprod.to(device)
    loss = fit(Task(unet, sample, partial(v_loss, unet, encoder, alphas), recipe.ema_decay), recipe, work, device)
    save_pipeline(unet.cpu(), autoencoder.cpu(), clip, out)
    return loss


def build_unet(recipe: UNetRecipe, latent_shape: torch.Size, text_width: int) -> "UNet2DConditionModel":
    """Return a new U-Net for latents of shape CHW: cross-attention at every level, one layer per block."""
    from diffusers import UNet2DConditionModel

    levels = len(recipe.channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return UNet2DConditionModel(
            sample_size=latent_shape[-1], in_channels=latent_shape[0], out_channels=latent_shape[0],
            down_block_types=("CrossAttnDownBlock2D",) * levels, up_block_types=("CrossAttnUpBlock2D",) * levels,
            block_out_channels=recipe.channels, layers_per_block=1, cross_attention_dim=text_width,
            attention_head_dim=recipe.heads, norm_num_groups=recipe.norm_groups,
        )  # fmt: skip


def timestep_density(snr_cap: float) -> Tensor:
    """Return the probability of each timestep, T float32.

    It is half uniform, half proportional to min(SNR, cap) / (SNR + 1), the min-SNR weight of a v loss. That weight
    alone leaves out the noisiest timesteps, in which a few solver steps lay out the image.
    """
    alphas = scheduler().alphas_cumprod.double()
    snr = alphas / (1 - alphas)
    weights = snr.clamp(max=snr_cap) / (snr + 1)
    return ((weights / weights.sum() + 1 / len(weights)) / 2).float()


def empty_text(clip: Path) -> Tensor:
    """Return the token ids T int64 of the empty text, which stands for no condition."""
    tokenizer = load_text_tokenizer(clip)
    ids = tokenizer([""], padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
    return ids[0]


def sample_latents(
    latents: Latents,
    texts: Tensor,
    empty: Tensor,
    cumulative: Tensor,
    recipe: UNetRecipe,
    generator: torch.Generator,
) -> Batch:
    """Return a random batch: latents BCHW, noise BCHW, timesteps B int64, token ids BT int64.

    The latents are drawn from their posteriors, and a share of the texts is emptied. `cumulative` is the cumulative
    distribution function of the timesteps.
    """
    rows = draw_rows(len(latents.means), recipe.batch_size, generator)
    return noised(latents, texts, empty, cumulative, recipe.text_dropout, rows, generator)


def noised(
    latents: Latents,
    texts: Tensor,
    empty: Tensor,
    cumulative: Tensor,
    text_dropout: float,
    rows: Tensor,
    generator: torch.Generator,
) -> Batch:
    """Return a batch as `sample_latents` does, but for the given rows B."""
    device = generator.device
    means, deviations = latents.means[rows].float(), latents.deviations[rows].float()
    posterior, noise = torch.randn((2, *means.shape), generator=generator, device=device)
    uniform = torch.rand(len(rows), generator=generator, device=device)
    steps = torch.searchsorted(cumulative, uniform).clamp(max=TRAIN_TIMESTEPS - 1)
    ids = texts[rows, draw_rows(texts.shape[1], len(rows), generator)].long()
    emptied = torch.rand(len(rows), 1, generator=generator, device=device) < text_dropout
    return means + deviations * posterior, noise, steps, torch.where(emptied, empty, ids)


def v_loss(unet: "UNet2DConditionModel", encoder: "CLIPTextModel", alphas: Tensor, *batch: Tensor) -> Tensor:
    """Return the mean squared error of the predicted v."""
    return squared_v_errors(unet, encoder, alphas, *batch).mean()


def squared_v_errors(
    unet: "UNet2DConditionModel",
    encoder: "CLIPTextModel",
    alphas: Tensor,
    latents: Tensor,
    noise: Tensor,
    steps: Tensor,
    ids: Tensor,
) -> Tensor:
    """Return the squared errors BCHW of the predicted v (Salimans and Ho 2022).

    v = sqrt(a) noise - sqrt(1 - a) latents; latents and noise BCHW, steps B, ids BT
    """
    with torch.no_grad():
        states_BTD = encoder(ids).last_hidden_state
    signal = alphas[steps].sqrt()[:, None, None, None]
    sigma = (1 - alphas[steps]).sqrt()[:, None, None, None]
    predicted = unet(signal * latents + sigma * noise, steps, states_BTD, return_dict=False)[0]
    return (predicted.float() - (signal * noise - sigma * latents)) ** 2
