"""Measure how often captions name what is in the image, before and after the CLIP filter."""

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
import pyarrow as pa

from pipeline.emotions import EMOTIONS
from pipeline.miniature.checks.rates import share
from pipeline.miniature.vocabulary import OBJECTS, SCENES


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
