"""The understanding chain with its losses: L_U = .25 L_S + .25 L_O + .5 L_cls (UniEmo Eq. 4, 9)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.uniemo.attributes import Base
from pipeline.uniemo.chain import UnderstandingChain, Understood
from pipeline.uniemo.contrast import weighted_contrast
from pipeline.uniemo.pictures import ClipInput

if TYPE_CHECKING:
    from pipeline.params import UniemoUnderstanding


class Learner(nn.Module):
    """The chain with its losses. Parameter names begin with backbone, queries or head, as in the chain."""

    def __init__(self, chain: UnderstandingChain, bases: Mapping[str, Base], settings: "UniemoUnderstanding") -> None:
        super().__init__()
        self.backbone, self.queries, self.head = chain.backbone, chain.queries, chain.head
        self.chain, self.settings, self.input = chain, settings, ClipInput(chain.backbone)
        for kind in chain.kinds:
            self.register_buffer(f"{kind}_base", bases[kind].features, persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses by name of a batch as `understand` takes it."""
        return self.understand(batch)[1]

    def understand(self, batch: dict[str, Tensor]) -> tuple[Understood, dict[str, Tensor]]:
        """Return what is understood, and the losses by name: L_U as `total`, and its terms.

        `batch` holds squares BHW3; crops B23; kept BH; emotions B; {kind}_positives and {kind}_candidates BK. Without
        the queries of a kind, or without attributes of it in the train split, its term is left out, and the weights of
        the other terms stay the same.
        """
        settings = self.settings
        understood = self.chain(self.input(batch["squares"], batch["crops"]), batch["kept"])
        losses = {"emotion": F.cross_entropy(understood.logits.float(), batch["emotions"])}
        for kind, seen in understood.seen.items():
            positives, candidates = batch[f"{kind}_positives"], batch[f"{kind}_candidates"]
            base = getattr(self, f"{kind}_base")
            if not len(base):
                continue
            losses[kind] = weighted_contrast(seen.joint, base, positives, candidates, settings.temperature)
        weights = {
            "emotion": settings.emotion_weight, "scene": settings.scene_weight, "object": settings.object_weight
        }  # fmt: skip
        return understood, {"total": sum(weights[name] * loss for name, loss in losses.items()), **losses}
