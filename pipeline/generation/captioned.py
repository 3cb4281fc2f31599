"""Generate with Stable Diffusion as it is from captions that the captioner wrote for real images of the emotion.

This is the baseline that separates what a caption of the emotional content gives from what training gives: the captions
are those that CoEmoGen is trained on, and no weight is changed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.conditioning.encoder import Condition, ConditionEncoder
from pipeline.conditioning.prompts import GAP
from pipeline.generation.folder import Foundation, known_emotions, read_meta
from pipeline.generation.request import Request
from pipeline.params import Source
from pipeline.runtime import numpy_generator

Captions = dict[str, list[str]]


@dataclass(frozen=True)
class CaptionGenerator:
    """Stable Diffusion with a caption of the emotion, drawn by the seed of the request, as an EmotionGenerator.

    The words of a prompt, such as the noun of a transfer, come before the caption.
    """

    encoder: ConditionEncoder
    captions: Captions
    emotions: tuple[str, ...]

    def condition(self, requests: Sequence[Request]) -> Condition:
        return self.encoder.of([self.text(request) for request in requests])

    def text(self, request: Request) -> str:
        """Return the prompt: the words of the request, then as much of a caption as CLIP's context takes."""
        of_emotion = self.captions[request.name]
        caption = of_emotion[int(numpy_generator("caption", request.seed).integers(len(of_emotion)))]
        words = " ".join(request.prompt.replace(GAP, " ").split())
        return self.encoder.fitted(f"{words}, {caption}" if words else caption)

    @contextmanager
    def applied(self, requests: Sequence[Request]) -> Iterator[None]:
        yield


def kept_captions(captions: pa.Table, kept: pa.Table) -> Captions:
    """Return by emotion the captions of the images that pass the caption filter, in their order.

    The tables list the same images in the same order. `captions` has caption, `kept` emotion and kept.
    """
    by_emotion: Captions = {}
    rows = zip(captions["caption"].to_pylist(), kept["emotion"].to_pylist(), kept["kept"].to_pylist(), strict=True)
    for caption, emotion, is_kept in rows:
        if is_kept and caption:
            by_emotion.setdefault(emotion, []).append(caption)
    return by_emotion


def load(folder: Path, foundation: Foundation, source: Source) -> CaptionGenerator:
    """Return the generator of a folder on its foundation; no Gaussian has a part in it."""
    return CaptionGenerator(foundation.base.encoder, read_meta(folder)["params"]["captions"], known_emotions(folder))
