"""Map an emotion and the CLIP feature of an image to the embedding of one word (CoEmoGen 3.2, Eq. 1).

    one-hot y -> Neuro-symbolic Mapper -> e;  e, v -> Visual-Perception Encoder -> e^v

With the single v of the paper, the softmax of Eq. 1 runs over one element and equals 1. Then e^v = v W_v does not
depend on e, and e, W_q and W_k receive no gradient. The default, `residual`, gives the emotion an effect: a learned
linear map splits v into several tokens, and e is added to the result of attending to them. `literal` implements the
equation as written.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.conditioning.encoder import TokenSpace
from pipeline.emotion_set import EMOTIONS
from pipeline.params import Input, Perception


class Mapper(nn.Module):
    """Neuro-symbolic Mapper: a linear layer, ReLU and a second linear layer (hidden width 512 in the paper).

    Emotion weights B8 -> e BW. `kind` selects the input (Table 2b): `onehot` as in the paper; `learnable`, a free
    vector per emotion; or `text`, the frozen text feature of the emotion's name, which passes no mapper.
    `name_features` is 8D and needed for `text` only. `onehot_centered` takes the mean over emotions off what the mapper
    gives for one-hot vectors: what all emotions share outgrows in training what tells them apart (docs/LOG.md).

    Deviates from the paper, which does not mention the scale: each e is brought to unit root mean square, so that the
    three inputs are equally strong beside v at first. The text features are centred before, because those of emotion
    names are nearly alike.
    """

    def __init__(self, width: int, hidden: int, kind: Input = "onehot", name_features: Tensor | None = None) -> None:
        super().__init__()
        self.layers: nn.Module = nn.Identity()
        self.is_centered = kind == "onehot_centered"
        match kind:
            case "onehot" | "onehot_centered":
                self.register_buffer("table", torch.eye(len(EMOTIONS)), persistent=False)
                self.layers = nn.Sequential(nn.Linear(len(EMOTIONS), hidden), nn.ReLU(), nn.Linear(hidden, width))
            case "learnable":
                self.table = nn.Parameter(torch.randn(len(EMOTIONS), width))
            case "text":
                assert name_features is not None, "input = text requires name_features"
                features = projected(name_features.detach().float(), width)
                self.register_buffer("table", features - features.mean(0), persistent=False)

    def forward(self, weights: Tensor) -> Tensor:
        vectors = self.layers(self.table)
        if self.is_centered:
            vectors = vectors - vectors.mean(0)
        return weights @ F.rms_norm(vectors, vectors.shape[-1:])


def projected(features: Tensor, width: int) -> Tensor:
    """Return features ND as NW: as they are if W is D, else by a fixed random map with orthonormal rows or columns."""
    if features.shape[1] == width:
        return features
    generator = torch.Generator().manual_seed(0)
    return features @ nn.init.orthogonal_(torch.empty(features.shape[1], width), generator=generator)


class PerceptionEncoder(nn.Module):
    """Visual-Perception Encoder: e BW, v BD -> e^v BW (CoEmoGen Eq. 1).

    `literal` computes softmax(e W_q (v W_k)^T / sqrt(W)) v W_v. `residual` splits v into `num_tokens` tokens with one
    linear map, adds the attention output to e, and adds the output of a feed-forward layer to that sum, as in a
    transformer block.
    """

    def __init__(self, width: int, visual_width: int, num_tokens: int = 4, kind: Perception = "residual") -> None:
        super().__init__()
        self.kind, self.num_tokens = kind, num_tokens if kind == "residual" else 1
        token_width = width if kind == "residual" else visual_width
        if kind == "residual":
            self.split = nn.Linear(visual_width, num_tokens * width)
            self.query_norm, self.token_norm = nn.LayerNorm(width), nn.LayerNorm(width)
            self.feed_forward = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(token_width, width, bias=False)
        self.value = nn.Linear(token_width, width, bias=False)

    def forward(self, emotion: Tensor, visual: Tensor) -> Tensor:
        if self.kind == "literal":
            return self._attend(emotion, visual[:, None])
        tokens = self.token_norm(self.split(visual).unflatten(1, (self.num_tokens, -1)))
        perceived = emotion + self._attend(self.query_norm(emotion), tokens)
        return perceived + self.feed_forward(perceived)

    def _attend(self, emotion_BW: Tensor, tokens_BKD: Tensor) -> Tensor:
        query, key, value = self.query(emotion_BW)[:, None], self.key(tokens_BKD), self.value(tokens_BKD)
        return F.scaled_dot_product_attention(query, key, value)[:, 0]


class EmotionEmbedding(nn.Module):
    """Mapper and perception encoder in sequence: emotion weights B8, v BD of unit length -> e^v BW.

    W is the width of a placeholder embedding. Deviates from the paper, which does not mention the scale: e^v has the
    size (root mean square) of the frozen token embeddings around it, times a learned gain that starts at 1, and v is
    scaled to entries of about 1. A freely learned size would grow with every step of AdamW until e^v drowned the words
    beside it.
    """

    def __init__(self, mapper: Mapper, perception: PerceptionEncoder, tokens: TokenSpace) -> None:
        super().__init__()
        self.mapper, self.perception, self.tokens = mapper, perception, tokens
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, weights: Tensor, visual: Tensor) -> Tensor:
        stretched = visual * visual.shape[1] ** 0.5
        return self.tokens.scaled(self.perception(self.mapper(weights), stretched), self.gain)
