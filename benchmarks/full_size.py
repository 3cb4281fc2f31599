"""Build Stable Diffusion 1.5, Stable Diffusion XL and CLIP ViT-L/14 in their published shapes with random weights.

No file is read. Only speed and memory can be measured with them; their images are noise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from evoke.plan.inputs import UNET, VAE, XL_SECOND, XL_UNET, XL_VAE
from pipeline.conditioning.encoder import TextTower
from pipeline.foundation.clip import Clip
from pipeline.foundation.stable_diffusion import StableDiffusion
from pipeline.foundation.stable_diffusion_xl import StableDiffusionXL
from pipeline.generation.folder import Foundation

TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "eos_token_id": 49407, "bos_token_id": 49406, "pad_token_id": 49407}  # fmt: skip
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "skip_prk_steps": True,
            "steps_offset": 1}  # fmt: skip


class Words:
    """CLIP's tokenizer as shipped with open_clip, under the names that transformers uses."""

    model_max_length, bos_token_id, eos_token_id, pad_token_id = 77, 49406, 49407, 49407

    def __init__(self) -> None:
        from open_clip.tokenizer import SimpleTokenizer

        self.simple = SimpleTokenizer()

    def __call__(self, text: str, add_special_tokens: bool = False) -> SimpleNamespace:
        return SimpleNamespace(input_ids=self.simple.encode(text))


@dataclass(frozen=True)
class FullSize:
    """A foundation of the papers' size and a CLIP whose text tower equals the pipeline's in shape only."""

    foundation: Foundation
    clip: Clip


def full_size(device: torch.device | str = "cpu", with_clip: bool = True) -> FullSize:
    """Return models with random fp32 weights on the device; `clip` is None unless `with_clip`."""
    import open_clip
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(0)
        unet, vae, text = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE), CLIPTextModel(CLIPTextConfig(**TEXT))
        projection = torch.randn(768, 768) * 768**-0.5
    schedule = PNDMScheduler(**SCHEDULE)
    pipeline: Any = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=None, unet=unet, scheduler=schedule, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.tokenizer = Words()
    pipeline.set_progress_bar_config(disable=True)
    base = StableDiffusion.around(pipeline, TextTower(text, pipeline.tokenizer), projection)
    clip: Any = None
    if with_clip:
        model, _, transform = open_clip.create_model_and_transforms("ViT-L-14", device=device)
        clip = Clip(model.eval(), transform, open_clip.get_tokenizer("ViT-L-14"), torch.device(device))
    return FullSize(Foundation(base, Path(), "random"), clip)


def full_size_xl() -> StableDiffusionXL:
    """Return Stable Diffusion XL on the CPU with random weights, all of them in bf16: 6.9 GB.

    A step of it runs without autocast. What enters the U-Net and the autoencoder is cast, because the noise schedule
    and a scheduler compute in fp32.
    """
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.random.fork_rng(devices=[]), all_bf16():
        torch.manual_seed(0)
        unet, vae = UNet2DConditionModel(**XL_UNET), AutoencoderKL(**XL_VAE)
        text, second = CLIPTextModel(CLIPTextConfig(**TEXT)), CLIPTextModelWithProjection(CLIPTextConfig(**XL_SECOND))
        projection = torch.randn(768, 768) * 768**-0.5
    unet.register_forward_pre_hook(lambda _, inputs: (inputs[0].bfloat16(), *inputs[1:]))
    pipeline: Any = StableDiffusionXLPipeline(
        vae=vae, text_encoder=text, text_encoder_2=second, tokenizer=None, tokenizer_2=None, unet=unet,
        scheduler=PNDMScheduler(**SCHEDULE), add_watermarker=False,
    )  # fmt: skip
    pipeline.tokenizer = pipeline.tokenizer_2 = Words()
    pipeline.set_progress_bar_config(disable=True)
    return StableDiffusionXL.around(pipeline, TextTower(text, pipeline.tokenizer), projection)


@contextmanager
def all_bf16() -> Iterator[None]:
    """Make torch's tensors of floats in bf16 unless another format is asked for."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
