"""Foundation models that are not bundled: trained by their recipe on pictures drawn for it, or downloaded from a hub.

Trainings draw the foundation stream, which no corpus shares, and resume from `work`. The hub is asked at a pinned
revision only.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.foundation import texts
from pipeline.foundation.captioner import train_captioner
from pipeline.foundation.clip import train_clip
from pipeline.foundation.diffusion import train_unet
from pipeline.foundation.recipes import CaptionerRecipe, ClipRecipe, DiffusionRecipe
from pipeline.foundation.tokenizer import chat_tokenizer, load_text_tokenizer, text_tokenizer
from pipeline.foundation.vae import train_vae
from pipeline.miniature.captions import vocabulary_texts
from pipeline.miniature.stream import PictureSet, pictures

if TYPE_CHECKING:
    import torch

HUB_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
HUB_DUPLICATES = ["*.fp16.*", "*.non_ema.*", "*pruned*", "safety_checker/*", "onnx/*"]
STREAM_SEED = 0  # of the drawn pictures; a recipe's own seed is that of weights and batches
CHAT_PICTURES = 5_000  # whose answers the captioner's tokenizer learns its words from


def clip_by_recipe(recipe: ClipRecipe, out: Path, work: Path, device: "torch.device", workers: int) -> None:
    """Draw, tokenise, train; the open_clip folder `out`."""
    drawn = draw(recipe.num_pictures, workers)
    tokenizer = text_tokenizer(vocabulary_texts(), recipe.context_length)
    ids = texts.text_ids(drawn.truths, tokenizer, recipe.texts_per_picture, STREAM_SEED, workers)
    train_clip(planes(drawn), ids, tokenizer, recipe, out, work, device)


def diffusion_by_recipe(
    recipe: DiffusionRecipe, clip: Path, out: Path, work: Path, device: "torch.device", workers: int
) -> None:
    """Draw, train the VAE, then the U-Net over it and the CLIP folder; the StableDiffusionPipeline folder `out`."""
    drawn = draw(max(recipe.vae.num_pictures, recipe.unet.num_pictures), workers)
    images, vae = planes(drawn), work / "vae_folder"
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
    train_captioner(planes(drawn), said, tokenizer, recipe, clip, out, work, device)


def download(hub_id: str, revision: str, out: Path, wanted: str) -> None:
    """A hub repository at a revision of 40 hex digits. ValueError if it lacks the file `wanted`: it has another
    format.
    """
    from huggingface_hub import snapshot_download

    snapshot_download(
        hub_id, revision=revision, local_dir=str(out), allow_patterns=HUB_FILES, ignore_patterns=HUB_DUPLICATES
    )
    shutil.rmtree(out / ".cache", ignore_errors=True)  # the hub's own notes, which hold times
    if not (out / wanted).is_file():
        raise ValueError(f"hub_id = {hub_id!r}: has no {wanted}; choose a repository in that format")


def draw(num_pictures: int, workers: int) -> PictureSet:
    """Pictures of the foundation stream."""
    return pictures(STREAM_SEED, 0, num_pictures, workers, stream="foundation")


def planes(drawn: PictureSet) -> np.ndarray:
    """Images N3HW uint8."""
    return np.ascontiguousarray(drawn.images.transpose(0, 3, 1, 2))
