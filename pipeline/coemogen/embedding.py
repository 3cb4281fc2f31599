"""Map an emotion and the CLIP feature of an image to the embedding of one word (CoEmoGen 3.2, Eq. 1).

    one-hot y -> Neuro-symbolic Mapper -> e;  e, v -> Visual-Perception Encoder -> e^v

With the single v of the paper, the softmax of Eq. 1 runs over one element and equals 1. Then e^v = v W_v does not
depend on e, and e, W_q and W_k receive no gradient. The default, `residual`, gives the emotion an effect: a learned
linear map splits v into several tokens, and e is added to the result of attending to them. `literal` implements the
equation as written.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.emotions import EMOTIONS

Input = Literal["onehot", "learnable", "text"]
Perception = Literal["residual", "literal"]


class Mapper(nn.Module):
    """Neuro-symbolic Mapper: a linear layer, ReLU and a second linear layer (hidden width 512 in the paper).

    Emotion weights B8 -> e BW. `kind` selects the input: `onehot` as in the paper, `learnable` for a free vector per
    emotion, or `text` for the frozen text feature of the emotion's name (Table 2b). `name_features` is 8D and needed
    for `text` only.
    """

    def __init__(self, width: int, hidden: int, kind: Input = "onehot", name_features: Tensor | None = None) -> None:
        super().__init__()
        table = torch.eye(len(EMOTIONS))
        if kind == "text":
            assert name_features is not None, "the text input needs the features of the names"
            table = name_features.detach().float()
        if kind == "learnable":
            self.table = nn.Parameter(torch.randn(len(EMOTIONS), width))
            self.layers: nn.Module = nn.Identity()
        else:
            self.register_buffer("table", table)
            self.layers = nn.Sequential(nn.Linear(table.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, weights: Tensor) -> Tensor:
        return weights @ self.layers(self.table)


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

    W is the width of a token embedding. Deviates from the paper, which does not mention the scale: e^v is normalised to
    a learned size, which starts at that of the frozen token embeddings around it, and v is scaled to entries of about
    1.
    """

    def __init__(self, mapper: Mapper, perception: PerceptionEncoder, token_size: float) -> None:
        super().__init__()
        self.mapper, self.perception = mapper, perception
        self.size = nn.Parameter(torch.tensor(token_size))

    def forward(self, weights: Tensor, visual: Tensor) -> Tensor:
        stretched = visual * visual.shape[1] ** 0.5
        perceived = self.perception(self.mapper(weights), stretched)
        return self.size * F.rms_norm(perceived, perceived.shape[-1:])
