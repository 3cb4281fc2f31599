"""Compute every metric of a set of images from its table of judgements, as one flat file with real images beside.

LPIPS reads the images of its pairs a second time, because feature maps are too large for a table. Beside each metric
stands that of real images of the same emotions; FID is an exception: it is computed anew for every method, because it
depends on n (real.real_fid).
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.emotion_set import EMOTIONS, Emotion
from pipeline.metrics.backbones import clarity_name, judge_name, perceptual_networks
from pipeline.metrics.coherence import Plausibility, coherence
from pipeline.metrics.columns import Columns
from pipeline.metrics.emogen import never_reset_pairs
from pipeline.metrics.emotion_accuracy import accuracy_of_files, asked, emotion_accuracy
from pipeline.metrics.fid import fid
from pipeline.metrics.judgement import Bench, Take
from pipeline.metrics.lpips import Perceptual, lpips
from pipeline.metrics.means import mean_results
from pipeline.metrics.pairs import pairs_within_emotions
from pipeline.metrics.real import GeneratorOf, Names, Real, clip_features, fid_features, real_fid
from pipeline.metrics.reference import Reference
from pipeline.metrics.result import Measure, Protocol, Result, flat, flat_under, undefined
from pipeline.metrics.semantic_clarity import semantic_clarity
from pipeline.metrics.semantic_diversity import cosine_diversity, mse_diversity

if TYPE_CHECKING:
    from pipeline.params import Scores


PAIRED = ("lpips", "feature_distance", "sem_d_cosine", "sem_d_mse")


def beside(generated: Mapping[str, Any], real: Mapping[str, Any], keys: Iterable[str]) -> dict[str, float]:
    """Return real/key and real/key/emotion for each overall key, from flat metrics of images and of real images.

    real/key is the mean over the emotions that the images have; Emo-A and Sem-C under `emogen`, which pools images, are
    weighted by the images that each emotion has. Values that are unknown for real images are omitted, and so is a mean
    that would lack an emotion.
    """
    values: dict[str, float] = {}
    for key in keys:
        own = [emotion for emotion in EMOTIONS if generated.get(f"{key}/{emotion}") is not None]
        comparable = {
            emotion: real.get(f"{key}/{emotion}") for emotion in own if _is_alike(key, emotion, generated, real)
        }
        each = {emotion: value for emotion, value in comparable.items() if value is not None}
        values |= {f"real/{key}/{emotion}": value for emotion, value in each.items()}
        if own and len(each) == len(own):
            weights = [generated[f"{key}/{emotion}/n"] if _pools_images(key) else 1 for emotion in each]
            values[f"real/{key}"] = float(np.average(list(each.values()), weights=weights))
    return values


def _is_alike(key: str, emotion: Emotion, generated: Mapping[str, Any], real: Mapping[str, Any]) -> bool:
    """Return True if both values cover the same emotions.

    Under `emogen`, the pairs of an emotion also contain images of all emotions before it.
    """
    if not key.endswith("/emogen") or _pools_images(key):
        return True
    before = EMOTIONS[: EMOTIONS.index(emotion)]
    return [_has(generated, one) for one in before] == [_has(real, one) for one in before]


def _pools_images(key: str) -> bool:
    """Return True for means over images under `emogen`. Means over pairs always weigh emotions equally."""
    return key.endswith("/emogen") and not key.startswith(PAIRED)


def _has(metrics: Mapping[str, Any], emotion: Emotion) -> bool:
    """Return True if the metrics cover images of an emotion."""
    return f"emo_a/classifier/{emotion}" in metrics


log = logging.getLogger("evoke")
MEANS = ("luminance", "chroma")
COUNTED = ("emo_a/classifier", "emo_a/judge", "emo_a/gap", *MEANS)
Flat = dict[str, Any]  # numbers, strings, booleans, null


@dataclass(frozen=True)
class Yardstick:
    """Hold what images are measured with: backbone names, perceptual networks, plausibility and settings."""

    names: Names
    networks: tuple[Perceptual, ...]
    plausibility: Plausibility | None
    settings: "Scores"


def yardstick_of(
    bench: Bench, settings: "Scores", pretrained: Path, clip: str | None, plausibility: Plausibility | None
) -> Yardstick:
    """Return the yardstick of a bench of judges.

    `clip` is the CLIP's id on the hub, or None for one trained here; `plausibility` is None if unknown.
    """
    judges = bench.judges
    names = Names(clip or "clip_miniature", judge_name(judges), clarity_name(judges))
    networks = perceptual_networks(judges, settings, pretrained, bench.clip.device)
    return Yardstick(names, networks, plausibility, settings)


def image_results(scores: Columns, take: Take, yardstick: Yardstick, generator_of: GeneratorOf) -> list[Result]:
    """Return Sem-C, coherence, diversity and, under `emogen`, Emo-A: overall and per emotion.

    Sem-C and coherence are left out if the judges know no scene and no object.
    """
    emotions, name, results = asked(scores), yardstick.names.clarity, list[Result]()
    if has_clarity(scores):
        results += semantic_clarity(scores["clarity"].to_numpy(), emotions, generator_of("sem_c"), name)
    if yardstick.plausibility:
        results += coherence(yardstick.plausibility, scores, emotions, generator_of("coherence"), name)
    if "emogen" in yardstick.settings.protocols:
        results += accuracy_of_files(scores)
        if has_clarity(scores):
            stored = scores["stored_clarity"].to_numpy()
            results += semantic_clarity(stored, emotions, generator_of("sem_c", "emogen"), name, "emogen")
    for protocol in (each for each in yardstick.settings.protocols if each != "clean-fid"):
        results += diversity_results(scores, take, yardstick, protocol, generator_of("pairs", protocol))
    return results


def has_clarity(scores: Columns) -> bool:
    """Return whether the images have Sem-C; it is null if the judges know no scene and no object."""
    return not scores["clarity"].null_count


def diversity_results(
    scores: Columns, take: Take, yardstick: Yardstick, protocol: Protocol, generator: np.random.Generator
) -> list[Result]:
    """Return LPIPS by each network and Sem-D, computed on the same pairs."""
    draw = never_reset_pairs if protocol == "emogen" else pairs_within_emotions
    pairs = draw(asked(scores), yardstick.settings.num_pairs, generator)
    features, name = clip_features(scores, protocol), yardstick.names.clip
    results = cosine_diversity(features, pairs, name, protocol) + mse_diversity(features, pairs, name, protocol)
    for network in yardstick.networks:
        results += lpips(pairs, lambda rows: take(rows, protocol), network, yardstick.settings.batch_size, protocol)
    return results


def fid_results(scores: Columns, references: Mapping[str, Reference], generator_of: GeneratorOf) -> list[Result]:
    """Return FID from each reference, overall and per emotion.

    An emotion that the reference lacks has an undefined value and does not count in the overall one.
    """
    emotions, results = asked(scores), []
    for column, reference in references.items():
        has_reference = np.isin(emotions, list(reference.parts))
        features = fid_features(scores, column)[has_reference]
        results += fid(features, emotions[has_reference], reference, generator_of("fid", column))
        for index, n in sorted(Counter(emotions[~has_reference].tolist()).items()):
            results.append(undefined(reference.measure, n, EMOTIONS[index]))
    return results


def method_metrics(scores: Columns, take: Take, yardstick: Yardstick, real: Real, generator_of: GeneratorOf) -> Flat:
    """Return flat metrics of a method's images.

    Values under real/ belong to real images of the same emotions; for FID, to equally many of them.
    """
    results = image_results(scores, take, yardstick, generator_of) + fid_results(scores, real.references, generator_of)
    metrics = _flat(scores, results, generator_of("bootstrap")) | _labels(yardstick, real.references)
    fids = real_fid(real.read, real.references, Counter(asked(scores).tolist()), generator_of)
    keys = [*COUNTED, *(result.key for result in results if not result.emotion and result.measure.name != "fid")]
    return metrics | beside(metrics, real.metrics, keys) | flat(fids, "real/")


def real_metrics(
    scores: Columns, take: Take, yardstick: Yardstick, references: Mapping[str, Reference], generator_of: GeneratorOf
) -> Flat:
    """Return flat metrics of real images; FID compares one half of them with the other.

    The log says if there is no Sem-C, of real images and so of all that are compared with them.
    """
    if not has_clarity(scores):
        log.info("No Sem-C: the judges know no scene and no object, as the labelled corpus names none.")
    half = dict(Counter(asked(scores).tolist()))
    results = image_results(scores, take, yardstick, generator_of)
    results += real_fid(scores.select, references, half, generator_of)
    return _flat(scores, results, generator_of("bootstrap")) | _labels(yardstick, references)


def _flat(scores: Columns, results: Sequence[Result], generator: np.random.Generator) -> Flat:
    metrics: Flat = {"n": len(scores), **emotion_accuracy(scores, generator)}
    for name in MEANS:
        metrics |= flat_under(
            name, mean_results(Measure(name, "pixels"), scores[name].to_numpy(), asked(scores), generator)
        )
    return metrics | flat(results)


def _labels(yardstick: Yardstick, references: Mapping[str, Reference]) -> Flat:
    """Return labels of the results.

    The labels are the names of the judges, the number of pairs per emotion, and the key of the real images behind each
    FID (fid/backbone/protocol/reference).
    """
    names = yardstick.names
    labels: Flat = {"judge/classifier": f"{names.clip} head", "judge/judge": names.judge}
    labels["num_pairs"] = yardstick.settings.num_pairs
    return labels | {f"{reference.measure.key}/reference": reference.key for reference in references.values()}
