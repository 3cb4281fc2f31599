"""Our CLIP, trained from scratch in open_clip's own class and saved as an open_clip `local-dir` folder."""

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
from pipeline.foundation.training.trainer import Batch, Task, draw_rows, fit
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
    """Train on images N3HW uint8 and their texts NKT int16, write the open_clip folder `out`; the last mean loss."""
    config = model_config(recipe, len(tokenizer))
    model = build_clip(config, recipe.seed).to(device)
    pictures, texts = torch.from_numpy(images).to(device), torch.from_numpy(text_ids).to(device)
    sample = partial(sample_pairs, pictures, texts, recipe.batch_size)
    loss = fit(Task(model, sample, partial(contrastive_loss, model)), recipe, work, device)
    save_clip({name: tensor.float().cpu() for name, tensor in model.state_dict().items()}, config, tokenizer, out)
    return loss


def model_config(recipe: ClipRecipe, vocab_size: int) -> dict[str, Any]:
    """open_clip's `model_cfg` of a recipe."""
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
    """A fresh open_clip model of a `model_cfg`, its random weights those of `seed`."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.model.CLIP(**config)


def sample_pairs(pictures: Tensor, texts: Tensor, batch_size: int, generator: torch.Generator) -> Batch:
    """Random pictures B3HW uint8, each with one of its texts BT int64."""
    rows = draw_rows(len(pictures), batch_size, generator)
    choice = draw_rows(texts.shape[1], batch_size, generator)
    return pictures[rows], texts[rows, choice].long()


def contrastive_loss(model: "CLIP", pictures: Tensor, ids: Tensor) -> Tensor:
    """CLIP's symmetric cross-entropy; pairs whose texts are equal are no negatives of each other."""
    image_BD = model.encode_image(normalized(pictures), normalize=True)
    text_BD = model.encode_text(ids, normalize=True)
    return pair_loss(model.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp(), image_BD, text_BD, ids)


def pair_loss(scale: Tensor, image_BD: Tensor, text_BD: Tensor, ids: Tensor) -> Tensor:
    """The same of features, `ids` BT those of the texts."""
    same = (ids[:, None] == ids[None, :]).all(-1) & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    logits = scale * (image_BD @ text_BD.T)
    logits = logits.float().masked_fill(same, -1e4)
    targets = torch.arange(len(ids), device=ids.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def normalized(pictures: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1], which is what our CLIP's and our VAE's transforms make."""
    return pictures.float() / 127.5 - 1


def save_clip(
    state: dict[str, Tensor],
    config: dict[str, Any],
    tokenizer: "CLIPTokenizer",
    out: Path,
    metadata: dict[str, str] | None = None,
) -> None:
    """An open_clip `local-dir` folder: weights, configuration with the transform, tokenizer."""
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
