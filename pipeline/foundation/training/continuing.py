"""Train a finished CLIP or U-Net further where it is worst; everything else is as in its first training.

U-Net: images of many objects, painted images and objects that it draws badly are sampled more often, and so are plain
captions and the timesteps at which an object's name matters most; errors inside object boxes weigh more. CLIP: only the
vision tower is trained, against text features that stay as the U-Net knows them (Zhai et al. 2022); the image's own
caption with one object swapped is a hard negative (Yuksekgonul et al. 2023).
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

from pipeline.foundation.conversion import scheduler, text_encoder
from pipeline.foundation.noise import NoiseSchedule, noise_schedule
from pipeline.foundation.recipes import ContinuedClip, ContinuedUNet
from pipeline.foundation.training.clip import normalized, pair_loss
from pipeline.foundation.training.objective import Objective, choose, train
from pipeline.foundation.training.texts import padded_ids
from pipeline.foundation.training.unet import draw_noised, empty_text, text_states, timestep_density, under
from pipeline.foundation.training.vae import Latents, foreground
from pipeline.miniature.captions import caption
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS
from pipeline.training.denoising import squared_errors
from pipeline.training.loop import Batch
from pipeline.training.rows import RowOrder, Shuffled

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
    """Train `unet` further, in place, and return the last mean loss.

    For N images: `latents`, `text_ids` NKT int16, `boxes` NM4 of their objects, and `weights` N, in proportion to which
    images are sampled.
    """
    encoder = text_encoder(clip).requires_grad_(False).to(device)
    unet.to(device).requires_grad_(True).train()
    cumulative, texts = timesteps_of(recipe).cumsum(0).to(device), torch.from_numpy(text_ids).to(device)
    places, empty = torch.from_numpy(boxes).to(device), empty_text(clip).to(device)

    def draw(rows: Tensor, generator: torch.Generator) -> Batch:
        noised = draw_noised(latents, texts, empty, cumulative, recipe.text_dropout, rows, generator)
        return {**noised, "boxes": places[rows]}

    loss = partial(weighted_v_loss, encoder, noise_schedule(scheduler()), recipe.foreground_weight)
    order = RowOrder(np.arange(len(weights)), weights / weights.sum())
    return train(Objective(unet, loss), order, draw, recipe, work, device, recipe.ema_decay)


def weighted_v_loss(
    encoder: "CLIPTextModel",
    schedule: NoiseSchedule,
    foreground_weight: float,
    unet: "UNet2DConditionModel",
    ids: Tensor,
    boxes: Tensor,
    **batch: Tensor,
) -> Tensor:
    """Return the weighted mean squared error of v: weight `foreground_weight` inside `boxes` BM4 and 1 elsewhere."""
    errors = squared_errors(under(unet, text_states(encoder, ids)), schedule, batch)
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
    """Train the vision tower of `model` further, in place, and return the last mean loss.

    `images` are N3HW uint8, `text_ids` NKT int16, `swapped_ids` N(1+S)T int16: a caption followed by S swapped
    captions.
    """
    model.to(device).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("visual."))
    pictures, texts, captions = (torch.from_numpy(array).to(device) for array in (images, text_ids, swapped_ids))

    def draw(rows: Tensor, generator: torch.Generator) -> Batch:
        choice, swapped = (choose(number, rows, generator) for number in (texts.shape[1], captions.shape[1] - 1))
        return {
            "pictures": pictures[rows],
            "ids": texts[rows, choice].long(),
            "own_ids": captions[rows, 0].long(),
            "swapped_ids": captions[rows, 1 + swapped].long(),
        }

    return train(Objective(model, swapped_loss), Shuffled(len(images)), draw, recipe, work, device)


def swapped_loss(model: "CLIP", pictures: Tensor, ids: Tensor, own_ids: Tensor, swapped_ids: Tensor) -> Tensor:
    """Return CLIP's loss plus the logistic loss of the images' captions against captions with one object swapped.

    pictures B3HW uint8; ids, own_ids and swapped_ids BT of any text, the caption and a swapped caption -> scalar
    """
    image_BD = model.encode_image(normalized(pictures), normalize=True)
    with torch.no_grad():
        text_BD, own_BD, swapped_BD = (model.encode_text(t, normalize=True) for t in (ids, own_ids, swapped_ids))
        scale = model.logit_scale.exp()
    margin = scale * (image_BD * (own_BD - swapped_BD)).sum(1)
    return pair_loss(scale, image_BD, text_BD, ids) + F.softplus(-margin.float()).mean()


def draw_weights(truths: Sequence[Truth], often: Mapping[str, float]) -> np.ndarray:
    """Return how often each image is sampled, as weights N float64.

    A weight is the sum over the image's objects of their values in `often` (1 if absent), multiplied by the value of
    PAINTED for a painted image.
    """
    things = [sum(often.get(thing.name, 1.0) for thing in truth.objects) for truth in truths]
    painted = [often.get(PAINTED, 1.0) if truth.style is not None else 1.0 for truth in truths]
    return np.array(things) * np.array(painted)


def timesteps_of(recipe: ContinuedUNet) -> Tensor:
    """Return the probability of each timestep, T float32.

    It is the density of the first training, except that a share `focus_share` is spread evenly over the timesteps
    `focus`.
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
    """Return token ids NCT int16 of the C captions that `write` returns for each of N images.

    `write` is `plain_captions` or `swapped_captions`; it is called with a truth, `num` and the image's index in its
    stream. `first` is the index of the first image.
    """
    return np.stack([padded_ids(tokenizer, write(truth, num, index)) for index, truth in enumerate(truths, first)])


def swapped_captions(truth: Truth, num: int, seed: int) -> list[str]:
    """Return the image's caption, followed by `num` captions that differ from it in one object."""
    rng = np.random.default_rng((seed, 1))
    truths = [truth, *(swap_object(truth, rng) for _ in range(num))]
    return [caption(each, np.random.default_rng((seed, 0))) for each in truths]


def plain_captions(truth: Truth, num: int, seed: int) -> list[str]:
    """Return `num` captions that name all objects of the image, each in its own order."""
    rng = np.random.default_rng((seed, 2))
    return [caption(truth, rng) for _ in range(num)]


def swap_object(truth: Truth, rng: np.random.Generator) -> Truth:
    """Return the truth with one object replaced by an object that is not in the image."""
    present = {thing.name for thing in truth.objects}
    at, name = int(rng.integers(len(truth.objects))), str(rng.choice([name for name in OBJECTS if name not in present]))
    things = list(truth.objects)
    things[at] = dataclasses.replace(things[at], name=name)
    return dataclasses.replace(truth, objects=tuple(things))
