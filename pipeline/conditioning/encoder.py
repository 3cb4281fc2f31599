"""Run the frozen text encoders of a base on embeddings: a condition for its denoiser, a place in CLIP's joint space.

This works on batches and is differentiable with respect to the embedding, without added tokens or hooks. It pools at
the true end of the text: transformers' CLIPTextModel pools at argmax(id) if eos_token_id is 2, and an added token would
be that maximum.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.conditioning.prompts import Prompts, Tokens, tokenize

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    from pipeline.params import TextSpace


@dataclass(frozen=True)
class Condition:
    """A batch of encoded prompts.

    `states` BTW is the sequence that the denoiser attends to, and `pooled` BP a vector of the whole text, for a base
    that takes one. `joint` BD are unit vectors in CLIP's joint space, which losses compare.
    """

    states: Tensor
    joint: Tensor
    pooled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.states)

    def text_vectors(self, space: "TextSpace") -> Tensor:
        """Return unit vectors of the texts: in CLIP's joint space, BD, or in that of the pooled text, BP.

        Raises ValueError for a base without pooled text.
        """
        if space == "clip":
            return self.joint
        if self.pooled is None:
            raise ValueError("sem_space = 'pooled': the diffusion model has no pooled text; allowed is 'clip'")
        return F.normalize(self.pooled.float(), dim=-1)

    def take(self, rows: Tensor) -> "Condition":
        """Return the conditions at the given rows, B int64, in any order and number."""
        return Condition(self.states[rows], self.joint[rows], None if self.pooled is None else self.pooled[rows])

    def where(self, mask: Tensor, other: "Condition") -> "Condition":
        """Return this condition with that of `other`, of B rows or one, where `mask`, B bool, is true."""
        states = torch.where(mask[:, None, None], other.states.to(self.states.dtype), self.states)
        joint = torch.where(mask[:, None], other.joint.to(self.joint.dtype), self.joint)
        if self.pooled is None or other.pooled is None:
            return Condition(states, joint)
        return Condition(states, joint, torch.where(mask[:, None], other.pooled.to(self.pooled.dtype), self.pooled))


@dataclass(frozen=True)
class TokenSpace:
    """The token embeddings of all text encoders side by side: the width of each, and its size (root mean square).

    A placeholder embedding W is the concatenation of one for each encoder.
    """

    widths: tuple[int, ...]
    sizes: tuple[float, ...]

    @property
    def width(self) -> int:
        """Return W, the sum of the widths."""
        return sum(self.widths)

    def split(self, embeddings: Tensor) -> tuple[Tensor, ...]:
        """Return the part of embeddings BW that enters each encoder."""
        return embeddings.split(self.widths, -1)

    def scaled(self, vectors: Tensor, gain: Tensor) -> Tensor:
        """Return vectors BW, the part of each encoder at the size of its token embeddings, times a scalar gain."""
        pairs = zip(self.sizes, self.split(vectors), strict=True)
        return torch.cat([size * gain * F.rms_norm(part, part.shape[-1:]) for size, part in pairs], -1)

    def unscaled(self, embeddings: Tensor) -> Tensor:
        """Return embeddings BW, each part divided by the size of its encoder's token embeddings."""
        return torch.cat([part / size for size, part in zip(self.sizes, self.split(embeddings), strict=True)], -1)


@dataclass(frozen=True)
class Read:
    """Hold what a CLIP text transformer makes of texts.

    `last` BTW are the states after the last layer and its norm, `before` BTW those that enter the last layer, and
    `end` BW is `last` at the end of each text.
    """

    last: Tensor
    before: Tensor
    end: Tensor


class TextTower(nn.Module):
    """A frozen CLIP text transformer with its tokenizer: tokens, with an embedding BW in their gaps -> Read."""

    def __init__(self, text_encoder: "CLIPTextModel | CLIPTextModelWithProjection", tokenizer: "CLIPTokenizer") -> None:
        super().__init__()
        self.text_encoder, self.tokenizer = text_encoder.eval().requires_grad_(False), tokenizer

    @property
    def token_embeddings(self) -> Tensor:
        """Return the embeddings of the vocabulary, VW."""
        weight: Tensor = self.text_encoder.get_input_embeddings().weight
        return weight

    @property
    def max_tokens(self) -> int:
        """Return how many tokens a text may have, begin and end included."""
        return int(self.tokenizer.model_max_length)

    def num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, begin and end included."""
        return len(self.tokenizer(text).input_ids)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Return texts with at most one gap {S} as tokens. Raises ValueError for a text that is wrong or too long."""
        return tokenize(self.tokenizer, texts)

    def embedding_of(self, word: str) -> Tensor:
        """Return the token embedding W of a word. Raises ValueError unless the word is one token."""
        ids = self.tokenizer(word, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise ValueError(
                f"first_word = {word!r} has {len(ids)} tokens in the text encoder; use a word with one token, such as "
                "image"
            )
        return self.token_embeddings[ids[0]].detach()

    def forward(self, tokens: Tokens, embeddings: Tensor | None = None) -> Read:
        inputs = self.text_encoder.get_input_embeddings()(tokens.ids)
        if embeddings is not None:
            inputs = torch.where(tokens.gaps[..., None], embeddings[:, None].to(inputs.dtype), inputs)
        last, before = self.transformed(inputs)
        return Read(last, before, last[torch.arange(len(last), device=last.device), tokens.ends])

    def transformed(self, inputs_BTW: Tensor) -> tuple[Tensor, Tensor]:
        """Run CLIPTextModel.forward after its token embedding, under the causal mask that it makes itself."""
        encoder = getattr(self.text_encoder, "text_model", self.text_encoder)
        hidden = encoder.embeddings(inputs_embeds=inputs_BTW)
        *first, final = encoder.encoder.layers
        for layer in first:
            hidden = layer(hidden, attention_mask=None, is_causal=True)
        return encoder.final_layer_norm(final(hidden, attention_mask=None, is_causal=True)), hidden


class ConditionEncoder(nn.Module, ABC):
    """The frozen text encoders of a base: prompts, with an embedding for each gap -> Condition."""

    def __init__(self, towers: Sequence[TextTower]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)
        embeddings = [tower.token_embeddings for tower in towers]
        sizes = tuple(float(weight.float().pow(2).mean().sqrt()) for weight in embeddings)
        self.tokens = TokenSpace(tuple(weight.shape[1] for weight in embeddings), sizes)
        self._nothing = self.tokenize([""])

    @property
    def width(self) -> int:
        """Return W, the width of a placeholder embedding."""
        return self.tokens.width

    @property
    @abstractmethod
    def joint_width(self) -> int:
        """Return D, the width of the joint space."""

    @property
    def device(self) -> torch.device:
        return self.towers[0].token_embeddings.device

    def tokenize(self, texts: Sequence[str]) -> Prompts:
        """Return texts with at most one gap {S} as tokens of each encoder.

        Raises ValueError for a text with several gaps or other braces, and for one that is too long.
        """
        return Prompts(tuple(tower.tokenize(texts) for tower in self.towers))

    def fits(self, text: str) -> bool:
        """Return whether a text fits the context of every encoder."""
        return all(tower.num_tokens(text) <= tower.max_tokens for tower in self.towers)

    def fitted(self, text: str) -> str:
        """Return a text without braces, cut at a word so that it fits the context of every encoder."""
        words = text.replace("{", "(").replace("}", ")").split()
        while not self.fits(" ".join(words)):
            words.pop()
        return " ".join(words)

    def embedding_of(self, word: str) -> Tensor:
        """Return the placeholder embedding W that equals a word. Raises ValueError unless the word is one token."""
        return torch.cat([tower.embedding_of(word) for tower in self.towers])

    def forward(self, prompts: Prompts, embeddings: Tensor | None = None) -> Condition:
        """Return the condition of prompts. `embeddings` BW fill the gaps; None if no prompt has a gap."""
        parts = self.tokens.split(embeddings) if embeddings is not None else [None] * len(self.towers)
        triples = zip(self.towers, prompts.parts, parts, strict=True)
        return self.joined([tower(tokens, part) for tower, tokens, part in triples])

    def of(self, texts: Sequence[str], embeddings: Tensor | None = None) -> Condition:
        """Return the condition of texts, with embeddings BW in their gaps."""
        condition: Condition = self(self.tokenize(texts).to(self.device), embeddings)
        return condition

    @abstractmethod
    def joined(self, reads: Sequence[Read]) -> Condition:
        """Return the condition that the base makes of what each encoder has read."""

    @torch.no_grad()
    def empty(self) -> Condition:
        """Return the condition of no text, one row: for classifier-free guidance and its training."""
        condition: Condition = self(self._nothing.to(self.device))
        return condition
