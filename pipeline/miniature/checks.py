"""What was made of the drawn world against its truth: whether captions name what is there, and what the filter does to that."""

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.miniature.vocabulary import OBJECTS, SCENES


def named(caption: str, nouns: dict[str, str]) -> set[str]:
    """The things of a vocabulary that a caption names."""
    return {name for name, pattern in patterns(tuple(nouns.items())) if pattern.search(caption)}


@cache
def patterns(nouns: tuple[tuple[str, str], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """A pattern of the whole noun for each thing."""
    return tuple((name, re.compile(rf"\b{re.escape(noun)}\b")) for name, noun in nouns)


def scene_right(caption: str, scene: str) -> bool:
    """Whether the caption names the scene of the picture and no other."""
    return named(caption, SCENES) == {scene}


def objects_right(caption: str, objects: Iterable[str]) -> bool:
    """Whether the caption names at least one object, and none that is not there."""
    names = named(caption, OBJECTS)
    return bool(names) and names <= set(objects)


def caption_checks(captions: pa.Table, filtered: pa.Table, truth: pa.Table) -> dict[str, float]:
    """Rates of captions with scene and objects right: all of train, kept, dropped; overall and per emotion.

    captions: image_id, caption; filtered: image_id, emotion, split, kept; truth: image_id, scene, objects; all sorted by image_id."""
    at = {image_id: index for index, image_id in enumerate(truth["image_id"].to_pylist())}
    rows = [at[image_id] for image_id in captions["image_id"].to_pylist()]
    scenes, objects = truth["scene"].to_pylist(), truth["objects"].to_pylist()
    texts = captions["caption"].to_pylist()
    scene_ok = np.array([scene_right(text, scenes[row]) for text, row in zip(texts, rows, strict=True)])
    object_ok = np.array(
        [objects_right(text, (thing["name"] for thing in objects[row])) for text, row in zip(texts, rows, strict=True)]
    )
    train = np.array(filtered["split"].to_pylist()) == "train"
    kept = filtered["kept"].to_numpy(zero_copy_only=False)
    emotions = np.array(filtered["emotion"].to_pylist())
    parts = {"before": train, "after": train & kept, "dropped": train & ~kept}
    rates: dict[str, float] = {"n": float(train.sum())}
    for part, members in parts.items():
        rates[f"scene_right_{part}"] = share(scene_ok[members])
        rates[f"object_right_{part}"] = share(object_ok[members])
        rates[f"both_right_{part}"] = share((scene_ok & object_ok)[members])
        for emotion in EMOTIONS:
            rates[f"both_right_{part}_{emotion}"] = share((scene_ok & object_ok)[members & (emotions == emotion)])
    return {key: value for key, value in rates.items() if np.isfinite(value)}


def share(values: NDArray[np.bool_]) -> float:
    """The mean, NaN for nothing."""
    return float(values.mean()) if len(values) else float("nan")
