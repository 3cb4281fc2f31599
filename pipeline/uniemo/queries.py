"""Expert queries: learnable tokens that look for one kind of attribute, and the block by which they read patches.

UniEmo Eq. 2-4 of one kind, scene or object. The chain that they travel through stands in chain.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_LAYERS = 2  # of the interactive block: "a two-layer compact transformer" (UniEmo's code has one)
FEEDFORWARD_RATIO = 2  # hidden units of F by the width, where a ViT has 4: compact
BETA_START = 0.1  # of Eq. 3: at first Qhat is little more than Q; from 0 the block would hardly learn in a short run


@dataclass(frozen=True)
class Seen:
    """What the queries of a kind have seen: Qhat BQW, and its mean in CLIP's joint space, BD of unit length.

    attention: BN over the patches, summing to 1, if it was asked for.
    """

    queries: Tensor
    joint: Tensor
    attention: Tensor | None = None


class CrossAttention(nn.Module):
    """A of Eq. 2: queries attend to patches, through as many heads as the ViT has.

    With torch's MultiheadAttention in its place the chain takes 1.26 times as long as a plain ViT-B/32, so 1.11 times.
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
        """How much of the attention each patch has, BN: the mean over heads and queries. Apart, as it is slower."""
        query, key, _ = self._heads(queries_BQW, patches_BNW)
        return (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(3).mean((1, 2))

    def _heads(self, queries_BQW: Tensor, patches_BNW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each B, heads, tokens, width of a head."""
        key, value = self.key_value(patches_BNW).chunk(2, 2)
        query, key, value = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (self.query(queries_BQW), key, value)
        )
        return query, key, value


class InteractiveLayer(nn.Module):
    """Eq. 2: Qbar = Q + A(Q, T), Qtil = Qbar + F(Qbar), T the patch tokens without the class token.

    Deviates: layer norms stand before A and F, as in the ViT whose tokens these are.
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
        """How much of A each patch has, BN."""
        return self.attention.weights(self.query_norm(queries_BQW), self.patch_norm(patches_BNW))


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
