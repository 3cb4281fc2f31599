"""Generate with a trained UniEmo: draw its parts from Gaussians, match attributes to them, and fuse them (Eq. 6)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.encoder import Condition
from pipeline.generation.folder import Foundation
from pipeline.generation.request import Request, weight_matrix
from pipeline.generation.space import Space, load_space
from pipeline.params import Source
from pipeline.runtime import seed_of
from pipeline.uniemo.joint import UniEmo
from pipeline.uniemo.joint_folder import load_joint


@dataclass(frozen=True)
class UniEmoGenerator:
    """A trained UniEmo as an EmotionGenerator.

    `model` is in evaluation mode on its device. `source` tells where its parts come from
    (pipeline/generation/space.py).
    """

    model: UniEmo
    space: Space
    source: Source

    @property
    def emotions(self) -> Sequence[str]:
        return self.space.emotions

    def condition(self, requests: Sequence[Request]) -> Condition:
        return self.model.encoder.of([request.prompt for request in requests], self.embeddings(requests))

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        yield

    def embeddings(self, requests: Sequence[Request]) -> Tensor:
        """Return c BW of requests of a single emotion; sampling takes a fusion apart (generation/composition.py)."""
        emotions = weight_matrix(requests)
        indices = emotions.argmax(1).tolist()
        parts = {
            part: torch.stack([self._drawn(part, *pair) for pair in zip(requests, indices, strict=True)]).to(
                self._device
            )
            for part in self.model.fusion.parts
        }
        nearest = {part: self.model.nearest_of_pooled(part, parts[part]) for part in parts if part in ATTRIBUTE_KINDS}
        return self.model.fusion(parts, nearest, emotions.to(self._device))

    def _drawn(self, part: str, request: Request, emotion: int) -> Tensor:
        key = "real" if self.source == "real" else part  # all parts of one val image, or each from its own Gaussian
        return self.space.draw(part, emotion, self.source, seed_of(request.seed, key, emotion))

    @property
    def _device(self) -> torch.device:
        return self.model.encoder.device


def load(folder: Path, foundation: Foundation, source: Source) -> UniEmoGenerator:
    """Return the generator of a folder on its foundation."""
    model, _ = load_joint(folder, foundation)
    return UniEmoGenerator(model.eval(), load_space(folder), source)
