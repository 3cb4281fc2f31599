"""Simulate EmoSet's annotation of a drawn image: the output of an imperfect detector, not the truth (SCIENCE 1.6)."""

from typing import Any

import numpy as np

from pipeline.miniature import distributions as d
from pipeline.miniature.truth import Truth
from pipeline.miniature.world import OBJECT_NAMES

TRUE_RATE = sum(count * rate for count, rate in d.NUM_OBJECTS.items()) * d.DETECTOR_RECALL
FALSE_RATE = TRUE_RATE * (1 - d.DETECTOR_PRECISION) / d.DETECTOR_PRECISION


def annotation(truth: Truth, image_id: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return the annotation of one image under EmoSet's keys; as in EmoSet, an absent attribute has no key."""
    fields: dict[str, Any] = {
        "image_id": image_id,
        "emotion": truth.label,
        "brightness": round(truth.brightness, 1),
        "colorfulness": round(truth.colorfulness, 1),
    }
    if truth.scene_annotated:
        fields["scene"] = truth.scene
    objects = detected_objects(truth, rng)
    if objects:
        fields["object"] = [name.replace("_", " ").capitalize() for name in objects]
    if truth.expression is not None and rng.random() < d.DETECTOR_RECALL:
        fields["facial_expression"] = truth.expression
    if truth.action is not None and rng.random() < d.DETECTOR_RECALL:
        fields["human_action"] = truth.action
    return fields


def detected_objects(truth: Truth, rng: np.random.Generator) -> list[str]:
    """Return the names of the objects that the detector reports.

    Objects in the image come first, by decreasing area; each is found with probability DETECTOR_RECALL. Invented ones
    follow: a Poisson number, with mean FALSE_RATE, of objects that are not in the image. The list is empty where the
    detector does not run (a share 1 - DETECTOR_RATE of the images).
    """
    if rng.random() >= d.DETECTOR_RATE:
        return []
    found = [
        thing.name for thing in sorted(truth.objects, key=lambda thing: -thing.area) if rng.random() < d.DETECTOR_RECALL
    ]
    absent = [name for name in OBJECT_NAMES if name not in {thing.name for thing in truth.objects}]
    return found + rng.choice(absent, rng.poisson(FALSE_RATE), replace=False).tolist()
