"""The baselines as modules: a batch -> losses, through a base with frozen weights.

- Textual Inversion (Gal et al. 2023): one free token embedding for each emotion.
- DreamBooth in its LoRA form (Ruiz et al. 2023; as diffusers trains it, without prior preservation): an adapter for
  each emotion on the U-Net, with a fixed prompt.
- EmoGen (Yang et al. 2024): points of an emotion space mapped to a token embedding, with the attribute loss, (1 - a)
  L_LDM + rate a L_attr + rate L_emo, where a is the coefficient of one attribute of the image for its emotion
  (REFERENCE D2).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.adapters import add_adapters
from pipeline.conditioning.encoder import Condition
from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation.base import Base
from pipeline.training.denoising import diffusion_errors

if TYPE_CHECKING:
    from pipeline.judges.head import EmotionHead
    from pipeline.params import Dreambooth, Emogen, TextualInversion


class Baseline(nn.Module):
    """The frozen models around the trained parts, and the diffusion loss. A subclass defines the condition."""

    def __init__(self, base: Base, prompts: list[str], snr_cap: float | None) -> None:
        super().__init__()
        self.unet, self.encoder, self.base = base.denoiser.requires_grad_(False), base.encoder, base
        self.snr_cap, self.prompts = snr_cap, base.encoder.tokenize(prompts)

    def condition(self, prompts: Tensor, embeddings: Tensor | None = None) -> Condition:
        """Return the condition of the prompts at the indices B int64, with embeddings BW in their gaps."""
        condition: Condition = self.encoder(self.prompts.to(prompts.device).take(prompts), embeddings)
        return condition

    def errors(self, batch: Mapping[str, Tensor], condition: Condition) -> Tensor:
        """Return the diffusion error of each sample, B, under a condition; `batch` is as in diffusion_errors."""
        return diffusion_errors(self.base, batch, condition, self.encoder.empty(), self.snr_cap)


class TextualInversionModel(Baseline):
    """Textual Inversion: a learned token embedding for each emotion, `words` 8W.

    Each starts as the token embedding of `settings.first_word`.
    """

    def __init__(self, base: Base, settings: "TextualInversion") -> None:
        super().__init__(base, [settings.prompt], settings.snr_cap)
        first = base.encoder.embedding_of(settings.first_word)
        self.words = nn.Parameter(first.float().repeat(len(EMOTIONS), 1))

    def embeddings(self, emotions: Tensor) -> Tensor:
        """Return token embeddings: emotion weights B8 -> BW."""
        return emotions @ self.words

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses by name. `batch` is as in diffusion_errors, with emotions B8."""
        one = torch.zeros(len(batch["steps"]), dtype=torch.long, device=self.words.device)
        condition = self.condition(one, self.embeddings(batch["emotions"]))
        return {"total": self.errors(batch, condition).mean()}


class DreamBoothModel(Baseline):
    """DreamBooth: an adapter for each emotion on the U-Net's attention layers; the prompt names the emotion."""

    def __init__(self, base: Base, settings: "Dreambooth", generator: torch.Generator) -> None:
        super().__init__(base, [settings.prompt.replace(GAP, name) for name in EMOTIONS], settings.snr_cap)
        ranks: dict[str, int] = dict.fromkeys(EMOTIONS, settings.rank)
        self.hilora = add_adapters(base.denoiser, base.adapted, ranks, generator)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses by name. `batch` is as in diffusion_errors, with emotions B8, one-hot."""
        with torch.no_grad():
            condition = self.condition(batch["emotions"].argmax(1))
        with self.hilora.route(batch["emotions"]):
            return {"total": self.errors(batch, condition).mean()}


class EmoGenModel(Baseline):
    """EmoGen: a trained map from points of the emotion space to token embeddings.

    `mapper` is Linear, ReLU, Linear from D, `width`, to W. `attributes` is AD' in CLIP's joint space, `coefficients` A8
    (UniEmo Eq. 5). `head` is the emotion classifier of L_emo, frozen; it is needed only if that loss has a weight.
    Deviates from the paper: the embedding has the size of token embeddings, times a learned gain.
    """

    def __init__(
        self,
        base: Base,
        settings: "Emogen",
        width: int,
        attributes: Tensor,
        coefficients: Tensor,
        generator: torch.Generator,
        head: "EmotionHead | None" = None,
    ) -> None:
        super().__init__(base, [settings.prompt], settings.snr_cap)
        self.head = head.eval().requires_grad_(False) if head else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            self.mapper = nn.Sequential(
                nn.Linear(width, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, base.encoder.width)
            )
        self.gain, self.settings = nn.Parameter(torch.ones(())), settings
        for name, table in (("attributes", attributes), ("coefficients", coefficients)):
            self.register_buffer(name, table, persistent=False)

    def embeddings(self, points: Tensor) -> Tensor:
        """Return token embeddings: points BD of the emotion space -> BW."""
        return self.encoder.tokens.scaled(self.mapper(points), self.gain)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses by name.

        `batch` is as in diffusion_errors, with points BD; emotions B8; attribute B int64, -1 for none. Without any
        attribute there is no L_attr.
        """
        one = torch.zeros(len(batch["steps"]), dtype=torch.long, device=self.gain.device)
        condition = self.condition(one, self.embeddings(batch["points"]))
        if not len(self.attributes):
            ldm = self.errors(batch, condition).mean()
            return self._with_emotion({"total": ldm, "ldm": ldm}, condition.joint, batch["emotions"])
        attribute, has_attribute = batch["attribute"].clamp(min=0), batch["attribute"] >= 0
        weight = (self.coefficients[attribute] * batch["emotions"]).sum(1) * has_attribute
        similarity = condition.joint @ self.attributes.T / self.settings.attribute_temperature
        attr = weight * F.cross_entropy(similarity.float(), attribute, reduction="none")
        ldm = (1 - weight) * self.errors(batch, condition)
        total = ldm.mean() + self.settings.attribute_weight * attr.mean()
        losses = {"total": total, "ldm": ldm.mean(), "attr": attr.mean()}
        return self._with_emotion(losses, condition.joint, batch["emotions"])

    def _with_emotion(self, losses: dict[str, Tensor], joint: Tensor, emotions: Tensor) -> dict[str, Tensor]:
        """Return the losses with L_emo, if it has a weight: the classifier's cross-entropy on text features BD'."""
        if self.head is None:
            return losses
        emo = F.cross_entropy(self.head(joint.float()).float(), emotions.argmax(1))
        return losses | {"total": losses["total"] + self.settings.emotion_weight * emo, "emo": emo}
