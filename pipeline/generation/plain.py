"""Generate with Stable Diffusion as it is from a text prompt: the baseline of Table 1, "an image of {emotion}"."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.conditioning.encoder import Condition, ConditionEncoder
from pipeline.conditioning.prompts import GAP
from pipeline.generation.folder import META, Foundation, known_emotions, read_meta
from pipeline.generation.request import Request
from pipeline.params import Source


@dataclass(frozen=True)
class PromptGenerator:
    """Stable Diffusion with the name of the emotion in the gap of the prompt, as an EmotionGenerator.

    A request whose prompt is the gap alone uses `prompt`. Words would do for every emotion; `emotions` are those of the
    corpus, which the other methods were trained on.
    """

    encoder: ConditionEncoder
    prompt: str
    emotions: tuple[str, ...]

    def condition(self, requests: Sequence[Request]) -> Condition:
        templates = [self.prompt if request.prompt == GAP else request.prompt for request in requests]
        texts = [text.replace(GAP, request.name) for text, request in zip(templates, requests, strict=True)]
        return self.encoder.of(texts)

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        yield


def load(folder: Path, foundation: Foundation, source: Source) -> PromptGenerator:
    """Return the generator of a folder on its foundation; no Gaussian has a part in it."""
    from pipeline.params import StableDiffusion, parse_section

    settings = parse_section(StableDiffusion, read_meta(folder)["params"], folder / META)
    return PromptGenerator(foundation.base.encoder, settings.prompt, known_emotions(folder))
