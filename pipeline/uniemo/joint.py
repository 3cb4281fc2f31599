"""UniEmo's second stage as one module: understanding and generation trained together (III-C, Eq. 6-8, 10).

    L_joint = .3 L_U + .3 L_cond + .4 L_theta

The chain (its ViT with its own learning rate), the fusion and the condition's head are trained; the U-Net and the text
encoder are frozen. The diffusion loss flows back through the condition into the queries. This is the implicit feedback
(Fig. 8), which `implicit_feedback: false` turns off.

As written, Eq. 10 drowns L_theta: at c, .3 L_cond has 48 to 214 times the gradient of .4 L_theta (docs/LOG.md). With
`balance: gradient` the weight of L_cond is that of L_theta times the ratio of their gradient norms at c, as VQGAN
weights its adversarial loss, times `condition_weight`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.encoder import Condition
from pipeline.foundation.base import Base
from pipeline.training.curves import OBSERVED
from pipeline.training.denoising import diffusion_errors
from pipeline.uniemo.chain import EmotionHead, Understood
from pipeline.uniemo.fusion import CLASS, PATCH, Fusion, condition_loss, cross_entropy_loss
from pipeline.uniemo.learner import Learner

if TYPE_CHECKING:
    from pipeline.params import UniemoJoint


PARTS: Mapping[str, tuple[str, ...]] = {
    "all": (*ATTRIBUTE_KINDS, CLASS), "class": (CLASS,), "class_scene": ("scene", CLASS),
    "class_object": ("object", CLASS), "class_patch": (CLASS, PATCH),
    "class_scene_object_patch": (*ATTRIBUTE_KINDS, CLASS, PATCH),
}  # fmt: skip
GREATEST_RATIO = 1e4  # of gradient norms, as VQGAN caps its adaptive weight
SMALLEST_GRADIENT = 1e-8  # below which L_cond's gradient at c counts as none


class UniEmo(nn.Module):
    """The learner of the first stage, the fusion and the condition's head, on a frozen base."""

    def __init__(self, learner: Learner, fusion: Fusion, base: Base, settings: "UniemoJoint") -> None:
        super().__init__()
        self.learner, self.fusion, self.encoder = learner, fusion, base.encoder
        encoder = self.encoder
        seen_width = encoder.joint_width if settings.condition_input == "text" else encoder.width
        self.condition = EmotionHead(seen_width, encoder.width, 0.0)
        self.unet = base.denoiser.requires_grad_(False)
        self.base, self.settings, self.prompt = base, settings, encoder.tokenize([settings.prompt])

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch by name, and what is observed beside them: norms of gradients and such.

        `batch` holds what Learner and the diffusion loss take: latents and noise BCHW; steps B; dropped B bool; one_hot
        B8; squares, crops, kept, emotions, {kind}_positives and {kind}_candidates as in Learner.
        """
        settings, emotions = self.settings, batch["one_hot"]
        understood, losses = self.learner.understand(batch)
        embeddings = self.fuse(understood, emotions)
        diffused = embeddings if settings.implicit_feedback else self.fuse(understood, emotions, is_cut=True)
        seen = self._condition_input(embeddings)
        cond, active = self._condition_loss(self.condition(seen), emotions, understood)
        diffusion, at_diffused = cut_at(self._diffusion(diffused, batch), diffused)
        (at_condition,) = gradients(cond, [embeddings])
        weighted = {
            "understanding": settings.understanding_weight * losses.pop("total"),
            "cond": self._condition_weight(at_condition, at_diffused) * cond,
            "ldm": settings.diffusion_weight * diffusion,
        }
        observed = {
            "cond_active": active,
            "condition_cosine": cosine_between_emotions(embeddings.detach(), batch["emotions"]),
            "gradient_cond_at_c": at_condition.norm(),
            "gradient_ldm_at_c": at_diffused.norm(),
            **gradients_at_queries(weighted, understood),
        }
        named = {f"{OBSERVED}{name}": value.detach() for name, value in observed.items()}
        return {"total": sum(weighted.values(), torch.zeros(())), **losses, "cond": cond, "ldm": diffusion, **named}

    def _condition_input(self, embeddings: Tensor) -> Tensor:
        """Return what the condition's head sees, of unit size: c BW, or the text encoder's output for it, BD."""
        if self.settings.condition_input == "text":
            return self._encoded(embeddings).joint * self.encoder.joint_width**0.5
        return self.encoder.tokens.unscaled(embeddings)

    def _condition_loss(self, logits: Tensor, emotions: Tensor, understood: Understood) -> tuple[Tensor, Tensor]:
        """Return L_cond (Eq. 7), or L_ce in its place (Table V), and the fraction of samples with a loss above 0."""
        if self.settings.condition_loss == "cross_entropy":
            return cross_entropy_loss(logits, emotions)
        return condition_loss(logits, emotions, understood.logits, self.settings.margin)

    def _condition_weight(self, at_condition: Tensor, at_diffused: Tensor) -> float | Tensor:
        """Return the weight of L_cond, from the gradients BW of L_cond and L_theta at c."""
        settings = self.settings
        if settings.balance == "fixed":
            return settings.condition_weight
        squares = torch.stack([at_diffused.square().sum(), at_condition.square().sum()]).float()
        if torch.distributed.is_initialized():  # the norms are those of the whole batch
            torch.distributed.all_reduce(squares)
        ratio = squares[0].sqrt() / squares[1].sqrt().clamp(min=SMALLEST_GRADIENT)
        return settings.condition_weight * settings.diffusion_weight * ratio.clamp(max=GREATEST_RATIO)

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

    def _encoded(self, embeddings: Tensor) -> Condition:
        """Return the text encoder's output for the prompt with c BW in its gap."""
        rows = torch.zeros(len(embeddings), dtype=torch.long, device=embeddings.device)
        condition: Condition = self.encoder(self.prompt.to(embeddings.device).take(rows), embeddings)
        return condition

    def _diffusion(self, embeddings: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return L_theta (Eq. 8) under the condition; dropped samples are trained without one."""
        condition = self._encoded(embeddings)
        return diffusion_errors(self.base, batch, condition, self.encoder.empty(), self.settings.snr_cap).mean()


def gradients(loss: Tensor, at: Sequence[Tensor], keeps_graph: bool = True) -> list[Tensor]:
    """Return the gradients of a scalar at tensors, of their shapes; 0 where the loss does not depend on one."""
    if not at or not loss.requires_grad or not all(tensor.requires_grad for tensor in at):
        return [torch.zeros_like(tensor) for tensor in at]
    slopes = torch.autograd.grad(loss, at, retain_graph=keeps_graph, allow_unused=True)
    return [torch.zeros_like(tensor) if slope is None else slope for tensor, slope in zip(at, slopes, strict=True)]


def cut_at(loss: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss of equal value and gradients whose graph ends at a tensor, and the gradient there.

    All trained parameters that the loss depends on must lie before the tensor. The graph behind it, that of the frozen
    U-Net, is freed.
    """
    (slope,) = gradients(loss, [at], keeps_graph=False)
    linear = (slope * at).sum()
    return loss.detach() + linear - linear.detach(), slope


def gradients_at_queries(losses: Mapping[str, Tensor], understood: Understood) -> dict[str, Tensor]:
    """Return the norms of the gradients of weighted losses at Qhat, over all kinds, as gradient_NAME_at_queries."""
    queries = [seen.queries for seen in understood.seen.values() if seen.queries.requires_grad]
    norms = {}
    for name, loss in losses.items():
        sizes = [part.norm() for part in gradients(loss, queries)]
        norms[f"gradient_{name}_at_queries"] = torch.stack(sizes or [loss.new_zeros(())]).norm()
    return norms


def cosine_between_emotions(conditions_BW: Tensor, emotions_B: Tensor) -> Tensor:
    """Return the mean cosine between conditions of different emotions; 0 if the batch has one emotion only."""
    unit = F.normalize(conditions_BW.float(), dim=1)
    differs = emotions_B[:, None] != emotions_B[None, :]
    return ((unit @ unit.T) * differs).sum() / differs.sum().clamp(min=1)


def pooled(understood: Understood) -> dict[str, Tensor]:
    """Return the parts of Eq. 6, BW each: the mean of each kind's queries, the class token, the mean patch token."""
    parts = {kind: seen.queries.mean(1) for kind, seen in understood.seen.items()}
    return {**parts, CLASS: understood.class_token, PATCH: understood.patches}


def parts_of(settings: "UniemoJoint", kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the enabled parts of Eq. 6 (Table V). Raises ValueError if the chain lacks the queries for one."""
    wanted = PARTS[settings.parts]
    missing = [part for part in wanted if part in ATTRIBUTE_KINDS and part not in kinds]
    if missing:
        raise ValueError(
            f"uniemo_joint.parts = {settings.parts!r} needs {', '.join(missing)} queries, but the understanding "
            "model was trained without them; change uniemo_understanding.queries or uniemo_joint.parts"
        )
    return wanted
