"""Train our CLIP from scratch with open_clip's own class and save it as an open_clip `local-dir` folder."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.foundation.clip import CONFIG, WEIGHTS
from pipeline.foundation.recipes import IMAGE_PX, ClipRecipe
from pipeline.foundation.training.objective import Objective, choose, train
from pipeline.training.loop import Batch
from pipeline.training.rows import Shuffled
from pipeline.weights import save_safetensors

if TYPE_CHECKING:
    from open_clip import CLIP
    from transformers import CLIPTokenizer

MEAN = STD = (0.5, 0.5, 0.5)
MAX_LOGIT_SCALE = float(np.log(100.0))


def train_clip(
    images: np.ndarray,
    text_ids: np.ndarray,
    tokenizer: "CLIPTokenizer",
    recipe: ClipRecipe,
    out: Path,
    work: Path,
    device: torch.device,
) -> float:
    """Train a CLIP, write the open_clip folder `out` and return the last mean loss.

    `images` are N3HW uint8, `text_ids` NKT int16: K texts of each image.
    """
    config = model_config(recipe, len(tokenizer))
    model = build_clip(config, recipe.seed).to(device)
    pictures, texts = torch.from_numpy(images).to(device), torch.from_numpy(text_ids).to(device)
    objective, draw = Objective(model, contrastive_loss), partial(draw_pairs, pictures, texts)
    loss = train(objective, Shuffled(len(images)), draw, recipe, work, device)
    save_clip({name: tensor.float().cpu() for name, tensor in model.state_dict().items()}, config, tokenizer, out)
    return loss


def model_config(recipe: ClipRecipe, vocab_size: int) -> dict[str, Any]:
    """Return open_clip's `model_cfg` for a recipe."""
    return {
        "embed_dim": recipe.embed_dim,
        "vision_cfg": {
            "image_size": IMAGE_PX, "patch_size": recipe.patch_px, "width": recipe.vision_width,
            "layers": recipe.vision_layers, "head_width": recipe.vision_width // recipe.heads,
        },
        "text_cfg": {
            "context_length": recipe.context_length, "vocab_size": vocab_size, "width": recipe.text_width,
            "layers": recipe.text_layers, "heads": recipe.heads, "hf_tokenizer_name": ".",
        },
    }  # fmt: skip


def build_clip(config: dict[str, Any], seed: int) -> "CLIP":
    """Return a new open_clip model for a `model_cfg`, with random weights drawn from `seed`."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.model.CLIP(**config)


def draw_pairs(pictures: Tensor, texts: Tensor, rows: Tensor, generator: torch.Generator) -> Batch:
    """Return the images of rows B, each with one of its K texts.

    pictures N3HW uint8, texts NKT -> images B3HW uint8, token ids BT int64
    """
    return {"pictures": pictures[rows], "ids": texts[rows, choose(texts.shape[1], rows, generator)].long()}


def contrastive_loss(model: "CLIP", pictures: Tensor, ids: Tensor) -> Tensor:
    """Return CLIP's symmetric cross-entropy; pairs with equal texts are not negatives of each other.

    pictures B3HW uint8, ids BT -> scalar
    """
    image_BD = model.encode_image(normalized(pictures), normalize=True)
    text_BD = model.encode_text(ids, normalize=True)
    return pair_loss(model.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp(), image_BD, text_BD, ids)


def pair_loss(scale: Tensor, image_BD: Tensor, text_BD: Tensor, ids: Tensor) -> Tensor:
    """Return the loss of `contrastive_loss` from features instead of images and texts.

    scale scalar, image_BD and text_BD of unit length, ids BT of the texts -> scalar
    """
    same = (ids[:, None] == ids[None, :]).all(-1) & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    logits = scale * (image_BD @ text_BD.T)
    logits = logits.float().masked_fill(same, -1e4)
    targets = torch.arange(len(ids), device=ids.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def normalized(pictures: Tensor) -> Tensor:
    """Scale images from uint8 to float32 in [-1, 1], as the transforms of our CLIP and our VAE do."""
    return pictures.float() / 127.5 - 1


def save_clip(
    state: dict[str, Tensor],
    config: dict[str, Any],
    tokenizer: "CLIPTokenizer",
    out: Path,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write an open_clip `local-dir` folder: weights, configuration with the image transform, tokenizer."""
    out.mkdir(parents=True, exist_ok=True)
    preprocess = {
        "size": [IMAGE_PX, IMAGE_PX],
        "mean": MEAN,
        "std": STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (out / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n")
    save_safetensors(out / WEIGHTS, state, metadata)
    tokenizer.save_pretrained(str(out))
