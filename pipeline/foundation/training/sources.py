"""Train foundation models that are not bundled, by their recipes, on images drawn for them.

The images come from the foundation stream, which shares none with any corpus. Trainings resume from `work`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.foundation.conversion import load_text_tokenizer
from pipeline.foundation.recipes import CaptionerRecipe, ClipRecipe, DiffusionRecipe
from pipeline.foundation.training import texts
from pipeline.foundation.training.clip import train_clip
from pipeline.foundation.training.llava import train_captioner
from pipeline.foundation.training.tokenizer import chat_tokenizer, text_tokenizer
from pipeline.foundation.training.unet import train_unet
from pipeline.foundation.training.vae import train_vae
from pipeline.miniature.captions import vocabulary_texts
from pipeline.miniature.stream import PictureSet, pictures

if TYPE_CHECKING:
    import torch

STREAM_SEED = 0  # of the drawn images; a recipe's own seed is for weights and batches
CHAT_PICTURES = 5_000  # images whose answers the captioner's tokenizer is trained on


def clip_by_recipe(recipe: ClipRecipe, out: Path, work: Path, device: "torch.device", workers: int) -> None:
    """Draw images, tokenise their texts, train a CLIP and write the open_clip folder `out`."""
    drawn = draw(recipe.num_pictures, workers)
    tokenizer = text_tokenizer(vocabulary_texts(), recipe.context_length)
    ids = texts.text_ids(drawn.truths, tokenizer, recipe.texts_per_picture, STREAM_SEED, workers)
    train_clip(planes(drawn.images), ids, tokenizer, recipe, out, work, device)


def diffusion_by_recipe(
    recipe: DiffusionRecipe, clip: Path, out: Path, work: Path, device: "torch.device", workers: int
) -> None:
    """Draw images, train the VAE, then the U-Net on its latents; write the StableDiffusionPipeline folder `out`.

    The text tower comes from the CLIP folder `clip`.
    """
    drawn = draw(max(recipe.vae.num_pictures, recipe.unet.num_pictures), workers)
    images, vae = planes(drawn.images), work / "vae_folder"
    train_vae(
        images[: recipe.vae.num_pictures], texts.foreground_boxes(drawn.truths), recipe.vae, vae, work / "vae", device
    )
    truths, tokenizer = drawn.truths[: recipe.unet.num_pictures], load_text_tokenizer(clip)
    ids = texts.text_ids(truths, tokenizer, recipe.unet.texts_per_picture, STREAM_SEED, workers)
    train_unet(images[: len(truths)], ids, recipe.unet, clip, vae, out, work / "unet", device)


def captioner_by_recipe(
    recipe: CaptionerRecipe, clip: Path, out: Path, work: Path, device: "torch.device", workers: int
) -> None:
    """Draw images, write dialogues, train the captioner and write the transformers folder `out`.

    The vision tower comes from the CLIP folder `clip`.
    """
    drawn = draw(recipe.num_pictures, workers)
    tokenizer = chat_tokenizer(texts.chat_texts(drawn.truths[:CHAT_PICTURES], STREAM_SEED))
    said = texts.dialogues(drawn.truths, tokenizer, recipe.max_tokens, STREAM_SEED, workers)
    train_captioner(planes(drawn.images), said, tokenizer, recipe, clip, out, work, device)


def draw(num_pictures: int, workers: int) -> PictureSet:
    """Return the first images of the foundation stream with their truths."""
    return pictures(STREAM_SEED, 0, num_pictures, workers, stream="foundation")


def planes(images: np.ndarray) -> np.ndarray:
    """Convert images from NHWC uint8 to contiguous N3HW uint8."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
