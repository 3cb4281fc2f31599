"""Attributes of images: annotated scenes and objects, as names, as texts for CLIP, and as pairs with images."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ATTRIBUTE_KINDS = ("scene", "object")  # in the order in which UniEmo's layers look for them
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Attributes:
    """Pairs of image and attribute: image rows[p] has the attribute names[ids[p]]; each pair occurs once.

    `names` are kind/name, sorted by code point.
    """

    names: tuple[str, ...]
    rows: Integers
    ids: Integers


def attributes_of(pictures: pa.Table) -> Attributes:
    """Return the annotated scenes and objects of images (columns scene, objects).

    An attribute that an image lists twice counts once.
    """
    scenes, objects = pictures["scene"].combine_chunks(), pictures["objects"].combine_chunks()
    keys = pa.concat_arrays(
        [
            pc.binary_join_element_wise("scene", scenes.drop_null(), "/"),
            pc.binary_join_element_wise("object", pc.list_flatten(objects), "/"),
        ]
    ).dictionary_encode()
    rows = np.concatenate([np.flatnonzero(scenes.is_valid()), pc.list_parent_indices(objects)]).astype(np.int64)
    names = keys.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    ids = np.argsort(order)[keys.indices.to_numpy()]
    pairs = np.unique(rows * max(1, len(names)) + ids)
    return Attributes(tuple(names[place] for place in order), *np.divmod(pairs, max(1, len(names))))


def words(name: str) -> str:
    """Return an annotated name as a text for CLIP, such as "alarm clock" for "Alarm clock" or "alarm_clock"."""
    return name.replace("_", " ").lower()
