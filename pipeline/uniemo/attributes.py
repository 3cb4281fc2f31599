"""Scenes and objects that the queries learn to find: as targets, and as bases in CLIP's joint space.

A base holds the attributes of one kind that occur in the train split. The nearest attribute of a query (UniEmo Eq. 5-6)
is searched only in the base of its own kind; the released code searches both bases together. If the train split has no
attribute of a kind, its base is empty: the queries of that kind stay, their loss is left out (learner.py), and their
coefficient in Eq. 6 is 1 (fusion.py).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.attributes import ATTRIBUTE_KINDS, attributes_of, words
from pipeline.weights import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip

FILE = "attributes.safetensors"
BATCH = 250  # texts per forward pass
log = logging.getLogger("evoke")
Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Base:
    """The K attributes of one kind.

    `names` are the annotated names, sorted; `features` are their texts in CLIP's joint space, KD of unit length.
    """

    names: tuple[str, ...]
    features: Tensor

    def nearest(self, joint_BD: Tensor, number: int = 1) -> list[list[tuple[str, float]]]:
        """Return for each row of BD the attributes with the highest cosine, best first, as (name, cosine) pairs.

        There are `number` of them, or fewer if the base is smaller.
        """
        if not self.names:
            return [[] for _ in joint_BD]
        similarity = joint_BD.float().cpu() @ self.features.T
        values, places = similarity.topk(min(number, len(self.names)), 1)
        return [
            [(self.names[place], value) for place, value in zip(row_places, row_values, strict=True)]
            for row_places, row_values in zip(places.tolist(), values.tolist(), strict=True)
        ]


def bases_of(train: pa.Table, clip: "Clip") -> dict[str, Base]:
    """Return the attributes of train images by kind, encoded by CLIP's frozen text encoder.

    `train` has the columns scene and objects. A kind without attributes is logged.
    """
    annotated = attributes_of(train).names
    bases = {}
    for kind in ATTRIBUTE_KINDS:
        names = tuple(name.removeprefix(f"{kind}/") for name in annotated if name.startswith(f"{kind}/"))
        if not names:
            log.warning("no %s is annotated in the train split; the loss is disabled and the coefficient is 1", kind)
        batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
        encoded = [clip.encode_texts([words(name) for name in batch]) for batch in batches]
        bases[kind] = Base(names, torch.cat([torch.empty(0, clip.width), *encoded]))
    return bases


def targets_of(pictures: pa.Table, bases: Mapping[str, Base], first_only: bool = False) -> Masks:
    """Return masks NK bool by kind: which of N images has which of the K attributes of a base.

    Attributes that are in no base are left out. With `first_only`, only the first annotated object counts, because in
    Eq. 4 an image has one.
    """
    if first_only:
        firsts = pa.array([objects[:1] for objects in pictures["objects"].to_pylist()], pa.list_(pa.string()))
        pictures = pa.table({"scene": pictures["scene"], "objects": firsts})
    annotated = attributes_of(pictures)
    masks = {}
    for kind, base in bases.items():
        at = {f"{kind}/{name}": place for place, name in enumerate(base.names)}
        columns = np.array([at.get(name, -1) for name in annotated.names], np.int64)[annotated.ids]
        masks[kind] = np.zeros((len(pictures), len(base.names)), bool)
        masks[kind][annotated.rows[columns >= 0], columns[columns >= 0]] = True
    return masks


def save_bases(bases: Mapping[str, Base], folder: Path) -> None:
    """Write FOLDER/attributes.safetensors: the features by kind, with the names as metadata."""
    names = {kind: json.dumps(base.names, ensure_ascii=False) for kind, base in bases.items()}
    save_safetensors(folder / FILE, {kind: base.features for kind, base in bases.items()}, names)


def load_bases(folder: Path) -> dict[str, Base]:
    """Return the bases of a folder by kind. Raises ValueError if the file is missing or damaged."""
    features, metadata = load_safetensors(folder / FILE)
    try:
        bases = {kind: Base(tuple(json.loads(metadata[kind])), features[kind]) for kind in ATTRIBUTE_KINDS}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder / FILE} is damaged: {error!r}; delete the folder and run `dvc repro`") from None
    if any(len(base.names) != len(base.features) for base in bases.values()):
        raise ValueError(
            f"{folder / FILE} does not have exactly one vector per name; delete the folder and run `dvc repro`"
        )
    return bases
