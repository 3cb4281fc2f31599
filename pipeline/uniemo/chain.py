"""UniEmo's understanding chain (III-A): CLIP's ViT with scene queries from layer 1, object queries from L1 + 1.

Scene queries are read after L1 layers and object queries after L2. Both continue to the last layer, where the head
predicts the emotion from the class token. What is read, Qhat of Eq. 3, goes to the contrastive losses (Eq. 4), to the
generator (Eq. 6), and into the next layer in place of Q, so that L_cls trains the interactive blocks too. With
`passed_on: plain` the next layer gets Q as the ViT computed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.emotion_set import EMOTIONS
from pipeline.uniemo.queries import ExpertQueries, Seen

if TYPE_CHECKING:
    from open_clip.transformer import VisionTransformer

    from pipeline.params import UniemoUnderstanding


@dataclass(frozen=True)
class Understood:
    """Output of the chain: emotion logits B8, class_token BW after ln_post, and what the queries saw, by kind.

    `patches` BW is the mean of the last layer's patch tokens after ln_post, a part of Eq. 6 in Table V.
    """

    logits: Tensor
    class_token: Tensor
    patches: Tensor
    seen: Mapping[str, Seen]


@dataclass(frozen=True)
class Layers:
    """The layers of each kind of query.

    Queries enter before the layer with the index `enter` (from 0) and are read after `read` layers. With
    `passes_refined`, the layer after that gets Qhat in place of Q.
    """

    enter: Mapping[str, int]
    read: Mapping[str, int]
    passes_refined: bool


class EmotionHead(nn.Module):
    """Emotion head: class token BW -> logits B8 in the order of EMOTIONS, by Linear, ReLU, Dropout, Linear."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first, self.last, self.dropout = nn.Linear(width, hidden), nn.Linear(hidden, len(EMOTIONS)), dropout

    def forward(self, class_token_BW: Tensor, kept_BH: Tensor | None = None) -> Tensor:
        """Return logits B8 in the order of EMOTIONS.

        `kept_BH` marks the hidden units that dropout keeps; None turns dropout off. The caller draws it, because all
        randomness of a training step must come from the generator of that step.
        """
        hidden = self.first(class_token_BW).relu()
        if kept_BH is not None:
            hidden = hidden * kept_BH / (1 - self.dropout)
        return self.last(hidden)


class UnderstandingChain(nn.Module):
    """The ViT of an open_clip model with queries and head.

    It starts in evaluation mode and draws no random numbers itself.
    """

    def __init__(
        self, visual: "VisionTransformer", queries: Mapping[str, ExpertQueries], head: EmotionHead, layers: Layers
    ) -> None:
        super().__init__()
        self.backbone, self.queries, self.head = visual, nn.ModuleDict(queries), head
        self.layers = layers
        self.eval()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of queries that the chain has, a subset of ATTRIBUTE_KINDS."""
        return tuple(self.queries)

    @property
    def image_px(self) -> int:
        """Return the edge in pixels of the square that the ViT sees."""
        return int(self.backbone.image_size[0])

    def forward(self, pixels_BCHW: Tensor, kept_BH: Tensor | None = None, attention: bool = False) -> Understood:
        """Return what the chain understands of images: pixels BCHW, normalised as for CLIP -> Understood.

        `kept_BH` is the dropout mask of the head. With `attention`, the attention maps of the queries are returned too.
        """
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
                    if self.layers.passes_refined:
                        tokens = _replaced(tokens, places[kind], seen[kind].queries)
        class_token = self.backbone.ln_post(tokens[:, 0])
        patches = self.backbone.ln_post(tokens[:, 1:num_own]).mean(1)
        return Understood(self.head(class_token, kept_BH), class_token, patches, seen)

    def _through(self, block: nn.Module, tokens_BNW: Tensor) -> Tensor:
        """Apply one layer of the ViT, which may expect the batch or the sequence first."""
        if self.backbone.transformer.batch_first:
            return block(tokens_BNW)
        return block(tokens_BNW.transpose(0, 1).contiguous()).transpose(0, 1)


def _replaced(tokens_BNW: Tensor, place: slice, queries_BQW: Tensor) -> Tensor:
    """Return tokens in which queries take a place."""
    return torch.cat([tokens_BNW[:, : place.start], queries_BQW.to(tokens_BNW.dtype), tokens_BNW[:, place.stop :]], 1)


def build_chain(
    visual: "VisionTransformer", settings: "UniemoUnderstanding", generator: torch.Generator
) -> UnderstandingChain:
    """Return a fresh chain on `visual`, the ViT of an open_clip model, which it takes over.

    All randomness comes from the generator. The ViT is trained unless backbone_rate is 0; its projection, which is not
    used here, is never trained. Raises ValueError for a model without a suitable ViT and for layers that the ViT does
    not have.
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
    """Return the layers at which queries enter and are read; L1 and L2 default to a third and two thirds.

    Raises ValueError unless 1 <= L1 < L2 <= num_layers.
    """
    first = num_layers // 3 if settings.scene_layer is None else settings.scene_layer
    second = 2 * num_layers // 3 if settings.object_layer is None else settings.object_layer
    if not 1 <= first < second <= num_layers:
        raise ValueError(
            f"scene_layer = {first}, object_layer = {second}: must satisfy 1 <= scene_layer < object_layer <= "
            f"{num_layers}, the number of layers of this ViT; null (a third and two thirds) needs at least three"
        )
    objects_enter = first if settings.entry == "hierarchical" else 0
    return Layers(
        dict(zip(ATTRIBUTE_KINDS, (0, objects_enter), strict=True)),
        dict(zip(ATTRIBUTE_KINDS, (first, second), strict=True)),
        settings.passed_on == "refined",
    )


def check_visual(visual: "VisionTransformer") -> None:
    """Raise ValueError unless the image tower is open_clip's own ViT, pooled at its class token."""
    from open_clip.transformer import VisionTransformer

    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None or visual.pool_type != "tok":
        raise ValueError(
            f"The image tower of this CLIP is a {type(visual).__name__} that does not pool at a class token. Use a "
            "ViT of open_clip that does, such as ViT-B-32, ViT-B-16 or ViT-L-14."
        )
