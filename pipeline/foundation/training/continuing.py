"""Trained models that go on learning where they are worst; all else as in their first training.

The U-Net: many things, painted ones and those that it draws badly come more often, so do plain captions and the
timesteps at which a thing's name tells most; what lies within a thing's box weighs more. CLIP: its vision tower alone,
against texts that stay as the U-Net knows them (Zhai et al. 2022), the picture's own caption but for one thing as a
hard negative (Yuksekgonul et al. 2023).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.foundation.assembly import scheduler
from pipeline.foundation.conversion import text_encoder
from pipeline.foundation.recipes import ContinuedClip, ContinuedUNet
from pipeline.foundation.training.clip import normalized, pair_loss
from pipeline.foundation.training.texts import padded_ids
from pipeline.foundation.training.trainer import Batch, Task, draw_rows, fit, own_batch_size
from pipeline.foundation.training.unet import empty_text, noised, squared_v_errors, timestep_density
from pipeline.foundation.training.vae import Latents, foreground
from pipeline.miniature.captions import caption
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from open_clip import CLIP
    from transformers import CLIPTextModel, CLIPTokenizer

PAINTED = "painted"


def continue_unet(
    unet: "UNet2DConditionModel",
    clip: Path,
    latents: Latents,
    text_ids: np.ndarray,
    boxes: np.ndarray,
    weights: np.ndarray,
    recipe: ContinuedUNet,
    work: Path,
    device: torch.device,
) -> float:
    """Train `unet` on, in place, on latents and texts NKT int16, boxes NM4 of the pictures' things and `weights` N,
    in proportion to which pictures are drawn; the last mean loss.
    """
    encoder = text_encoder(clip).requires_grad_(False).to(device)
    unet.to(device).requires_grad_(True).train()
    cumulative, alphas = timesteps_of(recipe).cumsum(0).to(device), scheduler().alphas_cumprod.to(device)
    texts, empty = torch.from_numpy(text_ids).to(device), empty_text(clip).to(device)
    places, shares = torch.from_numpy(boxes).to(device), torch.from_numpy(weights).double().cumsum(0).to(device)

    def sample(generator: torch.Generator) -> Batch:
        rows = weighted_rows(shares, own_batch_size(recipe), generator)
        return places[rows], *noised(latents, texts, empty, cumulative, recipe.text_dropout, rows, generator)

    loss = partial(weighted_v_loss, unet, encoder, alphas, recipe.foreground_weight)
    return fit(Task(unet, sample, loss, recipe.ema_decay), recipe, work, device)


def weighted_v_loss(
    unet: "UNet2DConditionModel",
    encoder: "CLIPTextModel",
    alphas: Tensor,
    foreground_weight: float,
    boxes: Tensor,
    *batch: Tensor,
) -> Tensor:
    """Mean squared error of v, heavier within boxes BM4."""
    errors = squared_v_errors(unet, encoder, alphas, *batch)
    weight = 1 + (foreground_weight - 1) * foreground(boxes, errors.shape[-1])
    return (errors * weight).mean() / weight.mean()


def continue_clip(
    model: "CLIP",
    images: np.ndarray,
    text_ids: np.ndarray,
    swapped_ids: np.ndarray,
    recipe: ContinuedClip,
    work: Path,
    device: torch.device,
) -> float:
    """Train the vision tower of `model` on, in place, on images N3HW uint8, texts NKT int16 and N(1+S)T int16 of a
    caption and S swapped ones; the last mean loss.
    """
    model.to(device).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("visual."))
    pictures, texts, captions = (torch.from_numpy(array).to(device) for array in (images, text_ids, swapped_ids))

    def sample(generator: torch.Generator) -> Batch:
        size = own_batch_size(recipe)
        rows, choice = draw_rows(len(pictures), size, generator), draw_rows(texts.shape[1], size, generator)
        swapped = 1 + draw_rows(captions.shape[1] - 1, size, generator)
        return pictures[rows], texts[rows, choice].long(), captions[rows, 0].long(), captions[rows, swapped].long()

    return fit(Task(model, sample, partial(swapped_loss, model)), recipe, work, device)


def swapped_loss(model: "CLIP", pictures: Tensor, ids: Tensor, own_ids: Tensor, swapped_ids: Tensor) -> Tensor:
    """CLIP's loss, and the log-odds of each picture's caption against the same with a thing swapped."""
    image_BD = model.encode_image(normalized(pictures), normalize=True)
    with torch.no_grad():
        text_BD, own_BD, swapped_BD = (model.encode_text(t, normalize=True) for t in (ids, own_ids, swapped_ids))
        scale = model.logit_scale.exp()
    margin = scale * (image_BD * (own_BD - swapped_BD)).sum(1)
    return pair_loss(scale, image_BD, text_BD, ids) + F.softplus(-margin.float()).mean()


def draw_weights(truths: Sequence[Truth], often: Mapping[str, float]) -> np.ndarray:
    """How often each picture is drawn, N float64: the sum of its things' weights (1 of a thing not in `often`), times
    that of PAINTED if it is.
    """
    things = [sum(often.get(thing.name, 1.0) for thing in truth.objects) for truth in truths]
    painted = [often.get(PAINTED, 1.0) if truth.style is not None else 1.0 for truth in truths]
    return np.array(things) * np.array(painted)


def timesteps_of(recipe: ContinuedUNet) -> Tensor:
    """Probability of each timestep, T float32: that of the first training, but for `focus_share`, which is spread
    over `focus`.
    """
    density, (first, stop) = timestep_density(recipe.snr_cap), recipe.focus
    focused = torch.zeros_like(density)
    focused[first:stop] = 1 / (stop - first)
    return density.lerp(focused, recipe.focus_share)


def caption_ids(
    write: Callable[[Truth, int, int], list[str]],
    truths: Sequence[Truth],
    num: int,
    tokenizer: "CLIPTokenizer",
    first: int = 0,
) -> np.ndarray:
    """Token ids NCT int16 of what `write` (plain or swapped captions, `num` of them) writes for each of N pictures;
    `first` is the first one's index in its stream.
    """
    return np.stack([padded_ids(tokenizer, write(truth, num, index)) for index, truth in enumerate(truths, first)])


def swapped_captions(truth: Truth, num: int, seed: int) -> list[str]:
    """The picture's caption, and `num` times the same words but for one thing."""
    rng = np.random.default_rng((seed, 1))
    truths = [truth, *(swap_object(truth, rng) for _ in range(num))]
    return [caption(each, np.random.default_rng((seed, 0))) for each in truths]


def plain_captions(truth: Truth, num: int, seed: int) -> list[str]:
    """`num` captions of the picture that name all its things, each in its own order."""
    rng = np.random.default_rng((seed, 2))
    return [caption(truth, rng) for _ in range(num)]


def swap_object(truth: Truth, rng: np.random.Generator) -> Truth:
    """The truth with one thing turned into one that is not there."""
    present = {thing.name for thing in truth.objects}
    at, name = int(rng.integers(len(truth.objects))), str(rng.choice([name for name in OBJECTS if name not in present]))
    things = list(truth.objects)
    things[at] = dataclasses.replace(things[at], name=name)
    return dataclasses.replace(truth, objects=tuple(things))


def weighted_rows(shares: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """Rows B int64 drawn with replacement in proportion to weights whose running sum is `shares`, N float64."""
    uniform = torch.rand(batch_size, generator=generator, device=generator.device, dtype=torch.float64)
    return torch.searchsorted(shares, uniform * shares[-1]).clamp(max=len(shares) - 1)
