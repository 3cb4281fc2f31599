"""Expert queries: learnable tokens that look for one kind of attribute, and the block by which they read patches.

UniEmo Eq. 2-4 of one kind, scene or object. The chain that they travel through stands in chain.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_LAYERS = 2  # of the interactive block: "a two-layer compact transformer" (UniEmo's code has one)
FEEDFORWARD_RATIO = 2  # hidden units of F by the width; a ViT has 4, and this one is compact
BETA_START = 0.0  # of Eq. 3: at first the queries are what the ViT made of them, and the block acts as it is of use


@dataclass(frozen=True)
class Seen:
    """What the queries of a kind have seen: Qhat BQW, and its mean in CLIP's joint space, BD of unit length.

    attention: BN over the patches, summing to 1, if it was asked for.
    """

    queries: Tensor
    joint: Tensor
    attention: Tensor | None = None


class InteractiveLayer(nn.Module):
    """Eq. 2: Qbar = Q + A(Q, T), Qtil = Qbar + F(Qbar), T the patch tokens without the class token.

    Deviates: layer norms stand before A and F, as in the ViT whose tokens these are.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_norm, self.patch_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        hidden = FEEDFORWARD_RATIO * width
        self.feedforward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        patches = self.patch_norm(patches_BNW)
        seen = self.attention(self.query_norm(queries_BQW), patches, patches, need_weights=False)[0]
        queries = queries_BQW + seen
        return queries + self.feedforward(self.norm(queries))

    def weights(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        """How much A attends to each patch, BN: the mean over heads and queries. Apart, as it needs no fast path."""
        patches = self.patch_norm(patches_BNW)
        return self.attention(self.query_norm(queries_BQW), patches, patches, need_weights=True)[1].mean(1)


class ExpertQueries(nn.Module):
    """Queries of one kind from their start to their meaning."""

    def __init__(self, length: int, width: int, heads: int, joint_width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(length, width) * width**-0.5)  # as CLIP draws its class token
        self.interactive = nn.ModuleList(InteractiveLayer(width, heads) for _ in range(NUM_LAYERS))
        self.beta = nn.Parameter(torch.tensor([BETA_START]))
        self.projection = nn.Linear(width, joint_width, bias=False)

    def forward(self, queries_BQW: Tensor, patches_BNW: Tensor, attention: bool = False) -> Seen:
        """Queries and patches as a layer of the ViT leaves them -> Eq. 3: Qhat = Q + beta Qtil.

        attention: that of the last interactive layer.
        """
        refined, weights = queries_BQW, None
        for layer in self.interactive:
            weights = layer.weights(refined, patches_BNW) if attention else None
            refined = layer(refined, patches_BNW)
        found = queries_BQW + self.beta * refined
        joint = F.normalize(self.projection(found.mean(1)).float(), dim=-1)
        return Seen(found, joint, weights)
