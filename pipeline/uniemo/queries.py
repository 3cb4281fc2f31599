"""Expert queries: learned tokens that look for one kind of attribute, and the block by which they read patches.

Implements UniEmo Eq. 2-4 for one kind, scene or object. The ViT that the queries pass through is in chain.py, the
contrastive loss in contrast.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_LAYERS = 2  # layers of the interactive block: "a two-layer compact transformer" (UniEmo's code has one)
FEEDFORWARD_RATIO = 2  # hidden width of F relative to the width; a ViT has 4, but this block is compact
BETA_START = 0.1  # of Eq. 3: Qhat starts close to Q; from 0 the block would hardly learn in a short run


@dataclass(frozen=True)
class Seen:
    """The result of the queries of one kind: Qhat BQW, and its mean in CLIP's joint space, BD of unit length.

    `attention` is BN over the patches and sums to 1; it is None unless it was requested.
    """

    queries: Tensor
    joint: Tensor
    attention: Tensor | None = None


class CrossAttention(nn.Module):
    """A of Eq. 2: queries attend to patches, with as many heads as the ViT has.

    With this class the chain takes 1.11 times as long as a plain ViT-B/32; with torch's MultiheadAttention in its place
    it takes 1.26 times as long.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = (nn.Linear(width, n * width) for n in (1, 2, 1))
        for projection in (self.query, self.key_value):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        query, key, value = self._heads(queries_BQW, patches_BNW)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def weights(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        """Return the share of the attention on each patch, BN: the mean over heads and queries.

        This is separate from `forward` because it is slower.
        """
        query, key, _ = self._heads(queries_BQW, patches_BNW)
        return (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(3).mean((1, 2))

    def _heads(self, queries_BQW: Tensor, patches_BNW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value, each of shape (B, heads, tokens, width of a head)."""
        key, value = self.key_value(patches_BNW).chunk(2, 2)
        query, key, value = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (self.query(queries_BQW), key, value)
        )
        return query, key, value


class InteractiveLayer(nn.Module):
    """Layer of UniEmo Eq. 2: Qbar = Q + A(Q, T), Qtil = Qbar + F(Qbar), T the patches without class token.

    Deviates from the paper: layer norms precede A and F, as in the ViT that the tokens come from.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_norm, self.patch_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)
        hidden = FEEDFORWARD_RATIO * width
        self.feedforward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        queries = queries_BQW + self.attention(self.query_norm(queries_BQW), self.patch_norm(patches_BNW))
        return queries + self.feedforward(self.norm(queries))

    def weights(self, queries_BQW: Tensor, patches_BNW: Tensor) -> Tensor:
        """Return the share of the attention A on each patch, BN."""
        return self.attention.weights(self.query_norm(queries_BQW), self.patch_norm(patches_BNW))


class ExpertQueries(nn.Module):
    """Queries of one kind: their initial tokens, interactive layers, and projection into CLIP's joint space."""

    def __init__(self, length: int, width: int, heads: int, joint_width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(length, width) * width**-0.5)  # initialised as CLIP's class token
        self.interactive = nn.ModuleList(InteractiveLayer(width, heads) for _ in range(NUM_LAYERS))
        self.beta = nn.Parameter(torch.tensor([BETA_START]))
        self.projection = nn.Linear(width, joint_width, bias=False)

    def forward(self, queries_BQW: Tensor, patches_BNW: Tensor, attention: bool = False) -> Seen:
        """Return what the queries see: Q BQW, patches BNW from a ViT layer -> Seen, Qhat = Q + beta Qtil (Eq. 3).

        With `attention`, the result includes the attention map of the last interactive layer.
        """
        refined, weights = queries_BQW, None
        for layer in self.interactive:
            weights = layer.weights(refined, patches_BNW) if attention else None
            refined = layer(refined, patches_BNW)
        updated_BQW = queries_BQW + self.beta * refined
        joint = F.normalize(self.projection(updated_BQW.mean(1)).float(), dim=-1)
        return Seen(updated_BQW, joint, weights)
