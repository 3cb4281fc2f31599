"""A hundredth of a foundation model: sixty pictures of the drawn world, models of a few thousand weights, a
handful of steps.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.foundation import recipes
from pipeline.foundation.training import sources, texts
from pipeline.foundation.training.clip import train_clip
from pipeline.foundation.training.llava import train_captioner
from pipeline.foundation.training.tokenizer import chat_tokenizer, text_tokenizer
from pipeline.foundation.training.unet import train_unet
from pipeline.foundation.training.vae import train_vae
from pipeline.miniature.captions import vocabulary_texts
from pipeline.miniature.stream import PictureSet

CPU = torch.device("cpu")
SHORT = {"num_pictures": 60, "steps": 6, "batch_size": 8, "warmup_steps": 1}
CLIP = recipes.CLIP.model_copy(
    update=SHORT
    | {"vision_width": 32, "vision_layers": 3, "text_width": 32, "text_layers": 2, "heads": 2, "embed_dim": 24}
)
VAE = recipes.VAE.model_copy(update=SHORT | {"channels": (8, 8, 8, 16), "latent_channels": 4})
UNET = recipes.UNET.model_copy(update=SHORT | {"channels": (16, 32), "heads": 2, "norm_groups": 4})
CAPTIONER = recipes.CAPTIONER.model_copy(update=SHORT | {"width": 32, "layers": 1, "heads": 2})


@dataclass(frozen=True)
class World:
    """Pictures, their texts, and the tokenizer of these."""

    drawn: PictureSet
    images: np.ndarray
    text_ids: np.ndarray
    tokenizer: Any


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world() -> World:
    drawn = sources.draw(60, 1)
    tokenizer = text_tokenizer(vocabulary_texts(), 32)
    return World(drawn, sources.planes(drawn.images), texts.text_ids(drawn.truths, tokenizer, 2, 0, 1), tokenizer)


@pytest.fixture(scope="session")
def clip_folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    train_clip(world.images, world.text_ids, world.tokenizer, CLIP, folder / "model", folder / "work", CPU)
    return folder / "model"


@pytest.fixture(scope="session")
def vae_folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vae")
    boxes = texts.foreground_boxes(world.drawn.truths)
    train_vae(world.images, boxes, VAE, folder / "model", folder / "work", CPU)
    return folder / "model"


@pytest.fixture(scope="session")
def diffusion_folder(
    world: World, clip_folder: Path, vae_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("diffusion")
    train_unet(world.images, world.text_ids, UNET, clip_folder, vae_folder, folder / "model", folder / "work", CPU)
    return folder / "model"


@pytest.fixture(scope="session")
def chat(world: World) -> Any:
    """The captioner's tokenizer."""
    return chat_tokenizer(texts.chat_texts(world.drawn.truths, 0))


@pytest.fixture(scope="session")
def captioner_folder(world: World, chat: Any, clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner")
    said = texts.dialogues(world.drawn.truths, chat, CAPTIONER.max_tokens, 0, 1)
    train_captioner(world.images, said, chat, CAPTIONER, clip_folder, folder / "model", folder / "work", CPU)
    return folder / "model"
