"""Stable Diffusion XL as a base: a U-Net under two CLIP text encoders, a pooled text vector and the size of the image.

The U-Net attends to the states before the last layer of both encoders, side by side. Its time embedding gets the pooled
and projected text of the second encoder, and six numbers: original size, crop corner, target size. Here every image is
whole and of the size that the base generates.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.conditioning.encoder import Condition, ConditionEncoder, Read, TextTower
from pipeline.foundation.base import Facts, Format
from pipeline.foundation.diffusion import load_pipeline
from pipeline.foundation.noise import noise_schedule
from pipeline.foundation.stable_diffusion import StableDiffusion, text_projection

if TYPE_CHECKING:
    from diffusers import SchedulerMixin, StableDiffusionXLPipeline

PUBLISHED = (2048, 2816)  # widths of the text states and of pooled text with time ids in stable-diffusion-xl-base-1.0


class ClipPairEncoder(ConditionEncoder):
    """The text encoders of Stable Diffusion XL: CLIP ViT-L/14 and OpenCLIP bigG/14 in the published one.

    `projection` WD maps the first one's last states to CLIP's joint space. If `has_zeros`, no text is a condition of
    zeros, as the published model was trained, and not the encoding of the empty text.
    """

    def __init__(self, towers: Sequence[TextTower], projection: Tensor, has_zeros: bool) -> None:
        super().__init__(towers)
        self.has_zeros = has_zeros
        self.register_buffer("projection", projection.detach().float())

    @property
    def joint_width(self) -> int:
        return int(self.projection.shape[1])

    def joined(self, reads: Sequence[Read]) -> Condition:
        first, second = reads
        joint = F.normalize(first.end.float() @ self.projection, dim=-1)
        pooled: Tensor = self.towers[1].text_encoder.text_projection(second.end)
        return Condition(torch.cat([first.before, second.before], -1), joint, pooled)

    @torch.no_grad()
    def empty(self) -> Condition:
        condition = super().empty()
        if not self.has_zeros or condition.pooled is None:
            return condition
        return Condition(torch.zeros_like(condition.states), condition.joint, torch.zeros_like(condition.pooled))


class StableDiffusionXL(StableDiffusion):
    """Stable Diffusion XL."""

    pipeline_class = "StableDiffusionXLPipeline"
    parts = (*StableDiffusion.parts, "text_encoder_2")

    @classmethod
    def load(cls, folder: Path, clip: Path, device: torch.device | str) -> "StableDiffusionXL":
        pipeline = load_pipeline(folder, device)
        pipeline.watermark = None
        tower = TextTower(pipeline.text_encoder, pipeline.tokenizer)
        return cls.around(pipeline, tower, text_projection(clip, tower))

    @classmethod
    def around(cls, pipeline: "StableDiffusionXLPipeline", tower: TextTower, projection: Tensor) -> "StableDiffusionXL":
        towers = [tower, TextTower(pipeline.text_encoder_2, pipeline.tokenizer_2)]
        encoder = ClipPairEncoder(towers, projection, bool(pipeline.config.force_zeros_for_empty_prompt))
        return cls(pipeline, encoder.to(pipeline.device), noise_schedule(pipeline.scheduler))

    def predict(self, noised: Tensor, steps: Tensor, condition: Condition) -> Tensor:
        size = self.facts.image_px
        time_ids = torch.tensor([size, size, 0, 0, size, size], dtype=noised.dtype, device=noised.device)
        added = {"text_embeds": condition.pooled, "time_ids": time_ids.repeat(len(noised), 1)}
        predicted: Tensor = self.denoiser(noised, steps, condition.states, added_cond_kwargs=added, return_dict=False)[
            0
        ]
        return predicted

    def images(
        self,
        condition: Condition,
        empty: Condition,
        generators: Sequence[torch.Generator],
        scheduler: "SchedulerMixin",
        steps: int,
        guidance: float,
    ) -> NDArray[np.float32]:
        assert condition.pooled is not None
        assert empty.pooled is not None
        self.pipeline.scheduler = scheduler
        images: NDArray[np.float32] = self.pipeline(
            prompt_embeds=condition.states.to(self.pipeline.dtype),
            pooled_prompt_embeds=condition.pooled.to(self.pipeline.dtype),
            negative_prompt_embeds=empty.states.expand(len(condition), -1, -1).to(self.pipeline.dtype),
            negative_pooled_prompt_embeds=empty.pooled.expand(len(condition), -1).to(self.pipeline.dtype),
            generator=list(generators),
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="np",
        ).images
        return images

    @property
    def facts(self) -> Facts:
        facts, config = super().facts, self.denoiser.config
        is_published = (config.cross_attention_dim, config.projection_class_embeddings_input_dim) == PUBLISHED
        return Facts(
            "stable-diffusion-xl-v1-base" if is_published else "stable-diffusion-xl",
            "sdxl_base_v1-0" if is_published else "",
            facts.prediction,
            facts.image_px,
        )

    def lora_key(self, layer: str, kind: Format) -> str:
        if kind == "diffusers":
            return super().lora_key(layer, kind)
        return f"lora_unet_{original_name(layer, self.denoiser.config.layers_per_block).replace('.', '_')}"

    def inversion(self, token: str, embedding: Tensor, kind: Format) -> dict[str, Tensor]:
        first, second = self.encoder.tokens.split(embedding)
        return {"clip_l": first.contiguous(), "clip_g": second.contiguous()}

    def loading(self, file: str, token: str) -> list[str]:
        parts = (("clip_l", ""), ("clip_g", "_2"))
        return [
            "from safetensors.torch import load_file",
            f"word = load_file({json.dumps(file)})",
            *(
                f'pipe.load_textual_inversion(word["{part}"], token={json.dumps(token)}, '
                f"text_encoder=pipe.text_encoder{place}, tokenizer=pipe.tokenizer{place})"
                for part, place in parts
            ),
        ]


def original_name(layer: str, layers_per_block: int) -> str:
    """Return the name of an attention layer in the original numbering of a U-Net's blocks, which kohya uses for XL.

    There, input_blocks counts the first convolution, then for each level its layers and the downsampler; output_blocks
    counts one layer more for each level. The attention is the second module of a block.
    """
    if layer.startswith("mid_block.attentions.0."):
        return layer.replace("mid_block.attentions.0.", "middle_block.1.", 1)
    part, level, _, place, rest = layer.split(".", 4)
    number = int(level) * (layers_per_block + 1) + int(place)
    return f"input_blocks.{number + 1}.1.{rest}" if part == "down_blocks" else f"output_blocks.{number}.1.{rest}"
