"""Compare results on the drawn world with its truth: captions, emotions, coefficients. Only reports read these checks.

A coefficient averages p(label | image) over the images that are *annotated* with an attribute, so the best possible
classifier's coefficient equals p(label | attribute annotated) up to the sampling of images, and that is computed here
in closed form. It is far from p(label | attribute drawn), because the annotator finds some of the objects and invents
others (SCIENCE 1.6). The formulas follow `World.truth` and `annotation.detected_objects`, and depend neither on the
seed nor on `polarity_share`.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import wilson_interval
from pipeline.miniature import distributions as d
from pipeline.miniature.annotation import FALSE_RATE
from pipeline.miniature.vocabulary import OBJECTS, SCENES
from pipeline.miniature.world import OBJECT_NAMES, SCENE_NAMES, Floats, World, normalised

CONFIDENCE_BINS = ((0.00, 0.30), (0.30, 0.50), (0.50, 0.75), (0.75, 0.90), (0.90, 1.00))  # the last includes both ends
LEAST_IMAGES = 10  # attributes on fewer images are not compared
COLUMNS = {"": "coefficient", "_out_of_fold": "mean", "_in_sample": "in_sample"}


def share(values: NDArray[np.bool_]) -> float:
    """Return the share of True values, or NaN for an empty array."""
    return mean(values.astype(np.float64))


def mean(values: NDArray[np.floating]) -> float:
    """Return the mean, or NaN for an empty array."""
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")


def of_corpus(truth: pa.Table, corpus: str) -> pa.Table:
    """Return the truth with the prefix of its image ids replaced by `corpus`: wikiart/000001 becomes emoart/000001."""
    image_ids = pc.replace_substring_regex(truth["image_id"], "^[^/]+", corpus)
    return truth.set_column(truth.column_names.index("image_id"), "image_id", image_ids)


def of_pictures(truth: pa.Table, image_ids: pa.ChunkedArray) -> pa.Table:
    """Return the rows of these images, in their order. Raises AssertionError if an image is missing."""
    rows = pc.index_in(image_ids, value_set=truth["image_id"].combine_chunks())
    assert rows.null_count == 0, f"{rows.null_count} of {len(image_ids)} images are not in the truth"
    return truth.take(rows)


def named(caption: str, nouns: dict[str, str]) -> set[str]:
    """Return the names from a vocabulary (name -> noun) that a caption contains; "amusement park" is no park."""
    by_noun = {noun: name for name, noun in nouns.items()}
    return {by_noun[noun] for noun in pattern(tuple(by_noun)).findall(caption)}


@cache
def pattern(nouns: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches whole nouns, preferring the longest at each position."""
    longest_first = sorted(nouns, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")


def scene_right(caption: str, scene: str) -> bool:
    """Check that the caption names the scene of the image and no other."""
    return named(caption, SCENES) == {scene}


def objects_right(caption: str, objects: Iterable[str]) -> bool:
    """Check that the caption names at least one object, and none that is not in the image."""
    names = named(caption, OBJECTS)
    return bool(names) and names <= set(objects)


def caption_checks(captions: pa.Table, filtered: pa.Table, truth: pa.Table) -> dict[str, float]:
    """Return the rates of train captions with the right scene, the right objects, and both.

    The rates are given for all train captions (before), those kept by the filter (after) and those dropped; the last
    rate also per emotion. Undefined rates are left out. Columns: `captions` has image_id and caption; `filtered` has
    image_id, emotion, split and kept of the same rows; `truth` has image_id, scene and objects of these rows or more.
    All are sorted by image_id.
    """
    at = {image_id: index for index, image_id in enumerate(truth["image_id"].to_pylist())}
    rows = [at[image_id] for image_id in captions["image_id"].to_pylist()]
    scenes, objects = truth["scene"].to_pylist(), truth["objects"].to_pylist()
    texts = captions["caption"].to_pylist()
    scene_ok = np.array([scene_right(text, scenes[row]) for text, row in zip(texts, rows, strict=True)])
    object_ok = np.array(
        [objects_right(text, (thing["name"] for thing in objects[row])) for text, row in zip(texts, rows, strict=True)]
    )
    train = np.array(filtered["split"].to_pylist()) == "train"
    is_kept = filtered["kept"].to_numpy(zero_copy_only=False)
    emotions = np.array(filtered["emotion"].to_pylist())
    parts = {"before": train, "after": train & is_kept, "dropped": train & ~is_kept}
    rates: dict[str, float] = {"n": float(train.sum())}
    for part, members in parts.items():
        rates[f"scene_right_{part}"] = share(scene_ok[members])
        rates[f"object_right_{part}"] = share(object_ok[members])
        rates[f"both_right_{part}"] = share((scene_ok & object_ok)[members])
        for emotion in EMOTIONS:
            rates[f"both_right_{part}_{emotion}"] = share((scene_ok & object_ok)[members & (emotions == emotion)])
    return {key: value for key, value in rates.items() if np.isfinite(value)}


def emotion_checks(judged: Mapping[str, NDArray[np.floating]], truth: pa.Table) -> dict[str, float]:
    """Return the accuracy of each judge and of the Bayes classifier.

    It is measured against the labels, with a 95 % interval, and against the true emotions. `judged` maps a name to
    probabilities N8; `truth` has label, emotion and posterior of the same N images. bayes_expected is the Bayes
    classifier's accuracy averaged over possible labels; it is less noisy than the accuracy on these labels.
    """
    labels, emotions = (places(truth[name]) for name in ("label", "emotion"))
    posterior = np.array(truth["posterior"].to_pylist())
    rates: dict[str, float] = {"num_test": len(truth), "bayes_expected": float(posterior.max(1).mean())}
    for name, probabilities in {**judged, "bayes": posterior}.items():
        answers = probabilities.argmax(1)
        low, high = wilson_interval(int((answers == labels).sum()), len(labels))
        rates[f"{name}_accuracy"] = share(answers == labels)
        rates[f"{name}_accuracy_low"], rates[f"{name}_accuracy_high"] = low, high
        rates[f"{name}_accuracy_true"] = share(answers == emotions)
    return rates


def curation_checks(curation: pa.Table, truth: pa.Table) -> dict[str, float]:
    """Return the share of art kept, and how often its emotion is the drawn one, among the kept and by confidence.

    `curation` has image_id, emotion, confidence and reason; `truth` has image_id and emotion of these rows or more. An
    image drawn for no emotion agrees with none. For each confidence bin, kept or not, the mean confidence is given
    beside the agreement that it predicts, because calibration on photographs need not hold on art. Undefined rates are
    left out.
    """
    true_places = places(of_pictures(truth, curation["image_id"])["emotion"])
    confidence, is_kept = curation["confidence"].to_numpy(), np.array(curation["reason"].to_pylist()) == "kept"
    right, without = places(curation["emotion"]) == true_places, true_places < 0
    low, high = wilson_interval(int(right[is_kept].sum()), int(is_kept.sum()))
    rates: dict[str, float] = {
        "num_art": len(curation), "num_kept": int(is_kept.sum()), "kept_share": share(is_kept),
        "kept_agreement": share(right[is_kept]), "kept_agreement_low": low, "kept_agreement_high": high,
        "kept_agreement_emotional": share(right[is_kept & ~without]),
        "kept_confidence": mean(confidence[is_kept]), "kept_no_emotion": share(without[is_kept]),
    }  # fmt: skip
    for least, most in CONFIDENCE_BINS:
        members = (confidence >= least) & ((confidence < most) | (most == 1))
        at = f"at_{least:.2f}_{most:.2f}"
        rates |= {f"num_{at}": int(members.sum()), f"agreement_{at}": share(right[members])}
        rates |= {f"confidence_{at}": mean(confidence[members]), f"no_emotion_{at}": share(without[members])}
    return {key: value for key, value in rates.items() if np.isfinite(value)}


def places(emotions: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the index of each emotion in EMOTIONS, -1 for none."""
    indices = pc.index_in(emotions.cast(pa.string()), value_set=pa.array(EMOTIONS))
    return indices.fill_null(-1).to_numpy().astype(np.int64)


def label_given_attribute(world: World) -> dict[str, Floats]:
    """Return p(label | annotated with the attribute), (8,), by scene/<name> and object/<name> of the vocabulary."""
    scenes = world.scene_given_emotion[1]
    objects = annotated_objects(world)
    return {
        f"{kind}/{name}": normalised(d.PRIOR * given_emotion[:, index]) @ world.label_given_emotion
        for kind, names, given_emotion in (("scene", SCENE_NAMES, scenes), ("object", OBJECT_NAMES, objects))
        for index, name in enumerate(names)
    }


def annotated_objects(world: World) -> Floats:
    """Return p(object annotated | emotion), found or invented, for images on which the detector runs, (8, 24)."""
    p_scene = np.tensordot([1 - d.SCENE_ANNOTATED, d.SCENE_ANNOTATED], world.scene_given_emotion, 1)
    total = np.zeros((len(d.PRIOR), len(OBJECT_NAMES)))
    for (number, p_number), present in zip(d.NUM_OBJECTS.items(), drawn_objects(world), strict=True):
        invented = FALSE_RATE / (len(OBJECT_NAMES) - number)
        reported = d.DETECTOR_RECALL * present + invented * (1 - present)
        total += p_number * np.einsum("es,seo->eo", p_scene, reported)
    return total


def drawn_objects(world: World) -> Floats:
    """Return p(object is in the image | number of objects (1 to 3), scene, emotion), (3, 15, 8, 24).

    The first object is a trigger or a filler; the others are fillers drawn without replacement.
    """
    fillers = world.filler_given_scene
    first = d.TRIGGER_RATE * world.trigger_given_emotion + (1 - d.TRIGGER_RATE) * fillers[:, None]
    second, third = np.empty_like(first), np.empty_like(first)
    for scene, weights in enumerate(fillers):
        second[scene] = first[scene] @ after(weights)
        third[scene] = np.einsum("ea,abc->ec", first[scene], after(weights)[:, :, None] * after_two(weights))
    return np.cumsum([first, second, third], axis=0)


def after(weights: Floats) -> Floats:
    """Return p(second object | first object), (24, 24); the second is a filler drawn without replacement."""
    table = np.tile(weights, (len(weights), 1))
    np.fill_diagonal(table, 0)
    return normalised(table)


def after_two(weights: Floats) -> Floats:
    """Return p(third object | first, second), (24, 24, 24); the third is a filler drawn without replacement."""
    diagonal = np.arange(len(weights))
    table = np.tile(weights, (len(weights), len(weights), 1))
    table[diagonal, :, diagonal] = 0
    table[:, diagonal, diagonal] = 0
    return normalised(table)


def correlation_checks(table: pa.Table) -> dict[str, float]:
    """Return rank correlations and mean absolute errors for a table under CORRELATION_SCHEMA.

    Figures without suffix refer to the coefficient, which is shrunk where the parameters say so. Those ending in
    _out_of_fold are not shrunk, and those ending in _in_sample come from a classifier that has seen the images. Errors
    are given for probabilities only, not for a table of logarithms. Undefined figures are left out, and attributes that
    the world does not have or that fewer than LEAST_IMAGES images show are not compared.
    """
    world = World(seed=0)  # the conditionals do not depend on the seed
    conditionals = label_given_attribute(world)
    in_truth = pc.is_in(table["attribute"], value_set=pa.array(conditionals))
    often = table.filter(pc.and_(in_truth, pc.greater_equal(table["num_images"], LEAST_IMAGES)))
    true = np.array([conditionals[name] for name in often["attribute"].to_pylist()]).reshape(-1, len(EMOTIONS))
    prior = np.tile(d.PRIOR @ world.label_given_emotion, (len(true), 1))
    numbers: dict[str, float] = {"correlation_num_attributes": len(often)}
    numbers["correlation_rank_prior"] = rank_correlation(prior, true)
    for suffix, column in COLUMNS.items():
        coefficients = np.array(often[column].to_pylist()).reshape(-1, len(EMOTIONS))
        by_emotion = [rank_correlation(coefficients[:, place], true[:, place]) for place in range(len(EMOTIONS))]
        numbers[f"correlation_rank{suffix}"] = rank_correlation(coefficients, true)
        numbers[f"correlation_rank_by_emotion{suffix}"] = float(np.mean(by_emotion))
        if not suffix:
            numbers |= {f"correlation_rank_{name}": rank for name, rank in zip(EMOTIONS, by_emotion, strict=True)}
        if coefficients.size and coefficients.min() >= 0:
            numbers[f"correlation_error{suffix}"] = float(np.abs(coefficients - true).mean())
    return {key: value for key, value in numbers.items() if np.isfinite(value)}


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation of the entries of two arrays of the same shape; NaN where it is undefined.

    Ties take their mean rank.
    """
    a, b = ranks(first), ranks(second)
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """Return the rank of each entry from 1, flattened; ties take their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: Floats = (last - (counts - 1) / 2)[places.ravel()]
    return result
