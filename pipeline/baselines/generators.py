"""The trained baselines as generators."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.baselines.model import DreamBoothModel, EmoGenModel, TextualInversionModel
from pipeline.conditioning.encoder import Condition
from pipeline.conditioning.prompts import GAP
from pipeline.generation.request import Request, weight_matrix
from pipeline.generation.space import Space
from pipeline.params import Source

PART = "emotion"  # the only part of EmoGen's space


@dataclass(frozen=True)
class WordGenerator:
    """A generator with an embedding in the prompt.

    The embedding is a learned word for Textual Inversion, and a mapped point of the emotion space for EmoGen.
    """

    model: TextualInversionModel | EmoGenModel
    emotions: tuple[str, ...]
    space: Space | None = None
    source: Source = "diagonal"

    def condition(self, requests: Sequence[Request]) -> Condition:
        encoder = self.model.encoder
        given = weight_matrix(requests) if self.space is None else self.points(self.space, requests)
        return encoder.of([request.prompt for request in requests], self.model.embeddings(given.to(encoder.device)))

    def points(self, space: Space, requests: Sequence[Request]) -> Tensor:
        """Return points BD of the emotion space; a fusion has the weighted mean of its emotions' points."""
        return torch.stack([space.mixed(PART, request.weights, self.source, request.seed) for request in requests])

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class DreamBoothGenerator:
    """A generator with the emotion's name in the prompt and the emotion's adapter on the U-Net.

    A request whose prompt is the gap alone uses `prompt`, the prompt of the training.
    """

    model: DreamBoothModel
    prompt: str
    emotions: tuple[str, ...]

    def condition(self, requests: Sequence[Request]) -> Condition:
        templates = [self.prompt if request.prompt == GAP else request.prompt for request in requests]
        texts = [text.replace(GAP, request.name) for text, request in zip(templates, requests, strict=True)]
        return self.model.encoder.of(texts)

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        with self.model.hilora.route(weight_matrix(requests).to(self.model.encoder.device)):
            yield
