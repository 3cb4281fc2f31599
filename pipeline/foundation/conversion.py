"""Convert our open_clip CLIP to transformers: the diffusion model's text encoder, the captioner's vision tower.

Only plain CLIP towers are converted: a vision transformer with a class token, a causal text transformer pooled at the
end token, exact GELU. The outputs equal those of open_clip (tests/foundation/test_conversion.py). A U-Net and an
autoencoder become a plain StableDiffusionPipeline of diffusers with this text encoder.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.foundation.clip import CONFIG, WEIGHTS
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
    from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer


MLP_NAMES = {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
LAYER_NAMES = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", **MLP_NAMES}
NAMES = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
TRANSPOSED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}


def clip_model(folder: Path) -> "CLIPModel":
    """Return the whole CLIP of an open_clip folder as a transformers CLIPModel, in evaluation mode."""
    from transformers import CLIPModel

    state, _ = load_safetensors(folder / WEIGHTS)
    model = CLIPModel(clip_config(folder))
    model.load_state_dict(transformers_state({name: tensor.float() for name, tensor in state.items()}))
    return model.eval()


def text_encoder(folder: Path) -> "CLIPTextModel":
    """Return the text tower of an open_clip folder as a transformers CLIPTextModel, in evaluation mode.

    It maps token ids BT -> states BTD, to which the U-Net attends.
    """
    from transformers import CLIPTextModel

    whole = clip_model(folder)
    tower = CLIPTextModel(whole.config.text_config)
    tower.load_state_dict({name.removeprefix("text_model."): t for name, t in _prefixed(whole, "text_model.").items()})
    return tower.eval()


def load_text_tokenizer(folder: Path) -> "CLIPTokenizer":
    """Load the CLIP tokenizer of any folder that has one."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def clip_config(folder: Path) -> Any:
    """Return the transformers CLIPConfig of an open_clip folder that includes its tokenizer."""
    from transformers import CLIPConfig

    model = json.loads((folder / CONFIG).read_text())["model_cfg"]
    vision, text, tokenizer = model["vision_cfg"], model["text_cfg"], load_text_tokenizer(folder)
    shared = {"hidden_act": "gelu", "projection_dim": model["embed_dim"]}
    return CLIPConfig(
        projection_dim=model["embed_dim"],
        vision_config={
            "hidden_size": vision["width"], "intermediate_size": 4 * vision["width"],
            "num_hidden_layers": vision["layers"], "num_attention_heads": vision["width"] // vision["head_width"],
            "image_size": vision["image_size"], "patch_size": vision["patch_size"], **shared,
        },
        text_config={
            "hidden_size": text["width"], "intermediate_size": 4 * text["width"], "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"], "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["context_length"], "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, **shared,
        },
    )  # fmt: skip


def transformers_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return open_clip's weights under transformers' names.

    Fused query, key and value tensors are split, and projections are transposed.
    """
    converted = {NAMES[name]: tensor for name, tensor in state.items() if name in NAMES}
    converted |= {TRANSPOSED[name]: tensor.T.contiguous() for name, tensor in state.items() if name in TRANSPOSED}
    for name, tensor in state.items():
        if ".resblocks." in name:
            tower = "vision_model" if name.startswith("visual.") else "text_model"
            layer, _, rest = name.split(".resblocks.")[1].partition(".")
            converted |= _layer_entries(f"{tower}.encoder.layers.{layer}", rest, tensor)
    return converted


def _layer_entries(prefix: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return one tensor of a transformer layer under its new name, or the three parts of a fused one."""
    if name.startswith("attn.in_proj_"):
        kind, parts = name.removeprefix("attn.in_proj_"), tensor.chunk(3)
        return {
            f"{prefix}.self_attn.{key}_proj.{kind}": part.contiguous() for key, part in zip("qkv", parts, strict=True)
        }
    module, _, kind = name.rpartition(".")
    return {f"{prefix}.{LAYER_NAMES[module]}.{kind}": tensor}


def _prefixed(model: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(prefix)}


TRAIN_TIMESTEPS = 1000


def save_pipeline(unet: "UNet2DConditionModel", vae: "AutoencoderKL", clip: Path, out: Path) -> None:
    """Write a StableDiffusionPipeline folder, with the text encoder and tokenizer of the CLIP folder `clip`."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder(clip), tokenizer=load_text_tokenizer(clip), unet=unet, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(str(out), safe_serialization=True)


def scheduler() -> "DPMSolverMultistepScheduler":
    """Return a second-order DPM-Solver++ with Stable Diffusion's noise schedule and v-prediction.

    It is meant for about twelve steps. Its SDE form adds noise at each step, which corrects errors of earlier steps
    (docs/LOG.md).
    """
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", timestep_spacing="trailing",
        steps_offset=1, solver_order=2, algorithm_type="sde-dpmsolver++",
    )  # fmt: skip
