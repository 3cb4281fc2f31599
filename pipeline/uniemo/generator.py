"""Generate with a trained UniEmo: draw its parts from Gaussians, match attributes to them, and fuse them (Eq. 6)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.prompts import tokenize
from pipeline.generation.folder import Foundation
from pipeline.generation.request import Request
from pipeline.generation.space import Space, load_space
from pipeline.params import Source
from pipeline.runtime import seed_of
from pipeline.uniemo.joint import UniEmo
from pipeline.uniemo.joint_folder import load_joint

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


@dataclass(frozen=True)
class UniEmoGenerator:
    """A trained UniEmo as an EmotionGenerator. It has no adapters that a strength could scale.

    `model` is in evaluation mode on its device. `source` tells where its parts come from
    (pipeline/generation/space.py).
    """

    model: UniEmo
    tokenizer: "CLIPTokenizer"
    space: Space
    source: Source
    has_adapters: bool = False

    @property
    def emotions(self) -> Sequence[str]:
        return self.space.emotions

    def states(self, requests: Sequence[Request]) -> Tensor:
        prompts = tokenize(self.tokenizer, [request.prompt for request in requests]).to(self._device)
        return self.model.encoder(prompts, self.embeddings(requests)).states

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        yield

    def embeddings(self, requests: Sequence[Request]) -> Tensor:
        """Return c BW. A fusion uses the weighted sum of its emotions' conditions, as large as they are on average."""
        pairs = [(row, index, weight) for row, request in enumerate(requests)
                 for index, weight in enumerate(request.weights) if weight]  # fmt: skip
        emotions = torch.eye(len(requests[0].weights), device=self._device)[[index for _, index, _ in pairs]]
        parts = {
            part: torch.stack([self._drawn(part, requests[row], index) for row, index, _ in pairs]).to(self._device)
            for part in self.model.fusion.parts
        }
        nearest = {part: self.model.nearest_of_pooled(part, parts[part]) for part in parts if part in ATTRIBUTE_KINDS}
        conditions = self.model.fusion(parts, nearest, emotions)
        weights = torch.zeros(len(requests), len(pairs), device=self._device)
        for column, (row, _, weight) in enumerate(pairs):
            weights[row, column] = weight
        return mixed(conditions, weights)

    def _drawn(self, part: str, request: Request, emotion: int) -> Tensor:
        key = "real" if self.source == "real" else part  # all parts of one val image, or each from its own Gaussian
        return self.space.draw(part, emotion, self.source, seed_of(request.seed, key, emotion))

    @property
    def _device(self) -> torch.device:
        return self.model.encoder.projection.device


def mixed(conditions_NW: Tensor, weights_BN: Tensor) -> Tensor:
    """Return weighted sums of conditions, BW, with the weighted mean of their sizes.

    A plain sum is shorter the more the conditions differ in direction, and a short condition says little.
    """
    sums = weights_BN @ conditions_NW
    sizes, wanted = sums.norm(dim=1, keepdim=True), weights_BN @ conditions_NW.norm(dim=1, keepdim=True)
    return sums * (wanted / sizes.clamp(min=torch.finfo(sums.dtype).tiny))


def load(folder: Path, foundation: Foundation, source: Source) -> UniEmoGenerator:
    """Return the generator of a folder on its foundation."""
    model, _ = load_joint(folder, foundation)
    return UniEmoGenerator(model.eval(), foundation.pipeline.tokenizer, load_space(folder), source)
