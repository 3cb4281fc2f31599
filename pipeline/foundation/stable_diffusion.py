"""Stable Diffusion 1.x and 2.x as a base: a U-Net under the last states of one CLIP text encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.conditioning.encoder import Condition, ConditionEncoder, Read, TextTower
from pipeline.foundation.base import Base, Facts, Format
from pipeline.foundation.clip import WEIGHTS
from pipeline.foundation.diffusion import config_of, load_pipeline
from pipeline.foundation.noise import noise_schedule, solver
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from diffusers import SchedulerMixin, StableDiffusionPipeline, UNet2DConditionModel

    from pipeline.params import Solver

WIDTH_1 = 768  # width of the text states that the U-Net of Stable Diffusion 1.x attends to; 2.x has 1024
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


class ClipEncoder(ConditionEncoder):
    """The text encoder of Stable Diffusion. The U-Net attends to its last states.

    `projection` WD maps them to CLIP's joint space (open_clip's text_projection; Stable Diffusion has none).
    """

    def __init__(self, tower: TextTower, projection: Tensor) -> None:
        super().__init__([tower])
        self.register_buffer("projection", projection.detach().float())

    @property
    def joint_width(self) -> int:
        return int(self.projection.shape[1])

    def joined(self, reads: Sequence[Read]) -> Condition:
        (read,) = reads
        return Condition(read.last, F.normalize(read.end.float() @ self.projection, dim=-1))


class StableDiffusion(Base):
    """Stable Diffusion 1.x or 2.x."""

    pipeline_class = "StableDiffusionPipeline"
    parts: ClassVar[tuple[str, ...]] = ("unet", "text_encoder")
    adapted = ATTENTION

    @classmethod
    def load(cls, folder: Path, clip: Path, device: torch.device | str) -> "StableDiffusion":
        pipeline = load_pipeline(folder, device)
        tower = TextTower(pipeline.text_encoder, pipeline.tokenizer)
        return cls.around(pipeline, tower, text_projection(clip, tower))

    @classmethod
    def around(cls, pipeline: "StableDiffusionPipeline", tower: TextTower, projection: Tensor) -> "StableDiffusion":
        """Return the base of a loaded pipeline with its text tower, whose projection is WD."""
        encoder = ClipEncoder(tower, projection).to(pipeline.device)
        return cls(pipeline, encoder, noise_schedule(pipeline.scheduler))

    @classmethod
    def image_px(cls, folder: Path) -> int:
        unet, vae = config_of(folder, "unet"), config_of(folder, "vae")
        return int(unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1))

    @property
    def denoiser(self) -> "UNet2DConditionModel":
        return self.pipeline.unet

    def predict(self, noised: Tensor, steps: Tensor, condition: Condition) -> Tensor:
        predicted: Tensor = self.denoiser(noised, steps, condition.states, return_dict=False)[0]
        return predicted

    def solver(self, name: "Solver") -> "SchedulerMixin":
        return solver(self.pipeline.scheduler, name)

    def images(
        self,
        condition: Condition,
        empty: Condition,
        generators: Sequence[torch.Generator],
        scheduler: "SchedulerMixin",
        steps: int,
        guidance: float,
    ) -> NDArray[np.float32]:
        self.pipeline.scheduler = scheduler
        images: NDArray[np.float32] = self.pipeline(
            prompt_embeds=condition.states.to(self.pipeline.dtype),
            negative_prompt_embeds=empty.states.expand(len(condition), -1, -1).to(self.pipeline.dtype),
            generator=list(generators),
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="np",
        ).images
        return images

    @property
    def facts(self) -> Facts:
        config = self.denoiser.config
        is_first = config.cross_attention_dim == WIDTH_1
        return Facts(
            "stable-diffusion-v1" if is_first else "stable-diffusion",
            "sd_v1" if is_first else "",
            "v" if self.pipeline.scheduler.config.prediction_type == "v_prediction" else "epsilon",
            int(config.sample_size * self.pipeline.vae_scale_factor),
        )

    def lora_key(self, layer: str, kind: Format) -> str:
        return f"unet.{layer}" if kind == "diffusers" else f"lora_unet_{layer.replace('.', '_')}"

    def inversion(self, token: str, embedding: Tensor, kind: Format) -> dict[str, Tensor]:
        return {token if kind == "diffusers" else "emb_params": embedding}

    def loading(self, file: str, token: str) -> list[str]:
        return [f'pipe.load_textual_inversion(".", weight_name="{file}", token={json.dumps(token)})']


def text_projection(clip: Path, tower: TextTower) -> Tensor:
    """Return the projection WD of the text tower of an open_clip folder, which is that of the base.

    Raises ValueError if the two do not match.
    """
    state, _ = load_safetensors(clip / WEIGHTS)
    projection, embedding, ours = state["text_projection"], state["token_embedding.weight"], tower.token_embeddings
    if ours.shape != embedding.shape or not torch.allclose(ours.float().cpu(), embedding.float(), atol=1e-3):
        raise ValueError(
            f"{clip} does not match the text encoder of the diffusion model (token embeddings "
            f"{tuple(embedding.shape)} and {tuple(ours.shape)}); use a matching pair, such as ViT-L/14 with Stable "
            "Diffusion 1.5"
        )
    return projection
