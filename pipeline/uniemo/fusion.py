"""Fuse the output of the understanding chain into the embedding of one prompt word (UniEmo Eq. 6).

    c = alpha_s phi1(Q_scene) + alpha_o phi2(Q_object) + phi3(T_cls)

alpha is the coefficient (Eq. 5) of the attribute nearest to each query, for the true emotion in training and for the
requested emotion in sampling. The nearest attribute is found with the trained projection of Eq. 4, in the base of the
query's own kind, and no gradient flows through this choice. Table V also has rows without coefficients, alpha = 1, and
rows with the mean patch token as a part of its own, phi4(T_patch).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.encoder import TokenSpace
from pipeline.emotion_set import EMOTIONS
from pipeline.params import Coefficients

CLASS, PATCH = "class", "patch"


class Phi(nn.Sequential):
    """phi of UniEmo Eq. 6: Linear, ReLU, Linear, from `width` to `out`, the width of the condition."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


class Fusion(nn.Module):
    """Fusion of named parts (scene, object: pooled queries; class: the class token; patch): parts BW -> c.

    c is a placeholder embedding of `tokens`. `parts` are the parts in use (Table V). `tables` holds the
    coefficients K8 of the attributes of each kind's base.

    Deviates from the paper: each part passes a LayerNorm before its phi, because the parts differ in size. And c has
    the size (root mean square) of the token embeddings around it, times a learned gain that starts at 1. If the size
    itself were learned, an optimiser step would be a multiple of it and c would shrink to nothing: this is what first
    lowers the loss under a condition that is not yet informative, and from there c learns no more. Without `has_norms`
    Eq. 6 is as written: no LayerNorm, no size, no gain.
    """

    def __init__(
        self, width: int, tokens: TokenSpace, tables: Mapping[str, Tensor], parts: tuple[str, ...],
        has_norms: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.parts, self.tokens, self.has_norms = parts, tokens, has_norms
        self.phis = nn.ModuleDict({part: Phi(width, tokens.width) for part in parts})
        self.norms = nn.ModuleDict({part: nn.LayerNorm(width) if has_norms else nn.Identity() for part in parts})
        for kind, table in tables.items():
            self.register_buffer(f"{kind}_table", table.float(), persistent=False)
        if has_norms:
            self.gain = nn.Parameter(torch.ones(()))

    def forward(self, parts: Mapping[str, Tensor], nearest: Mapping[str, Tensor], emotions: Tensor) -> Tensor:
        """Return c BC: parts BW by name, nearest attributes B int64 by kind, emotion weights B8."""
        total = torch.zeros((), device=emotions.device)
        for part in self.parts:
            is_weighted = part in ATTRIBUTE_KINDS
            weight = self.coefficient(part, nearest[part], emotions)[:, None] if is_weighted else 1.0
            total = total + weight * self.phis[part](self.norms[part](parts[part]))
        return self.tokens.scaled(total, self.gain) if self.has_norms else total

    @property
    def tables(self) -> dict[str, Tensor]:
        """Return the coefficients K8 of the attributes, by kind."""
        return {name.removesuffix("_table"): table for name, table in self.named_buffers() if name.endswith("_table")}

    def coefficient(self, kind: str, nearest: Tensor, emotions: Tensor) -> Tensor:
        """Return alpha: nearest attribute B int64, emotion weights B8 -> B. The tables have no gradient.

        It is 1 if the corpus has no attribute of the kind, as for the class token.
        """
        table = getattr(self, f"{kind}_table")
        return (table[nearest] * emotions).sum(1) if len(table) else torch.ones(len(emotions), device=emotions.device)


def coefficient_table(
    coefficients: Mapping[str, Tensor], names: tuple[str, ...], kind: str, way: Coefficients, generator: torch.Generator
) -> Tensor:
    """Return the coefficients K8 of the attributes of a base, in its order, or a control in their place.

    `coefficients` maps kind/name to eight coefficients. An attribute without coefficients gets the mean over its kind.
    `one` is alpha = 1, the rows of Table V without coefficients. The control `constant` has the mean over attributes
    and emotions everywhere; `shuffled` permutes the rows, and the emotions within each row. A base without attributes
    has an empty table. Raises ValueError if the base has attributes and `coefficients` has none of the kind.
    """
    if not names:
        return torch.empty(0, len(EMOTIONS))
    rows = [value for key, value in coefficients.items() if key.startswith(f"{kind}/")]
    if not rows:
        raise ValueError(f"The correlation contains no {kind}; run `dvc repro correlation`.")
    mean = torch.stack(rows).mean(0)
    table = torch.stack([coefficients.get(f"{kind}/{name}", mean) for name in names])
    match way:
        case "correlated":
            return table
        case "one":
            return torch.ones_like(table)
        case "constant":
            return torch.full_like(table, float(table.mean()))
        case "shuffled":
            table = table[torch.randperm(len(table), generator=generator)]
            order = torch.rand(table.shape, generator=generator).argsort(1)
            return table.gather(1, order)


def cross_entropy_loss(logits: Tensor, emotions: Tensor) -> tuple[Tensor, Tensor]:
    """Return L_ce (UniEmo Table V), the rival of L_cond, as a scalar, and the fraction of samples with a loss above 0.

    It is the cross-entropy of the condition's own head, `logits` B8, against the true `emotions` B8, one-hot.
    """
    losses = F.cross_entropy(logits.float(), emotions.float(), reduction="none")
    return losses.mean(), (losses > 0).float().mean()


def condition_loss(logits: Tensor, emotions: Tensor, understood: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Return L_cond (UniEmo Eq. 7) as a scalar, and the fraction of samples with a loss above 0.

    L_cond = max(0, d(p, e+) - d(p, e-) + margin), where d is the cosine distance. `logits` B8 come from the condition's
    own head, and p is their softmax. `emotions` B8 are one-hot, e+. e- is the hard negative of the understanding head's
    logits `understood` B8: its runner-up where it is right, otherwise its wrong prediction.
    """
    probabilities = logits.float().softmax(-1)
    hardest = understood.detach().masked_fill(emotions.bool(), -torch.inf).argmax(-1)
    negative = F.one_hot(hardest, emotions.shape[-1]).float()
    distance = [1 - F.cosine_similarity(probabilities, target, dim=-1) for target in (emotions.float(), negative)]
    losses = (distance[0] - distance[1] + margin).clamp(min=0)
    return losses.mean(), (losses > 0).float().mean()
