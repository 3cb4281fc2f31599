"""Widen the miniature Stable Diffusion into the format of Stable Diffusion XL, in closed form: nothing is trained.

- The second text encoder is CLIP's text tower, wider by one head of zeros and deeper by one layer that adds nothing. So
  the states before its last layer are those before CLIP's last norm, and its projected text is CLIP's.
- XL attends to states before the last layer. A linear map from these to the states that the U-Net was trained with is
  fitted by least squares over texts of the drawn world, for each encoder alone, and their mixture goes into the keys
  and values. Fitted together they have large weights that cancel where both encoders read the same words, and add up
  where a learned word differs between the two.
- What pooled text and image size add to the time embedding starts as a small random map, whose mean over texts is 0.

The result is a plain StableDiffusionXLPipeline folder. It makes no text into the encoding of the empty text, as the
miniature was trained, where the published model takes zeros.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.conditioning.encoder import TextTower
from pipeline.conditioning.prompts import Tokens
from pipeline.foundation.clip import WEIGHTS
from pipeline.foundation.conversion import load_text_tokenizer
from pipeline.foundation.diffusion import load_pipeline
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

TIME_WIDTH = 32  # of the sinusoids of each of the six numbers of the size
NUM_SIZES = 6
ADDED_SIZE = 0.02  # of the entries of the last added layer
RIDGE = 1e-4  # of the mean square of the states
FIRST = 0.25  # share of the first encoder, whose states lack a layer: its map leaves .15 of the variance, the other .01
NUM_IMAGES, TEXTS_PER_IMAGE, NUM_EMPTY = 300, 4, 50  # texts that the maps are fitted on


def widen(folder: Path, clip: Path, ids: Tensor, out: Path) -> None:
    """Write the StableDiffusionXLPipeline folder `out` from the folder of a miniature Stable Diffusion and its CLIP.

    `ids` NT int64 are the token ids of the texts that the maps are fitted on.
    """
    from diffusers import StableDiffusionXLPipeline

    old = load_pipeline(folder)
    state, _ = load_safetensors(clip / WEIGHTS)
    second = second_encoder(old.text_encoder, state["text_projection"].float())
    first, other = TextTower(old.text_encoder, old.tokenizer), TextTower(second, old.tokenizer)
    with torch.no_grad():
        is_end = ids == old.tokenizer.eos_token_id
        tokens = Tokens(ids, torch.zeros_like(is_end), is_end.int().argmax(1))
        read, pair = first(tokens), other(tokens)
        maps = [fitted(states.flatten(0, 1), read.last.flatten(0, 1)) for states in (read.before, pair.before)]
        mapping = torch.cat([FIRST * maps[0], (1 - FIRST) * maps[1]])
        unet = widened_unet(old.unet, mapping, second.text_projection(pair.end))
    StableDiffusionXLPipeline(
        vae=old.vae, text_encoder=old.text_encoder, text_encoder_2=second, tokenizer=old.tokenizer,
        tokenizer_2=old.tokenizer, unet=unet, scheduler=old.scheduler, force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    ).save_pretrained(str(out), safe_serialization=True)  # fmt: skip


def world_texts(clip: Path, workers: int, num_images: int = NUM_IMAGES) -> Tensor:
    """Return the token ids NT int64 of texts of the drawn world, and of no text."""
    from pipeline.foundation.training import sources, texts

    tokenizer = load_text_tokenizer(clip)
    truths = sources.draw(num_images, workers).truths
    drawn = texts.text_ids(truths, tokenizer, TEXTS_PER_IMAGE, sources.STREAM_SEED, 1)
    empty = texts.padded_ids(tokenizer, [""] * NUM_EMPTY)
    return torch.from_numpy(np.concatenate([drawn.reshape(-1, drawn.shape[-1]), empty])).long()


def second_encoder(text_encoder: "CLIPTextModel", projection: Tensor) -> "CLIPTextModelWithProjection":
    """Return CLIP's text tower, whose projection is WD, with one head and one layer more, which change nothing."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    old = text_encoder.config
    sizes = second_sizes(old.hidden_size, old.num_attention_heads, old.num_hidden_layers)
    kept = {key: getattr(old, key) for key in ("vocab_size", "max_position_embeddings", "hidden_act", "bos_token_id",
            "eos_token_id", "pad_token_id", "intermediate_size")}  # fmt: skip
    ratio = old.hidden_size / sizes["hidden_size"]  # of the variance over all entries to that over those of before
    config = CLIPTextConfig(
        projection_dim=projection.shape[1], layer_norm_eps=old.layer_norm_eps * ratio, **sizes, **kept,
    )  # fmt: skip
    wider = CLIPTextModelWithProjection(config)
    shapes = {name: tensor.shape for name, tensor in wider.state_dict().items()}
    before = {f"text_model.{name}": tensor for name, tensor in text_encoder.state_dict().items()}
    before |= {"text_projection.weight": projection.T}
    centred = {name: without_mean(name, tensor) for name, tensor in before.items()}
    state = {name: padded(centred.get(name), shape) for name, shape in shapes.items()}
    for name in state:
        if "norm" in name and name.endswith(".weight"):
            state[name] = state[name] * ratio**0.5
    wider.load_state_dict(state)
    return wider.eval()


def second_sizes(width: int, heads: int, layers: int) -> dict[str, int]:
    """Return the sizes of the second encoder, by transformers' names, from those of the first."""
    return {
        "hidden_size": width + width // heads, "num_attention_heads": heads + 1, "num_hidden_layers": layers + 1
    }  # fmt: skip


def without_mean(name: str, tensor: Tensor) -> Tensor:
    """Return what writes to a transformer's states without its mean over their entries, which every norm removes."""
    if "_embedding." in name or name.endswith(("out_proj.bias", "fc2.bias")):
        return tensor - tensor.mean(-1, keepdim=True)
    if name.endswith(("out_proj.weight", "fc2.weight")):
        return tensor - tensor.mean(0, keepdim=True)
    return tensor


def padded(tensor: Tensor | None, shape: torch.Size) -> Tensor:
    """Return a tensor with zeros at the end of each dimension, up to a shape."""
    whole = torch.zeros(shape)
    if tensor is not None:
        whole[tuple(slice(0, size) for size in tensor.shape)] = tensor
    return whole


def fitted(states: Tensor, wanted: Tensor) -> Tensor:
    """Return the matrix WV of the least-squares map from states NW to wanted states NV."""
    states, wanted = states.double(), wanted.double()
    ridge = RIDGE * states.square().mean() * len(states) * torch.eye(states.shape[1], dtype=torch.double)
    return torch.linalg.solve(states.T @ states + ridge, states.T @ wanted).float()


def widened_unet(unet: "UNet2DConditionModel", mapping: Tensor, pooled: Tensor) -> "UNet2DConditionModel":
    """Return the U-Net on states W that `mapping` WV maps to its own V, with added conditions on pooled texts NP."""
    from diffusers import UNet2DConditionModel

    config = widened_config(unet.config, mapping.shape[0], pooled.shape[1])
    wider: UNet2DConditionModel = UNet2DConditionModel.from_config(config)
    state = {
        name: tensor @ mapping.T if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) else tensor
        for name, tensor in unet.state_dict().items()
    }
    edge = unet.config.sample_size * 8
    wider.load_state_dict({**state, **added_state(wider, pooled, float(edge))})
    return wider.eval()


def widened_config(config: Mapping[str, Any], width: int, pooled_width: int) -> dict[str, Any]:
    """Return the configuration of a U-Net on states of a width and pooled texts of a width."""
    return {
        **config, "cross_attention_dim": width, "addition_embed_type": "text_time",
        "addition_time_embed_dim": TIME_WIDTH,
        "projection_class_embeddings_input_dim": pooled_width + NUM_SIZES * TIME_WIDTH,
    }  # fmt: skip


def added_state(unet: "UNet2DConditionModel", pooled: Tensor, image_px: float) -> Mapping[str, Tensor]:
    """Return the weights of the added conditions: random, small, and without effect on average over texts NP."""
    branch: nn.Module = unet.add_embedding
    generator = torch.Generator().manual_seed(0)
    for name, weight in branch.named_parameters():
        size = ADDED_SIZE if name == "linear_2.weight" else weight.shape[-1] ** -0.5
        weight.copy_(size * torch.randn(weight.shape, generator=generator))
    sizes = torch.tensor([image_px, image_px, 0, 0, image_px, image_px])
    numbers = unet.add_time_proj(sizes).flatten().expand(len(pooled), -1)
    branch.linear_2.bias.zero_()
    branch.linear_2.bias.copy_(-branch(torch.cat([pooled, numbers], -1)).mean(0))
    return {f"add_embedding.{name}": tensor for name, tensor in branch.state_dict().items()}
