"""Measure the miniature CLIP on held-out images: retrieval, swapped captions, and an emotion probe."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.emotion_set import INDEX
from pipeline.foundation.clip import Clip
from pipeline.foundation.training.continuing import swap_object
from pipeline.miniature.captions import caption
from pipeline.miniature.stream import PictureSet, pictures
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import EXPRESSIONS, SCENES
from pipeline.miniature.world import World

Figures = dict[str, float]
SEED, PROBE_SEED = 0, 1  # seeds of the held-out stream and of an EmoSet-like world that is not a corpus
GALLERY = 256
PROBE_TRAIN, PROBE_TEST = 5000, 3000


def clip_figures(clip: Clip, held_out: PictureSet, workers: int) -> Figures:
    """Return the figures of CLIP on held-out images.

    They are retrieval among distinct captions, the share of swapped captions (object, scene, expression) that score
    lower than the image's own, and the emotion probe beside the best possible accuracy.
    """
    texts = captions_of(held_out.truths)
    image_ND, text_ND = encode_all(clip.encode_images, held_out.images), encode_all(clip.encode_texts, texts)
    own = (image_ND * text_ND).sum(1)
    figures = {"clip/retrieval_at_1_of_256": retrieval(image_ND, text_ND, texts)}
    for kind, swap in {"object": swap_object, "scene": swap_scene, "expression": swap_expression}.items():
        swapped = [swap(truth, np.random.default_rng((SEED, 1, index))) for index, truth in enumerate(held_out.truths)]
        rows = [index for index, truth in enumerate(swapped) if truth is not None]
        others = captions_of([truth or held_out.truths[index] for index, truth in enumerate(swapped)])
        wrong = (image_ND * encode_all(clip.encode_texts, others)).sum(1)
        figures[f"clip/swapped_{kind}_lower"] = float((own > wrong)[rows].mean())
        figures[f"clip/swapped_{kind}_n"] = len(rows)
    return figures | probe_figures(clip, workers)


def captions_of(truths: Sequence[Truth]) -> list[str]:
    """Return one plain caption each; the word order is equal for truths that differ only in a name."""
    return [caption(truth, np.random.default_rng((SEED, index))) for index, truth in enumerate(truths)]


def encode_all(encode_batch: Callable[..., Tensor], items: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Return the features ND of all items, encoded in batches."""
    return torch.cat([encode_batch(items[start : start + 250]) for start in range(0, len(items), 250)]).numpy()


def retrieval(image_ND: np.ndarray, text_ND: np.ndarray, texts: Sequence[str]) -> float:
    """Return the share of images whose own caption is the nearest of 256 distinct captions.

    The share is taken over as many such galleries as there are.
    """
    first_rows = np.unique(np.array(texts), return_index=True)[1]
    rows = np.random.default_rng(SEED).permutation(np.sort(first_rows))
    galleries = rows[: len(rows) // GALLERY * GALLERY].reshape(-1, GALLERY)
    hits = [(image_ND[rows] @ text_ND[rows].T).argmax(1) == np.arange(GALLERY) for rows in galleries]
    return float(np.mean(hits))


def swap_scene(truth: Truth, rng: np.random.Generator) -> Truth | None:
    """Return the truth with another scene."""
    return dataclasses.replace(truth, scene=str(rng.choice([scene for scene in SCENES if scene != truth.scene])))


def swap_expression(truth: Truth, rng: np.random.Generator) -> Truth | None:
    """Return the truth with another facial expression, or None if it has no person or expression."""
    if truth.person is None or truth.expression is None:
        return None
    other = str(rng.choice([expression for expression in EXPRESSIONS if expression != truth.expression]))
    return dataclasses.replace(truth, person=dataclasses.replace(truth.person, expression=other))


def probe_figures(clip: Clip, workers: int) -> Figures:
    """Return the accuracy of a linear probe on image features, and of the world's own posterior on the same images.

    Both are measured against the annotated emotions.
    """
    from sklearn.linear_model import LogisticRegression

    world, image_set = World(PROBE_SEED), pictures(PROBE_SEED, 0, PROBE_TRAIN + PROBE_TEST, workers, stream="emoset")
    features = encode_all(clip.encode_images, image_set.images) * np.sqrt(clip.width)
    labels = np.array([INDEX[str(truth.label)] for truth in image_set.truths])
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(features[:PROBE_TRAIN], labels[:PROBE_TRAIN])
    best = np.array([world.posterior(truth).argmax() for truth in image_set.truths[PROBE_TRAIN:]])
    return {
        "clip/probe_accuracy": float((probe.predict(features[PROBE_TRAIN:]) == labels[PROBE_TRAIN:]).mean()),
        "clip/bayes_accuracy": float((best == labels[PROBE_TRAIN:]).mean()),
    }
