"""Compute p(label | attribute annotated) of the drawn world in closed form: what correlation coefficients estimate.

A coefficient averages p(label | image) over the images that are *annotated* with the attribute, so the best possible
classifier's coefficient equals this conditional up to the sampling of images. It is far from p(label | attribute
drawn), because the annotator finds some of the objects and invents others (SCIENCE 1.6). The formulas follow
`World.truth` and `annotation.detected_objects`, and depend neither on the seed nor on `polarity_share`.
"""

import numpy as np

from pipeline.miniature import distributions as d
from pipeline.miniature.annotation import FALSE_RATE
from pipeline.miniature.world import OBJECT_NAMES, SCENE_NAMES, Floats, World, normalised


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
