"""Measure whether an image shows both the noun and the emotion of its prompt (EC-A of EmoCtrl).

Each noun is drawn with each emotion. Two models look for the noun: CLIP, as published (the noun is among its `top` most
similar nouns), and the judges of scenes and objects, which no generator was conditioned on (the noun is their most
probable class). Emo-A is that of emotion_accuracy.py on the same images, and EC-A the share of images that are right in
both. All shares have Wilson intervals.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS, INDEX
from pipeline.generation.images import encoded
from pipeline.generation.request import Request, request
from pipeline.metrics.columns import Columns, matrix, vectors
from pipeline.metrics.means import share_results
from pipeline.metrics.result import Measure, flat_under
from pipeline.runtime import seed_of
from pipeline.schemas import CONTENT_SCHEMA, encode_words

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.judges.panel import Judges
    from pipeline.params import Content

SHARD_IMAGES = 256
JUDGES = {"clip": "classifier", "judge": "judge"}  # who looks for the noun, and whose emotion goes with it in EC-A
Kind = Literal["thing", "scene"]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Noun:
    """A noun of a prompt, and the judges' name of what it denotes."""

    words: str
    name: str
    kind: Kind


@dataclass(frozen=True)
class Asked:
    """One requested image of a noun with an emotion."""

    image_id: str
    emotion: str
    noun: Noun
    request: Request


@dataclass(frozen=True)
class Observers:
    """The models that look at an image, and CLIP's features of the nouns, ND."""

    clip: "Clip"
    classifier: "EmotionHead"
    judges: "Judges"
    nouns: tuple[Noun, ...]
    noun_features: NDArray[np.float32]


def nouns_of(settings: "Content") -> tuple[Noun, ...]:
    """Return the nouns of the settings, things first."""
    listed: dict[Kind, tuple[str, ...]] = {"thing": settings.things, "scene": settings.scenes}
    pairs = [(kind, *text.partition("=")) for kind, texts in listed.items() for text in texts]
    return tuple(Noun(words, name or words, kind) for kind, words, _, name in pairs)


def plan(method: str, emotions: Sequence[str], settings: "Content", seed: int) -> list[list[Asked]]:
    """Return the images of every noun with every emotion that a method was trained on, in shards.

    All methods start from the same noise for the same noun, emotion and index.
    """
    planned = [
        Asked(
            f"{method}/{emotion}/{noun.name}/{index:03d}", emotion, noun,
            request(emotion, seed_of(seed, "content", emotion, noun.name, index), f"{GAP} {noun.words}"),
        )
        for emotion in EMOTIONS
        if emotion in emotions
        for noun in nouns_of(settings)
        for index in range(settings.num_per_cell)
    ]  # fmt: skip
    planned.sort(key=lambda each: each.image_id)
    return [planned[start : start + SHARD_IMAGES] for start in range(0, len(planned), SHARD_IMAGES)]


def observers(clip: "Clip", classifier: "EmotionHead", judges: "Judges", settings: "Content") -> Observers:
    """Return the observers of images of the settings' nouns."""
    nouns = nouns_of(settings)
    return Observers(clip, classifier, judges, nouns, clip.encode_texts([noun.words for noun in nouns]).numpy())


def observed(asked: Sequence[Asked], images: Sequence[NDArray[np.uint8]], by: Observers) -> dict[str, pa.Array]:
    """Return what the observers see in images HW3 uint8: the columns classifier, judge, clip_rank and judge_rank."""
    pictures = [Image.fromarray(image) for image in images]
    raw = by.clip.encode_images(pictures, normalize=False).numpy()
    norms = np.linalg.norm(raw, axis=1)
    units, verdicts = raw / norms[:, None], by.judges.judge(pictures)
    similar = units @ by.noun_features.T
    rows = {noun: index for index, noun in enumerate(by.nouns)}
    of_kind = {"thing": (verdicts.objects, by.judges.object_names), "scene": (verdicts.scenes, by.judges.scene_names)}
    judge_ranks = []
    for row, each in enumerate(asked):
        values, names = of_kind[each.noun.kind]
        judge_ranks.append(_rank(values[row], names.index(each.noun.name)) if each.noun.name in names else None)
    return {
        "classifier": vectors(by.classifier.probabilities(units, norms)),
        "judge": vectors(verdicts.emotions),
        "clip_rank": pa.array([_rank(similar[row], rows[each.noun]) for row, each in enumerate(asked)], pa.int32()),
        "judge_rank": pa.array(judge_ranks, pa.int32()),
    }


def content_rows(
    asked: Sequence[Asked], images: Sequence[NDArray[np.uint8]], seen: dict[str, pa.Array], model: str
) -> pa.Table:
    """Return images HW3 uint8 with what was observed as rows of CONTENT_SCHEMA; `model` is the generator's hash."""
    columns = {
        "image_id": [each.image_id for each in asked],
        "image": [
            {"bytes": encoded(image), "path": f"{each.image_id}.png"} for each, image in zip(asked, images, strict=True)
        ],
        "emotion": [each.emotion for each in asked],
        "noun": [each.noun.words for each in asked],
        "kind": [each.noun.kind for each in asked],
        "seed": [each.request.seed for each in asked],
        "model": [model] * len(asked),
    }
    return encode_words(pa.table({**columns, **seen}), CONTENT_SCHEMA)


def content_metrics(rows: Columns, top: int) -> dict[str, float | int | None]:
    """Return content accuracy and EC-A by each observer, and Emo-A, as flat metrics: overall, by emotion and by kind.

    `rows` has the columns of CONTENT_SCHEMA except the image. A noun that the judges have no name for does not count
    for them.
    """
    emotions = np.array([INDEX[emotion] for emotion in rows["emotion"].to_pylist()])
    kinds = np.array(rows["kind"].to_pylist())
    ranks = {"clip": _ranks(rows, "clip_rank") / top, "judge": _ranks(rows, "judge_rank")}
    flat: dict[str, float | int | None] = {"n": len(rows)}
    for observer, emotional in JUDGES.items():
        said = matrix(rows, emotional).argmax(1)
        shown, felt, has_name = ranks[observer] <= 1, said == emotions, ~np.isnan(ranks[observer])
        for name, right in (("content", shown), ("emo_a", felt), ("ec_a", shown & felt)):
            for key, mask in _parts(kinds, has_name):
                if mask.any():
                    shares = share_results(Measure(name, observer), right[mask], emotions[mask])
                    flat |= flat_under(f"{name}/{observer}{key}", shares if not key else shares[:1])
    return flat


def _parts(kinds: NDArray[np.str_], has_name: Bools) -> Iterator[tuple[str, Bools]]:
    """Yield all images, then those of things and those of scenes, as the end of a key and a mask N."""
    yield "", has_name
    for kind in ("thing", "scene"):
        yield f"/{kind}s", has_name & (kinds == kind)


def _ranks(rows: Columns, name: str) -> NDArray[np.float64]:
    return rows[name].to_numpy().astype(np.float64)


def _rank(values: NDArray[np.floating], index: int) -> int:
    """Return the rank of one of several values, 1 for the largest."""
    return int((values > values[index]).sum()) + 1
