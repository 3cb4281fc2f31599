"""Generate with a trained CoEmoGen: a drawn v, the emotion's embedding in the prompt, its adapters on the U-Net."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.coemogen.model import CoEmoGen, build
from pipeline.conditioning.encoder import Condition
from pipeline.generation.folder import META, STATE, Foundation, read_meta
from pipeline.generation.request import Request, weight_matrix
from pipeline.generation.space import Space, load_space
from pipeline.params import Source
from pipeline.weights import load_trained

PART = "visual"


@dataclass(frozen=True)
class CoEmoGenGenerator:
    """A trained CoEmoGen as an EmotionGenerator.

    `model` is in evaluation mode on its device. `source` tells where v comes from (pipeline/generation/space.py).
    """

    model: CoEmoGen
    space: Space
    source: Source

    @property
    def emotions(self) -> Sequence[str]:
        return self.space.emotions

    def condition(self, requests: Sequence[Request]) -> Condition:
        return self.model.encoder.of([request.prompt for request in requests], self.embeddings(requests))

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        with self.model.hilora.route(weight_matrix(requests).to(self._device)):
            yield

    def embeddings(self, requests: Sequence[Request]) -> Tensor:
        """Return e^v BW. A fusion uses the weighted emotions and the weighted mean of their v."""
        visual = torch.stack([self.visual(request) for request in requests]).to(self._device)
        return self.model.embedding(weight_matrix(requests).to(self._device), visual)

    def visual(self, request: Request) -> Tensor:
        """Return v, of shape D: the weighted mean of one draw per emotion, seeded by the request."""
        return self.space.mixed(PART, request.weights, self.source, request.seed)

    @property
    def _device(self) -> torch.device:
        return self.model.encoder.device


def load(folder: Path, foundation: Foundation, source: Source) -> CoEmoGenGenerator:
    """Return the generator of a folder on its foundation, whose U-Net receives the adapters."""
    from pipeline.params import Coemogen, parse_section

    space = load_space(folder)
    settings = parse_section(Coemogen, read_meta(folder)["params"], folder / META)
    draws = torch.Generator().manual_seed(0)
    model = build(settings, foundation.base, space.width(PART), draws)
    load_trained(model, folder / STATE)
    return CoEmoGenGenerator(model.to(foundation.base.device).eval(), space, source)
