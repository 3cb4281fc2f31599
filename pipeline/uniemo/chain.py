"""UniEmo's understanding chain (III-A): CLIP's ViT, with scene queries from layer 1 and object queries from L1 + 1.

Scene queries are read after L1 layers and object queries after L2; both run on to the last layer, where the head tells
the emotion from the class token. What goes on is Q as the ViT made it (Eq. 1); Qhat of Eq. 3 is read beside it, for the
contrastive losses (Eq. 4) and for the generator (Eq. 6), and comes back into no layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.emotions import EMOTIONS
from pipeline.uniemo.queries import ExpertQueries, Seen

if TYPE_CHECKING:
    from pipeline.params import UniemoUnderstanding


@dataclass(frozen=True)
class Understood:
    """What the chain makes of pictures: logits B8 of the emotions, class_token BW behind ln_post, seen by kind."""

    logits: Tensor
    class_token: Tensor
    seen: Mapping[str, Seen]


@dataclass(frozen=True)
class Layers:
    """When queries of a kind enter (before the layer with this index, from 0) and are read (after so many layers)."""

    enter: Mapping[str, int]
    read: Mapping[str, int]


class EmotionHead(nn.Module):
    """Class token BW -> logits B8 in the order of EMOTIONS: Linear, ReLU, Dropout, Linear."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first, self.last, self.dropout = nn.Linear(width, hidden), nn.Linear(hidden, len(EMOTIONS)), dropout

    def forward(self, class_token_BW: Tensor, kept_BH: Tensor | None = None) -> Tensor:
        """kept: the hidden units that dropout leaves, drawn by the caller, as a step's randomness must be its own."""
        hidden = self.first(class_token_BW).relu()
        if kept_BH is not None:
            hidden = hidden * kept_BH / (1 - self.dropout)
        return self.last(hidden)


class UnderstandingChain(nn.Module):
    """The ViT of an open_clip model, the queries and the head. In evaluation mode: it draws nothing by itself."""

    def __init__(self, visual: Any, queries: Mapping[str, ExpertQueries], head: EmotionHead, layers: Layers) -> None:
        super().__init__()
        self.backbone, self.queries, self.head = visual, nn.ModuleDict(queries), head
        self.layers = layers
        self.eval()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of queries that there are, of ATTRIBUTE_KINDS."""
        return tuple(self.queries)

    @property
    def image_px(self) -> int:
        """Edge of the square that the ViT sees."""
        return int(self.backbone.image_size[0])

    def forward(self, pixels_BCHW: Tensor, kept_BH: Tensor | None = None, attention: bool = False) -> Understood:
        """Pixels as CLIP wants them -> Understood. kept: of the head's dropout. attention: maps of the queries too."""
        tokens = self.backbone._embeds(pixels_BCHW)
        num_own = tokens.shape[1]  # class token and patches
        places: dict[str, slice] = {}
        seen: dict[str, Seen] = {}
        for index, block in enumerate(self.backbone.transformer.resblocks):
            for kind, experts in self.queries.items():
                if self.layers.enter[kind] == index:
                    places[kind] = slice(tokens.shape[1], tokens.shape[1] + len(experts.tokens))
                    tokens = torch.cat([tokens, experts.tokens.to(tokens.dtype).expand(len(tokens), -1, -1)], 1)
            tokens = self._through(block, tokens)
            for kind, experts in self.queries.items():
                if self.layers.read[kind] == index + 1:
                    seen[kind] = experts(tokens[:, places[kind]], tokens[:, 1:num_own], attention)
        class_token = self.backbone.ln_post(tokens[:, 0])
        return Understood(self.head(class_token, kept_BH), class_token, seen)

    def _through(self, block: nn.Module, tokens_BNW: Tensor) -> Tensor:
        """One layer of the ViT, whichever of batch and sequence it wants first."""
        if self.backbone.transformer.batch_first:
            return block(tokens_BNW)
        return block(tokens_BNW.transpose(0, 1).contiguous()).transpose(0, 1)


def build_chain(visual: Any, settings: "UniemoUnderstanding", generator: torch.Generator) -> UnderstandingChain:
    """A fresh chain on `model.visual`, the ViT of an open_clip model, which it takes over.

    Random only by the generator. The ViT is trained unless backbone_rate is 0; its projection, which nothing here uses,
    never is. Raises ValueError for a model without such a ViT, and for layers that it has not.
    """
    check_visual(visual)
    blocks = visual.transformer.resblocks
    width, heads = visual.transformer.width, blocks[0].attn.num_heads
    kinds = [kind for kind in ATTRIBUTE_KINDS if settings.queries in (kind, "both")]
    layers = query_layers(settings, len(blocks))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        queries = {kind: ExpertQueries(settings.query_length, width, heads, visual.output_dim) for kind in kinds}
        head = EmotionHead(width, settings.head_hidden, settings.dropout)
    visual.requires_grad_(settings.backbone_rate > 0)
    visual.proj.requires_grad_(False)
    return UnderstandingChain(visual, queries, head, layers).to(visual.proj.device)


def query_layers(settings: "UniemoUnderstanding", num_layers: int) -> Layers:
    """L1 and L2 by the params, thirds by default, and where queries enter. ValueError unless 1 <= L1 < L2 <= layers."""
    first = num_layers // 3 if settings.scene_layer is None else settings.scene_layer
    second = 2 * num_layers // 3 if settings.object_layer is None else settings.object_layer
    if not 1 <= first < second <= num_layers:
        raise ValueError(
            f"scene_layer = {first}, object_layer = {second}: allowed is 1 <= scene_layer < object_layer <= "
            f"{num_layers}, the layers of this ViT; null: a third and two thirds of them, which needs three"
        )
    objects_enter = first if settings.entry == "hierarchical" else 0
    return Layers(
        dict(zip(ATTRIBUTE_KINDS, (0, objects_enter), strict=True)),
        dict(zip(ATTRIBUTE_KINDS, (first, second), strict=True)),
    )


def check_visual(visual: Any) -> None:
    """Raises ValueError unless the image tower is a ViT of open_clip's own that pools at its class token."""
    from open_clip.transformer import VisionTransformer

    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None or visual.pool_type != "tok":
        raise ValueError(
            f"the image tower of this CLIP is a {type(visual).__name__} without a class token to tell the emotion "
            "from; take a ViT of open_clip that pools at it, such as ViT-B-32, ViT-B-16 or ViT-L-14"
        )
