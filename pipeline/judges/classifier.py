"""Provide the emotion classifier of the corpus: trained on its train split or imported from EmoGen.

Both are calibrated on the val split. The network itself is in head.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.features import feature_matrix
from pipeline.judges.examples import in_half
from pipeline.judges.head import EmotionHead, calibrate, fit_head, load_head
from pipeline.rows import emotion_indices
from pipeline.runtime import seed_of

if TYPE_CHECKING:
    from pipeline.params import EmotionClassifier


@dataclass(frozen=True)
class Pictures:
    """Hold N images of a corpus with their CLIP features.

    Fields: image_ids and splits of shape N, emotions N int64, features ND float32 of unit length, and norms N, the
    lengths of the features before they were normalized.
    """

    image_ids: NDArray[np.object_]
    splits: NDArray[np.object_]
    emotions: NDArray[np.int64]
    features: NDArray[np.float32]
    norms: NDArray[np.float32]

    @classmethod
    def of(cls, rows: pa.Table, features: pa.Table) -> Self:
        """Build the images from corpus rows and their features.

        rows has the columns image_id, emotion and split. Raises ValueError if the features belong to other images.
        """
        ids, splits = (np.array(rows[name].to_pylist(), object) for name in ("image_id", "split"))
        if features["image_id"].to_pylist() != ids.tolist():
            raise ValueError("The features do not belong to the images of the corpus; run `dvc repro`.")
        emotions = emotion_indices(rows)
        return cls(ids, splits, emotions, feature_matrix(features), features["norm"].to_numpy())

    def where(self, wanted: NDArray[np.bool_]) -> "Pictures":
        """Return the images that a boolean mask N selects."""
        return Pictures(
            self.image_ids[wanted],
            self.splits[wanted],
            self.emotions[wanted],
            self.features[wanted],
            self.norms[wanted],
        )

    def in_split(self, split: str) -> "Pictures":
        return self.where(self.splits == split)


def trained_classifier(pictures: Pictures, settings: "EmotionClassifier", seed: int) -> tuple[EmotionHead, int]:
    """Return a head trained on the half of the train split given in the settings, and the number of images it saw.

    The val split selects the epoch and sets the temperature (`fit_head`).
    """
    train, val = pictures.in_split("train"), pictures.in_split("val")
    train = train.where(in_half(train.image_ids.tolist(), settings.half))
    head_seed = seed_of(seed, "emotion_classifier")
    head = fit_head(train.features, train.emotions, val.features, val.emotions, settings, head_seed)
    return head, len(train.emotions)


def imported_classifier(pictures: Pictures, folder: Path) -> EmotionHead:
    """Return a published head calibrated on the val split, which does not change its decisions.

    Raises ValueError if the folder is missing or if the head takes features of another width.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: no imported emotion classifier found; run `evoke import-emogen`, or set "
            "emotion_classifier.source to train"
        )
    head, width = load_head(folder), pictures.features.shape[1]
    if head.width != width:
        raise ValueError(
            f"{folder}: this emotion classifier expects features of width {head.width}, those of foundation_clip have "
            f"{width}; use the CLIP that it was trained on (EmoGen: ViT-L/14, width 768), or set "
            "emotion_classifier.source to train"
        )
    val = pictures.in_split("val")
    calibrate(head, val.features, val.norms, val.emotions)
    return head
