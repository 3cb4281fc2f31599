"""Find the shapes of the foundation models without loading weights: configurations on disk, or assumed ones.

Bundled models carry their configurations in their files, models to train have them in their recipes, and downloaded hub
models in their folders. A hub model that is not downloaded is assumed to have the shapes of the models in
presets/paper.yaml, and a note says so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.foundation import bundle
from pipeline.foundation.clip import CONFIG

if TYPE_CHECKING:
    from pipeline.foundation.recipes import CaptionerRecipe, ClipRecipe, DiffusionRecipe
    from pipeline.params import Foundation, Params

Config = Mapping[str, Any]
FP32, BF16 = 4, 2  # bytes per number

# Of stable-diffusion-v1-5/stable-diffusion-v1-5, from its folders unet and vae; the rest are diffusers' defaults.
UNET: Config = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
}  # fmt: skip
VAE: Config = {
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4, "sample_size": 512,
}  # fmt: skip
CLIP = "ViT-L-14"  # open_clip's own name
QWEN_PARAMETERS = 8_292_166_656  # of Qwen/Qwen2.5-VL-7B-Instruct, vision tower included
TOKEN_PX = 28  # edge of the square that a Qwen-VL reads as one token
CLIP_HUB, DIFFUSION_HUB = "timm/vit_large_patch14_clip_224.openai", "stable-diffusion-v1-5/stable-diffusion-v1-5"
CAPTIONER_HUB = "Qwen/Qwen2.5-VL-7B-Instruct"
FEWEST_MINIATURE_WORDS = 926  # vocabulary size of the bundled CLIP; a trained CLIP's is close to it


@dataclass(frozen=True)
class Captioner:
    """The size of a captioner.

    `parameters` counts the whole model; `picture_tokens` is the number of tokens of an image, None if it grows with the
    image.
    """

    parameters: int
    picture_tokens: int | None
    weight_bytes: int

    def tokens_of(self, width_px: float, height_px: float) -> int:
        """Return the number of tokens of an image of this size."""
        return self.picture_tokens or round(width_px / TOKEN_PX) * round(height_px / TOKEN_PX)


@dataclass(frozen=True)
class Shapes:
    """Configurations of CLIP (open_clip's model_cfg), U-Net and VAE (diffusers'), and the size of the captioner.

    `notes` state which of them are assumed.
    """

    clip: Config
    unet: Config
    vae: Config
    captioner: Captioner
    notes: tuple[str, ...] = ()

    @property
    def factor(self) -> int:
        """Return the edge of a latent in pixels, i.e. the VAE's downsampling factor."""
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    @property
    def image_px(self) -> int:
        """Return the edge in px of the images that the diffusion model generates."""
        return int(self.unet["sample_size"]) * self.factor

    @property
    def latent_numbers(self) -> int:
        """Return how many numbers one latent has."""
        return int(self.vae["latent_channels"] * self.unet["sample_size"] ** 2)

    @property
    def clip_px(self) -> int:
        return int(self.clip["vision_cfg"]["image_size"])

    @property
    def joint_width(self) -> int:
        """Return the width of CLIP's joint space."""
        return int(self.clip["embed_dim"])

    @property
    def context_length(self) -> int:
        """Return the number of tokens of a text, padding included."""
        return int(self.clip["text_cfg"].get("context_length", 77))


def shapes_of(params: "Params", bundled: Path, made: Mapping[str, Path]) -> Shapes:
    """Return the shapes of the foundation models that `params` select.

    `bundled` is models/miniature; `made` holds, by section, the folders of foundation models made with these params.
    """
    clip, clip_note = clip_config(params.foundation_clip, bundled, made.get("foundation_clip"))
    unet, vae, note = diffusion_configs(params.foundation_diffusion, clip, bundled, made.get("foundation_diffusion"))
    captioner, third = captioner_of(params.foundation_captioner, clip, bundled, made.get("foundation_captioner"))
    return Shapes(clip, unet, vae, captioner, tuple(each for each in (clip_note, note, third) if each))


def clip_config(section: "Foundation", bundled: Path, folder: Path | None) -> tuple[Config, str]:
    """Return open_clip's model_cfg, and a note that is empty unless it is assumed."""
    if folder:
        return _json(folder / CONFIG)["model_cfg"], ""
    if section.source == "bundled":
        return _packed(bundled / "clip" / bundle.CLIP, CONFIG)["model_cfg"], ""
    if section.source == "train":
        return _trained_clip(section.recipe), ""  # type: ignore[attr-defined]
    import open_clip

    known: Config = open_clip.get_model_config(CLIP)
    return known, _assumed(section, CLIP_HUB, "CLIP ViT-L/14")


def diffusion_configs(
    section: "Foundation", clip: Config, bundled: Path, folder: Path | None
) -> tuple[Config, Config, str]:
    """Return the configurations of U-Net and VAE, and a note that is empty unless they are assumed.

    A U-Net to be trained takes the width of the text tower of `clip`.
    """
    if folder:
        return _json(folder / "unet/config.json"), _json(folder / "vae/config.json"), ""
    if section.source == "bundled":
        unet, vae = (_packed(bundled / "diffusion" / name, "config.json") for name in (bundle.UNET, bundle.VAE))
        return unet, vae, ""
    if section.source == "train":
        return *_trained_diffusion(section.recipe, clip), ""  # type: ignore[attr-defined]
    return UNET, VAE, _assumed(section, DIFFUSION_HUB, "Stable Diffusion 1.5")


def captioner_of(section: "Foundation", clip: Config, bundled: Path, folder: Path | None) -> tuple[Captioner, str]:
    """Return the captioner, and a note if its size is assumed; a size in a hub id, such as `7B`, is trusted."""
    if folder:
        return _counted(sorted(folder.glob("*.safetensors")), _json(folder / "config.json")), ""
    if section.source == "bundled":
        file = bundled / "captioner" / bundle.CAPTIONER
        return _counted([file], _packed(file, "config.json")), ""
    if section.source == "train":
        return _trained_captioner(section.recipe, clip), ""  # type: ignore[attr-defined]
    named = re.search(r"(\d+(?:\.\d+)?)B\b", section.hub_id or "")
    if section.hub_id == CAPTIONER_HUB or not named:
        known = Captioner(QWEN_PARAMETERS, None, BF16 * QWEN_PARAMETERS)
        return known, _assumed(section, CAPTIONER_HUB, "Qwen2.5-VL-7B")
    parameters = round(float(named[1]) * 1e9)
    told = f"{section.hub_id} is not on the disk: {named[1]} billion parameters by its name, in bf16"
    return Captioner(parameters, None, BF16 * parameters), told


def _assumed(section: "Foundation", known: str, name: str) -> str:
    is_other = "" if section.hub_id == known else ", which may be another"
    return f"{section.hub_id} is not on the disk: assumed architecture {name}{is_other}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _packed(file: Path, name: str) -> Any:
    """Return a configuration from the metadata of a bundled model, without reading its weights."""
    from safetensors import safe_open

    with safe_open(file, "np") as packed:
        return json.loads(json.loads(packed.metadata()["files"])[name])


def _counted(files: list[Path], config: Config) -> Captioner:
    """Return the captioner's size from the headers of weights files; a LLaVA has equally many tokens for any image."""
    from safetensors import safe_open

    parameters = 0
    for file in files:
        with safe_open(file, "np") as weights:
            for name in weights.keys():  # noqa: SIM118
                size = 1
                for length in weights.get_slice(name).get_shape():
                    size *= length
                parameters += size
    return Captioner(parameters, config.get("image_seq_length"), sum(file.stat().st_size for file in files))


def _trained_clip(recipe: "ClipRecipe") -> Config:
    from pipeline.foundation.training.clip import model_config

    return model_config(recipe, FEWEST_MINIATURE_WORDS)


def _trained_diffusion(recipe: "DiffusionRecipe", clip: Config) -> tuple[Config, Config]:
    import torch

    from pipeline.foundation.recipes import IMAGE_PX
    from pipeline.foundation.training.unet import build_unet
    from pipeline.foundation.training.vae import build_vae

    side = IMAGE_PX // 2 ** (len(recipe.vae.channels) - 1)
    latent = torch.Size((recipe.vae.latent_channels, side, side))
    with torch.device("meta"):
        unet, vae = build_unet(recipe.unet, latent, clip["text_cfg"]["width"]), build_vae(recipe.vae)
    return dict(unet.config), dict(vae.config)


def _trained_captioner(recipe: "CaptionerRecipe", clip: Config) -> Captioner:
    """Return the size of a captioner that is to be trained.

    A Llama layer has 13 squares of its width (attention 4, three matrices of three times the width 9), a ViT layer 12.
    """
    vision = clip["vision_cfg"]
    parameters = 13 * recipe.layers * recipe.width**2 + 12 * vision["layers"] * vision["width"] ** 2
    return Captioner(parameters, (vision["image_size"] // vision["patch_size"]) ** 2, FP32 * parameters)
