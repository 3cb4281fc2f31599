"""From what the chain understood to one word of a prompt (UniEmo Eq. 6).

    c = alpha_s phi1(Q_scene) + alpha_o phi2(Q_object) + phi3(T_cls)

alpha is the coefficient (Eq. 5) of the attribute nearest to each query, for the true emotion while training and for the
one asked for while sampling: by the trained projection of Eq. 4, in the base of the query's own kind, detached.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASS = "class"
Coefficients = Literal["correlated", "constant", "shuffled"]


class Phi(nn.Sequential):
    """phi of Eq. 6: Linear, ReLU, Linear; width -> width of the condition."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


class Fusion(nn.Module):
    """Parts BW by name (scene, object: pooled queries; class: the class token) -> c, as long as a token embedding.

    parts: those that are used (Table V). tables: of each kind the coefficients K8 of its base's attributes. Deviates:
    each part passes a LayerNorm before its phi, as they are of unlike sizes; and c has the size of the token embeddings
    among which it stands, times a learnt gain, at first 1. Were the size itself learnt, a step would be a multiple of
    it, and c shrink to nothing: that is what first lowers the loss under a condition that says nothing yet, and from
    there it learns no more.
    """

    def __init__(
        self, width: int, out: int, tables: Mapping[str, Tensor], parts: tuple[str, ...], token_size: float
    ) -> None:
        super().__init__()
        self.parts = parts
        self.phis = nn.ModuleDict({part: Phi(width, out) for part in parts})
        self.norms = nn.ModuleDict({part: nn.LayerNorm(width) for part in parts})
        for kind, table in tables.items():
            self.register_buffer(f"{kind}_table", table.float(), persistent=False)
        self.register_buffer("token_size", torch.tensor(token_size), persistent=False)
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, parts: Mapping[str, Tensor], nearest: Mapping[str, Tensor], emotions: Tensor) -> Tensor:
        """parts BW; nearest attribute of each kind, B int64; emotions B8 by weight -> c BW."""
        total = torch.zeros((), device=emotions.device)
        for part in self.parts:
            weight = 1.0 if part == CLASS else self.coefficient(part, nearest[part], emotions)[:, None]
            total = total + weight * self.phis[part](self.norms[part](parts[part]))
        return self.token_size * self.gain * F.rms_norm(total, total.shape[-1:])

    @property
    def tables(self) -> dict[str, Tensor]:
        """The coefficients K8 of the attributes, by kind."""
        return {name.removesuffix("_table"): table for name, table in self.named_buffers() if name.endswith("_table")}

    def coefficient(self, kind: str, nearest: Tensor, emotions: Tensor) -> Tensor:
        """alpha B of the attributes for the emotions; detached, as tables have no gradient."""
        return (getattr(self, f"{kind}_table")[nearest] * emotions).sum(1)


def coefficient_table(
    found: Mapping[str, Tensor], names: tuple[str, ...], kind: str, way: Coefficients, generator: torch.Generator
) -> Tensor:
    """K8 for the attributes of a base, in its order; found: coefficients 8 by kind/name.

    An attribute without coefficient has the mean of all. Controls: `constant`, the mean over attributes and emotions
    everywhere; `shuffled`, the rows in random order and each row's emotions too.
    """
    rows = [value for key, value in found.items() if key.startswith(f"{kind}/")]
    if not rows:
        raise ValueError(f"the correlation has no {kind} at all; run `dvc repro correlation`")
    mean = torch.stack(rows).mean(0)
    table = torch.stack([found.get(f"{kind}/{name}", mean) for name in names])
    match way:
        case "correlated":
            return table
        case "constant":
            return torch.full_like(table, float(table.mean()))
        case "shuffled":
            table = table[torch.randperm(len(table), generator=generator)]
            order = torch.rand(table.shape, generator=generator).argsort(1)
            return table.gather(1, order)


def condition_loss(logits: Tensor, emotions: Tensor, understood: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """L_cond (Eq. 7): max(0, d(p, e+) - d(p, e-) + margin), d the cosine distance -> the loss, its active fraction.

    logits B8 of the condition's own head, p their softmax; emotions B8 one-hot, e+; e- is the hard negative of the
    understanding head's logits B8: its runner-up where it is right, else what it wrongly says.
    """
    probabilities = logits.float().softmax(-1)
    hardest = understood.detach().masked_fill(emotions.bool(), -torch.inf).argmax(-1)
    negative = F.one_hot(hardest, emotions.shape[-1]).float()
    distance = [1 - F.cosine_similarity(probabilities, target, dim=-1) for target in (emotions.float(), negative)]
    losses = (distance[0] - distance[1] + margin).clamp(min=0)
    return losses.mean(), (losses > 0).float().mean()
