"""Foundation models that are not bundled: trained by their recipe on pictures that are drawn for it.

The pictures are the foundation stream's, which no corpus shares. Trainings resume from `work`.
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

STREAM_SEED = 0  # of the drawn pictures; a recipe's own seed is that of weights and batches
CHAT_PICTURES = 5_000  # whose answers the captioner's tokenizer learns its words from


def clip_by_recipe(recipe: ClipRecipe, out: Path, work: Path, device: "torch.device", workers: int) -> None:
    """Draw, tokenise, train; the open_clip folder `out`."""
    drawn = draw(recipe.num_pictures, workers)
    tokenizer = text_tokenizer(vocabulary_texts(), recipe.context_length)
    ids = texts.text_ids(drawn.truths, tokenizer, recipe.texts_per_picture, STREAM_SEED, workers)
    train_clip(planes(drawn.images), ids, tokenizer, recipe, out, work, device)


def diffusion_by_recipe(
    recipe: DiffusionRecipe, clip: Path, out: Path, work: Path, device: "torch.device", workers: int
) -> None:
    """Draw, train the VAE, then the U-Net over it and the CLIP folder; the StableDiffusionPipeline folder `out`."""
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
    """Draw, write dialogues, train from the CLIP folder's vision tower; the transformers folder `out`."""
    drawn = draw(recipe.num_pictures, workers)
    tokenizer = chat_tokenizer(texts.chat_texts(drawn.truths[:CHAT_PICTURES], STREAM_SEED))
    said = texts.dialogues(drawn.truths, tokenizer, recipe.max_tokens, STREAM_SEED, workers)
    train_captioner(planes(drawn.images), said, tokenizer, recipe, clip, out, work, device)


def draw(num_pictures: int, workers: int) -> PictureSet:
    """Pictures of the foundation stream."""
    return pictures(STREAM_SEED, 0, num_pictures, workers, stream="foundation")


def planes(images: np.ndarray) -> np.ndarray:
    """NHWC uint8 -> N3HW uint8."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
