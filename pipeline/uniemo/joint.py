"""UniEmo's second stage as one module: understanding and generation trained together (III-C, Eq. 6-8, 10).

    L_joint = .3 L_U + .3 L_cond + .4 L_theta

The chain (its ViT with its own learning rate), the fusion and the condition's head are trained; the U-Net and the text
encoder are frozen. The diffusion loss flows back through the condition into the queries. This is the implicit feedback
(Fig. 8), which `implicit_feedback: false` turns off.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.conditioning.prompts import Prompts
from pipeline.training.denoising import diffusion_errors
from pipeline.uniemo.chain import EmotionHead, Understood
from pipeline.uniemo.fusion import CLASS, Fusion, condition_loss
from pipeline.uniemo.learner import Learner

if TYPE_CHECKING:
    from diffusers import DDPMScheduler

    from pipeline.params import UniemoJoint


class UniEmo(nn.Module):
    """The learner of the first stage, the fusion and the condition's head, on a frozen Stable Diffusion."""

    def __init__(
        self, learner: Learner, fusion: Fusion, unet: Any, encoder: ConditionEncoder, schedule: "DDPMScheduler",
        settings: "UniemoJoint", prompts: Mapping[str, Prompts],
    ) -> None:  # fmt: skip
        """Store the parts. `prompts` has the entries `trained`, with a gap, and `empty`, one row each."""
        super().__init__()
        self.learner, self.fusion, self.encoder = learner, fusion, encoder
        self.condition = EmotionHead(encoder.width, encoder.width, 0.0)
        self.unet = unet.requires_grad_(False)
        self.schedule, self.settings, self.prompts = schedule, settings, prompts

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch by name, with the active fraction of L_cond.

        `batch` holds what Learner and the diffusion loss take: latents and noise BCHW; steps B; dropped B bool; one_hot
        B8; squares, crops, kept, emotions, {kind}_positives and {kind}_candidates as in Learner.
        """
        settings, emotions = self.settings, batch["one_hot"]
        understood, losses = self.learner.understand(batch)
        embeddings = self.fuse(understood, emotions)
        cond, active = condition_loss(
            self.condition(embeddings / self.fusion.token_size), emotions, understood.logits, settings.margin
        )
        diffused = embeddings if settings.implicit_feedback else self.fuse(understood, emotions, is_cut=True)
        diffusion = self._diffusion(diffused, batch)
        total = (
            settings.understanding_weight * losses["total"]
            + settings.condition_weight * cond
            + settings.diffusion_weight * diffusion
        )
        named = {name: loss for name, loss in losses.items() if name != "total"}
        return {"total": total, **named, "cond": cond, "cond_active": active, "ldm": diffusion}

    def fuse(self, understood: Understood, emotions: Tensor, is_cut: bool = False) -> Tensor:
        """Return c BW of what was understood, for emotions B8. With `is_cut`, no gradient reaches the chain."""
        parts = pooled(understood)
        if is_cut:
            parts = {name: part.detach() for name, part in parts.items()}
        nearest = {kind: self.nearest(kind, seen.joint) for kind, seen in understood.seen.items()}
        return self.fusion(parts, nearest, emotions)

    def nearest(self, kind: str, joint: Tensor) -> Tensor:
        """Return the index in its base of the attribute nearest to each query: joint BD of unit length -> B int64.

        It is 0 for an empty base, whose coefficient is 1 whatever the index.
        """
        if not len(base := getattr(self.learner, f"{kind}_base")):
            return torch.zeros(len(joint), dtype=torch.int64, device=joint.device)
        with torch.autocast(joint.device.type, enabled=False):  # same precision in training and in sampling
            return (joint.detach().float() @ base.float().T).argmax(1)

    def nearest_of_pooled(self, kind: str, part: Tensor) -> Tensor:
        """Return the index of the nearest attribute for pooled queries, drawn or computed: BW -> B int64."""
        joint = F.normalize(self.learner.queries[kind].projection(part).float(), dim=-1)
        return self.nearest(kind, joint)

    def _diffusion(self, embeddings: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return L_theta (Eq. 8) under the condition; dropped samples are trained without one."""
        device = embeddings.device
        rows = torch.zeros(len(embeddings), dtype=torch.long, device=device)
        states = self.encoder(self.prompts["trained"].to(device).take(rows), embeddings).states
        with torch.no_grad():
            empty = self.encoder(self.prompts["empty"].to(device)).states
        return diffusion_errors(self.unet, self.schedule, batch, states, empty, self.settings.snr_cap).mean()


def pooled(understood: Understood) -> dict[str, Tensor]:
    """Return the parts of Eq. 6, BW each: the mean of each kind's queries, and the class token."""
    parts = {kind: seen.queries.mean(1) for kind, seen in understood.seen.items()}
    return {**parts, CLASS: understood.class_token}


def parts_of(settings: "UniemoJoint", kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the enabled parts of Eq. 6 (Table V). Raises ValueError if the chain lacks the queries for one."""
    wanted = {"all": (*ATTRIBUTE_KINDS, CLASS), "class": (CLASS,), "class_scene": ("scene", CLASS),
              "class_object": ("object", CLASS)}[settings.parts]  # fmt: skip
    missing = [part for part in wanted if part != CLASS and part not in kinds]
    if missing:
        raise ValueError(
            f"uniemo_joint.parts = {settings.parts!r} needs {', '.join(missing)} queries, and the understanding was "
            "trained without; change uniemo_understanding.queries or uniemo_joint.parts"
        )
    return wanted
