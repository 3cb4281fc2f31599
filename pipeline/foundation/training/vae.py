"""Train the autoencoder of the miniature diffusion model: AutoencoderKL, factor 8, keeping objects and faces.

What it keeps limits what the U-Net can ever draw. Measured to matter (docs/LOG.md): two norm groups, second
convolutions of the residual blocks initialised to zero, a small initial posterior variance, and a loss with more weight
on object boxes and edges. It uses no GAN and no LPIPS loss.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.foundation.recipes import IMAGE_PX, VaeRecipe
from pipeline.foundation.training.clip import normalized
from pipeline.foundation.training.objective import Objective, train
from pipeline.runtime import autocast
from pipeline.training.loop import Batch
from pipeline.training.rows import Shuffled

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

FIRST_LOG_VARIANCE = -4.0
STATISTICS_PICTURES = 8192


@dataclass(frozen=True)
class Latents:
    """The posteriors of N images: means and standard deviations, both NCHW float16.

    Once the VAE is standardised, each channel has unit variance over the images.
    """

    means: Tensor
    deviations: Tensor


def train_vae(
    images: np.ndarray, boxes: np.ndarray, recipe: VaeRecipe, out: Path, work: Path, device: torch.device
) -> float:
    """Train a VAE, write the diffusers folder `out` and return the last mean loss.

    `images` are N3HW uint8, `boxes` NM4 the boxes of their objects in 0..1, inside which errors weigh more.
    """
    vae = build_vae(recipe).to(device)
    pictures, places = torch.from_numpy(images).to(device), torch.from_numpy(boxes).to(device)
    objective = Objective(vae, partial(reconstruction_loss, recipe))
    draw = partial(draw_pictures, pictures, places, recipe)
    loss = train(objective, Shuffled(len(images)), draw, recipe, work, device)
    standardise(vae, encode(vae, pictures[:STATISTICS_PICTURES], device).means)
    vae.cpu().save_pretrained(str(out))
    return loss


def build_vae(recipe: VaeRecipe) -> "AutoencoderKL":
    """Return a new autoencoder whose residual blocks start as the identity and whose posterior starts narrow."""
    from diffusers import AutoencoderKL

    levels = len(recipe.channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=recipe.channels, layers_per_block=1, latent_channels=recipe.latent_channels,
            norm_num_groups=recipe.norm_groups, sample_size=IMAGE_PX, mid_block_add_attention=False, scaling_factor=1.0,
        )  # fmt: skip
        for name, module in vae.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                nn.init.zeros_(module.bias)
            if name.endswith(".conv2"):
                nn.init.zeros_(module.weight)
        with torch.no_grad():
            vae.quant_conv.weight[recipe.latent_channels :] *= 0.02
            vae.quant_conv.bias[recipe.latent_channels :] = FIRST_LOG_VARIANCE
    return vae


def draw_pictures(
    pictures: Tensor, boxes: Tensor, recipe: VaeRecipe, rows: Tensor, generator: torch.Generator
) -> Batch:
    """Return the images B3HW uint8 of rows B, their boxes BM4, and two noise tensors of the latents' shape BCHW."""
    edge = IMAGE_PX >> (len(recipe.channels) - 1)
    shape = (2, len(rows), recipe.latent_channels, edge, edge)
    posterior, disturbance = torch.randn(shape, generator=generator, device=generator.device)
    return {"pictures": pictures[rows], "boxes": boxes[rows], "posterior": posterior, "disturbance": disturbance}


def reconstruction_loss(
    recipe: VaeRecipe, vae: "AutoencoderKL", pictures: Tensor, boxes: Tensor, posterior: Tensor, disturbance: Tensor
) -> Tensor:
    """Return L1 + MSE + gradient differences, with more weight inside the boxes, + KL.

    pictures B3HW uint8, boxes BM4, two noises BCHW -> scalar. The noise `posterior` samples the posterior;
    `disturbance` disturbs the latents by a share of each channel's deviation.
    """
    target = normalized(pictures)
    encoded = vae.encode(target).latent_dist
    spread = encoded.mean.float().std(dim=(0, 2, 3), keepdim=True).detach()
    latents = encoded.mean + encoded.std * posterior + recipe.latent_noise * spread * disturbance
    difference = vae.decode(latents).sample.float() - target
    weight = 1 + (recipe.foreground_weight - 1) * foreground(boxes, target.shape[-1])
    error = difference.abs() + recipe.mse_weight * difference**2
    horizontal, vertical = difference.diff(dim=-1).abs(), difference.diff(dim=-2).abs()
    edges = (horizontal * weight[..., 1:]).mean() + (vertical * weight[..., 1:, :]).mean()
    kl = 0.5 * (encoded.mean.float() ** 2 + encoded.var.float() - 1 - encoded.logvar.float()).mean()
    return (error * weight).mean() + recipe.gradient_weight * edges + recipe.kl_weight * kl


def foreground(boxes: Tensor, edge: int) -> Tensor:
    """Return a mask of the pixels inside any box.

    boxes BM4 in 0..1 -> mask B1HW float, 1 inside and 0 outside, with H = W = edge
    """
    middles = (torch.arange(edge, device=boxes.device) + 0.5) / edge
    x0, y0, x1, y1 = boxes[..., None].unbind(2)
    columns = (middles >= x0) & (middles < x1)
    rows = (middles >= y0) & (middles < y1)
    return (rows[..., :, None] & columns[..., None, :]).any(1, keepdim=True).float()


@torch.no_grad()
def encode(vae: "AutoencoderKL", pictures: Tensor, device: torch.device, batch_size: int = 512) -> Latents:
    """Return the posteriors of images N3HW uint8 on any device; the latents are on `device`."""
    means, deviations = [], []
    for start in range(0, len(pictures), batch_size):
        with autocast("bf16", device):
            posterior = vae.encode(normalized(pictures[start : start + batch_size].to(device))).latent_dist
        means.append(posterior.mean.half())
        deviations.append(posterior.std.half())
    return Latents(torch.cat(means), torch.cat(deviations))


@torch.no_grad()
def standardise(vae: "AutoencoderKL", means: Tensor) -> None:
    """Standardise the latents in place, so that scaling_factor = 1.

    The mean and deviation of each latent channel, taken from `means` NCHW, are folded into the two 1x1 convolutions.
    """
    center, spread = means.float().mean(dim=(0, 2, 3)), means.float().std(dim=(0, 2, 3))
    weight, bias = vae.quant_conv.weight, vae.quant_conv.bias
    channels = len(center)
    weight[:channels] /= spread[:, None, None, None]
    bias[:channels] = (bias[:channels] - center) / spread
    bias[channels:] -= 2 * spread.log()
    decoder = vae.post_quant_conv
    decoder.bias += decoder.weight[:, :, 0, 0] @ center
    decoder.weight *= spread[None, :, None, None]


def psnr(images: Tensor, others: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of two batches in [-1, 1], from the MSE over all images."""
    return float(10 * torch.log10(4.0 / F.mse_loss(images.float(), others.float())))
