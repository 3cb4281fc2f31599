"""Probabilities of train pictures by classifiers that have not seen them: what correlation is fitted on (SCIENCE 2).

In-sample values are nearly label frequencies, as a classifier remembers what its pictures were called.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS, INDEX
from pipeline.features import feature_matrix
from pipeline.judges.head import fit_head
from pipeline.runtime import numpy_generator, seed_of

if TYPE_CHECKING:
    from pipeline.params import EmotionClassifier

Integers = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """Probabilities N8 of the train pictures: by heads that have not seen them, and by one that has."""

    out_of_fold: Probabilities
    in_sample: Probabilities


def judge_train(
    pictures: pa.Table, features: pa.Table, settings: "EmotionClassifier", num_folds: int, seed: int
) -> Judged:
    """Judges each train picture by a head fitted on the other folds, and by one fitted on all; each chosen on val.

    pictures: image_id, emotion, split; features: image_id, feature, norm of the same rows. The folds are stratified by
    emotion. Raises ValueError where the tables are not of the same pictures.
    """
    if features["image_id"].to_pylist() != pictures["image_id"].to_pylist():
        raise ValueError("the features are not of the pictures of the corpus; `dvc repro` makes them again")
    split = np.array(pictures["split"].to_pylist())
    train, val = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    vectors, norms = feature_matrix(features), features["norm"].to_numpy()
    emotions = np.array([INDEX[emotion] for emotion in pictures["emotion"].to_pylist()], np.int64)

    def judged(fitted: Integers, asked: Integers, part: int) -> Probabilities:
        head_seed = seed_of(seed, "correlation", part)
        head = fit_head(vectors[fitted], emotions[fitted], vectors[val], emotions[val], settings, head_seed)
        return head.probabilities(vectors[asked], norms[asked])

    folds = stratified_folds(emotions[train], num_folds, numpy_generator(seed, "correlation", "folds"))
    out_of_fold = np.empty((len(train), len(EMOTIONS)), np.float32)
    for fold in range(num_folds):
        out_of_fold[folds == fold] = judged(train[folds != fold], train[folds == fold], fold)
    return Judged(out_of_fold, judged(train, train, num_folds))


def stratified_folds(emotions: Integers, num_folds: int, rng: np.random.Generator) -> Integers:
    """The fold (N,) of each picture: each emotion's pictures in random order, dealt one by one.

    Folds differ by one picture at most, overall and within each emotion.
    """
    dealt = np.lexsort((rng.random(len(emotions)), emotions))
    folds = np.empty(len(emotions), np.int64)
    folds[dealt] = np.arange(len(emotions)) % num_folds
    return folds
