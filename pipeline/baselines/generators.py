"""The trained baselines as generators, and how they are loaded from their folders."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.baselines.model import DreamBoothModel, EmoGenModel, TextualInversionModel
from pipeline.conditioning.encoder import Condition
from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import META, STATE, Foundation, known_emotions, read_meta
from pipeline.generation.request import Request, weight_matrix
from pipeline.generation.sampling import EmotionGenerator
from pipeline.generation.space import Space, load_space
from pipeline.params import Dreambooth, Emogen, Source, TextualInversion, parse_section
from pipeline.weights import load_trained

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


def load(folder: Path, foundation: Foundation, source: Source) -> EmotionGenerator:
    """Return the generator of a baseline's folder on its foundation."""
    base, meta = foundation.base, read_meta(folder)
    params, file, emotions = meta["params"], folder / META, known_emotions(folder)
    draws = torch.Generator().manual_seed(0)
    match meta["kind"]:
        case "textual_inversion":
            inversion = TextualInversionModel(base, parse_section(TextualInversion, params, file))
            load_trained(inversion, folder / STATE)
            return WordGenerator(inversion.to(base.device).eval(), emotions)
        case "dreambooth":
            booth = DreamBoothModel(base, parse_section(Dreambooth, params, file), draws)
            load_trained(booth, folder / STATE)
            return DreamBoothGenerator(booth.to(base.device).eval(), params["prompt"], emotions)
        case "emogen":
            space, nothing = load_space(folder), torch.empty(0, len(EMOTIONS))
            settings, width = parse_section(Emogen, params, file), space.width(PART)
            mapped = EmoGenModel(base, settings, width, nothing, nothing, draws)
            load_trained(mapped, folder / STATE)
            return WordGenerator(mapped.to(base.device).eval(), emotions, space, source)
    raise AssertionError(f"{folder} does not contain a baseline")
