"""Provide the reference values shown beside a method's metrics: the same metrics of real images of the same emotions.

FID is an exception: it is computed anew for every method, because it depends on n (real.real_fid).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pipeline.emotion_set import EMOTIONS, Emotion

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
