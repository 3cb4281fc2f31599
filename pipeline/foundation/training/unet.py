"""Train the U-Net of the miniature Stable Diffusion: it predicts v in the VAE's latents, given CLIP's text states.

Timesteps are drawn with min-SNR weights (Hang et al. 2023, Eq. 9 for v) instead of weighting the loss. The text tower
is frozen and evaluated at every step, which costs less than reading cached states.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.foundation.conversion import TRAIN_TIMESTEPS, load_text_tokenizer, save_pipeline, scheduler, text_encoder
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.noise import NoiseSchedule, noise_schedule
from pipeline.foundation.recipes import UNetRecipe
from pipeline.foundation.training.objective import Objective, choose, train
from pipeline.foundation.training.vae import Latents, encode
from pipeline.training.denoising import squared_errors
from pipeline.training.loop import Batch
from pipeline.training.rows import Shuffled

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
    draw = partial(draw_noised, latents, texts, empty, density.cumsum(0), recipe.text_dropout)
    objective, order = Objective(unet, partial(v_loss, encoder, noise_schedule(scheduler()))), Shuffled(len(images))
    loss = train(objective, order, draw, recipe, work, device, recipe.ema_decay)
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


def draw_noised(
    latents: Latents,
    texts: Tensor,
    empty: Tensor,
    cumulative: Tensor,
    text_dropout: float,
    rows: Tensor,
    generator: torch.Generator,
) -> Batch:
    """Return the batch of rows B: latents BCHW, noise BCHW, steps B int64, ids BT int64.

    The latents are drawn from their posteriors, each image has one of its texts, and a share of the texts is emptied.
    `cumulative` is the cumulative distribution function of the timesteps.
    """
    device = generator.device
    means, deviations = latents.means[rows].float(), latents.deviations[rows].float()
    posterior, noise = torch.randn((2, *means.shape), generator=generator, device=device)
    uniform = torch.rand(len(rows), generator=generator, device=device)
    steps = torch.searchsorted(cumulative, uniform).clamp(max=TRAIN_TIMESTEPS - 1)
    ids = texts[rows, choose(texts.shape[1], rows, generator)].long()
    emptied = torch.rand(len(rows), 1, generator=generator, device=device) < text_dropout
    return {
        "latents": means + deviations * posterior,
        "noise": noise,
        "steps": steps,
        "ids": torch.where(emptied, empty, ids),
    }


def v_loss(
    encoder: "CLIPTextModel", schedule: NoiseSchedule, unet: "UNet2DConditionModel", ids: Tensor, **batch: Tensor
) -> Tensor:
    """Return the mean squared error of the predicted v: token ids BT, and a batch as `squared_errors` takes it."""
    return squared_errors(under(unet, text_states(encoder, ids)), schedule, batch).mean()


def under(unet: "UNet2DConditionModel", states: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what a U-Net predicts under text states BTD, as a function of noised latents BCHW and steps B."""
    return lambda noised, steps: unet(noised, steps, states, return_dict=False)[0]


@torch.no_grad()
def text_states(encoder: "CLIPTextModel", ids: Tensor) -> Tensor:
    """Return the states of texts, which the U-Net attends to: ids BT -> BTD."""
    states: Tensor = encoder(ids).last_hidden_state
    return states
