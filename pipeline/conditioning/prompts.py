"""Tokenise prompts with a gap, such as "{S} street", and mark the token that a learned embedding replaces.

The words around the gap are tokenised as they are and joined; no token is added to the vocabulary. The length is CLIP's
context; a prompt that does not fit raises an error and is not cut.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

GAP = "{S}"


@dataclass(frozen=True)
class Tokens:
    """A batch of texts for one text encoder: ids BT int64, gaps BT bool (for the embedding), ends B int64 (the EOS)."""

    ids: Tensor
    gaps: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> "Tokens":
        return Tokens(self.ids.to(device), self.gaps.to(device), self.ends.to(device))

    def take(self, rows: Tensor) -> "Tokens":
        """Return the texts at the given rows, B int64, in any order and number."""
        return Tokens(self.ids[rows], self.gaps[rows], self.ends[rows])


@dataclass(frozen=True)
class Prompts:
    """A batch of tokenised prompts, once for each text encoder of the base."""

    parts: tuple[Tokens, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def to(self, device: torch.device) -> "Prompts":
        return Prompts(tuple(part.to(device) for part in self.parts))

    def take(self, rows: Tensor) -> "Prompts":
        """Return the prompts at the given rows, B int64, in any order and number."""
        return Prompts(tuple(part.take(rows) for part in self.parts))


def tokenize(tokenizer: "CLIPTokenizer", prompts: Sequence[str]) -> Tokens:
    """Return texts with at most one gap {S} as ids of the length of CLIP's context.

    Raises ValueError for a prompt with several gaps or other braces, and for one that is too long.
    """
    length = tokenizer.model_max_length
    rows = [_row(tokenizer, prompt, length) for prompt in prompts]
    ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    gaps = torch.zeros((len(rows), length), dtype=torch.bool)
    for index, (row, gap) in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        if gap is not None:
            gaps[index, gap] = True
    return Tokens(ids, gaps, torch.tensor([len(row) - 1 for row, _ in rows]))


def _row(tokenizer: "CLIPTokenizer", prompt: str, length: int) -> tuple[list[int], int | None]:
    """Return the ids from the begin token to the end token, and the index of the gap, or None without one."""
    parts = prompt.split(GAP)
    if len(parts) > 2 or re.search(r"[{}]", "".join(parts)):
        raise ValueError(f"prompt {prompt!r}: may contain {GAP} at most once, and no other braces")
    words = [tokenizer(part, add_special_tokens=False).input_ids if part.strip() else [] for part in parts]
    gap = 1 + len(words[0]) if len(parts) == 2 else None
    filler = [tokenizer.eos_token_id] if gap is not None else []  # any id will do: its embedding is replaced
    row = [tokenizer.bos_token_id, *words[0], *filler, *(words[1] if gap is not None else []), tokenizer.eos_token_id]
    if len(row) > length:
        raise ValueError(
            f"prompt {prompt!r} has {len(row)} tokens; CLIP allows at most {length}, including begin and end"
        )
    return row, gap
