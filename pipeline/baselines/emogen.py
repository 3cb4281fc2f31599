"""Training inputs of EmoGen beside images: an emotion space, and attributes with coefficients (REFERENCE D2).

EmoGen's emotion space is the last hidden layer of an emotion network on pixels. This implementation uses the hidden
layer of the emotion classifier, before its ReLU, because the judges, which are networks on pixels, only score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.attributes import attributes_of, words
from pipeline.baselines.generators import PART
from pipeline.baselines.training import More
from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.space import Space, fit_space
from pipeline.judges.head import EmotionHead
from pipeline.rows import emotion_indices, is_trained_on

if TYPE_CHECKING:
    from pipeline.corpora.records import TrainingSplits

BATCH = 250  # texts per forward pass


@dataclass(frozen=True)
class Attributes:
    """A scenes and objects: features AD in CLIP's joint space, coefficients A8, and which of N images has them, NA."""

    features: Tensor
    coefficients: Tensor
    owned: NDArray[np.bool_]


@torch.inference_mode()
def points_of(head: EmotionHead, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return points of the emotion space: unit CLIP features ND -> points NH.

    Raises ValueError for a classifier without a hidden layer.
    """
    if head.hidden is None:
        raise ValueError(
            "emogen needs an emotion classifier with a hidden layer, which defines its emotion space. Set "
            "emotion_classifier.source to train."
        )
    scaled = torch.from_numpy(np.ascontiguousarray(features)) * head.width**0.5
    first: Tensor = head.layers[0](scaled.to(head.temperature.device))
    return np.asarray(first.float().cpu().numpy())


def space_of(points: NDArray[np.float32], corpus: pa.Table, training_splits: "TrainingSplits" = "train") -> Space:
    """Return the Gaussians of the emotion space over the training splits, with the points of val as real ones."""
    splits, emotions = np.array(corpus["split"].to_pylist()), emotion_indices(corpus)
    train, val = is_trained_on(corpus, training_splits), splits == "val"
    return fit_space({PART: (points[train], emotions[train], points[val], emotions[val])})


def attributes(train: pa.Table, correlation: pa.Table, encoder: ConditionEncoder) -> Attributes:
    """Return the attributes of train images (columns scene and objects) that have a coefficient; there may be none."""
    annotated = attributes_of(train)
    table: Mapping[str, list[float]] = dict(
        zip(correlation["attribute"].to_pylist(), correlation["coefficient"].to_pylist(), strict=True)
    )
    names = [name for name in annotated.names if name in table]
    at = {name: place for place, name in enumerate(names)}
    owned = np.zeros((len(train), len(names)), bool)
    places = np.array([at.get(name, -1) for name in annotated.names], np.int64)[annotated.ids]
    owned[annotated.rows[places >= 0], places[places >= 0]] = True
    texts = [words(name.split("/", 1)[1]) for name in names]
    with torch.no_grad():
        parts = [encoder.of(texts[start : start + BATCH]).joint.cpu() for start in range(0, len(texts), BATCH)]
    features = torch.cat([torch.empty(0, encoder.joint_width), *parts])
    return Attributes(features, torch.tensor([table[name] for name in names]).reshape(-1, len(EMOTIONS)), owned)


def more_of(points: NDArray[np.float32], attributes: Attributes) -> More:
    """Return a function that adds EmoGen's inputs to a batch.

    The inputs are points BD and one random attribute of each image, B int64, -1 for none.
    """

    def more(rows: Tensor, generator: torch.Generator) -> Mapping[str, Tensor]:
        owned = torch.from_numpy(attributes.owned[rows.numpy()])
        if not owned.shape[1]:
            return {"points": torch.from_numpy(points[rows.numpy()]), "attribute": torch.full((len(rows),), -1)}
        chance = torch.rand(owned.shape, generator=generator) * owned
        attribute = torch.where(owned.any(1), chance.argmax(1), -1)
        return {"points": torch.from_numpy(points[rows.numpy()]), "attribute": attribute}

    return more
