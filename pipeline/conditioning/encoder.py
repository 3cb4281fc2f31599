"""Run the frozen text encoder on embeddings: a condition for the U-Net, and its place in CLIP's joint space.

This works on batches and is differentiable with respect to the embedding, without added tokens or hooks. It pools at
the true end of the text: transformers' CLIPTextModel pools at argmax(id) if eos_token_id is 2, and an added token would
be that maximum.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.conditioning.prompts import Prompts
from pipeline.foundation.clip import WEIGHTS
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTextModel


@dataclass(frozen=True)
class Condition:
    """An encoded prompt: states BTW that the U-Net attends to, and joint BD, unit vectors in CLIP's joint space."""

    states: Tensor
    joint: Tensor


class ConditionEncoder(nn.Module):
    """Frozen encoder: prompts, with an embedding for each gap -> Condition.

    `text_encoder` is transformers' CLIPTextModel. `projection` WD maps its states to CLIP's joint space (open_clip's
    text_projection; the text encoder of Stable Diffusion has none).
    """

    def __init__(self, text_encoder: "CLIPTextModel", projection: Tensor) -> None:
        super().__init__()
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.register_buffer("projection", projection.detach().float())

    @property
    def width(self) -> int:
        """Return W, the width of token embeddings and states."""
        return int(self.text_encoder.config.hidden_size)

    @property
    def joint_width(self) -> int:
        """Return D, the width of CLIP's joint space."""
        return int(self.projection.shape[1])

    @property
    def token_size(self) -> float:
        """Return the root mean square of token embeddings, the size that an inserted embedding should have."""
        return float(self.text_encoder.get_input_embeddings().weight.float().pow(2).mean().sqrt())

    def forward(self, prompts: Prompts, embeddings: Tensor | None = None) -> Condition:
        """Return the condition of prompts. `embeddings` BW fill the gaps; None if no prompt has a gap."""
        inputs = self.text_encoder.get_input_embeddings()(prompts.ids)
        if embeddings is not None:
            inputs = torch.where(prompts.gaps[..., None], embeddings[:, None].to(inputs.dtype), inputs)
        states = self._transform(inputs)
        pooled = states[torch.arange(len(states), device=states.device), prompts.ends]
        return Condition(states, F.normalize(pooled.float() @ self.projection, dim=-1))

    def _transform(self, inputs_BTW: Tensor) -> Tensor:
        """Run CLIPTextModel.forward after its token embedding, under the causal mask that it makes itself."""
        encoder = self.text_encoder
        hidden = encoder.embeddings(inputs_embeds=inputs_BTW)
        hidden = encoder.encoder(inputs_embeds=hidden, attention_mask=None, is_causal=True).last_hidden_state
        return encoder.final_layer_norm(hidden)


def condition_encoder(pipeline: "StableDiffusionPipeline", clip: Path) -> ConditionEncoder:
    """Return the encoder of a Stable Diffusion and of the open_clip folder that has its text tower.

    Raises ValueError if the two do not match.
    """
    state, _ = load_safetensors(clip / WEIGHTS)
    projection, embedding = state["text_projection"], state["token_embedding.weight"]
    ours = pipeline.text_encoder.get_input_embeddings().weight
    if ours.shape != embedding.shape or not torch.allclose(ours.float().cpu(), embedding.float(), atol=1e-3):
        raise ValueError(
            f"{clip} does not match the text encoder of the diffusion model (token embeddings "
            f"{tuple(embedding.shape)} and {tuple(ours.shape)}); use a matching pair, such as ViT-L/14 with Stable "
            "Diffusion 1.5"
        )
    return ConditionEncoder(pipeline.text_encoder, projection)
