"""Judge train images with classifiers that have not seen them, as the input of correlation (SCIENCE 2).

In-sample probabilities are nearly the frequencies of the annotated emotions, because a classifier memorises the
emotions of the images it was fitted on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.features import feature_matrix
from pipeline.judges.head import fit_head
from pipeline.rows import emotion_indices
from pipeline.runtime import numpy_generator, seed_of

if TYPE_CHECKING:
    from pipeline.params import EmotionClassifier

Integers = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """Probabilities N8 of the train images, from heads that have not seen them and from one head that has.

    With one fold, `out_of_fold` is from the head that has seen them, as UniEmo writes.
    """

    out_of_fold: Probabilities
    in_sample: Probabilities


def judge_train(
    pictures: pa.Table, features: pa.Table, settings: "EmotionClassifier", num_folds: int, seed: int
) -> Judged:
    """Return the probabilities of each train image, out of fold and in sample.

    The first come from a head fitted on the other folds, the second from a head fitted on all folds; each head is
    selected on val. With one fold both are in sample. Folds are stratified by emotion. `pictures` has image_id,
    emotion, split; `features` has image_id, feature, norm of the same rows. Raises ValueError if the tables do not list
    the same images.
    """
    if features["image_id"].to_pylist() != pictures["image_id"].to_pylist():
        raise ValueError("The features do not belong to the images of the corpus; run `dvc repro`.")
    split = np.array(pictures["split"].to_pylist())
    train, val = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    vectors, norms = feature_matrix(features), features["norm"].to_numpy()
    emotions = emotion_indices(pictures)

    def judged(fitted: Integers, scored: Integers, part: int) -> Probabilities:
        head_seed = seed_of(seed, "correlation", part)
        head = fit_head(vectors[fitted], emotions[fitted], vectors[val], emotions[val], settings, head_seed)
        return head.probabilities(vectors[scored], norms[scored])

    in_sample = judged(train, train, num_folds)
    if num_folds == 1:
        return Judged(in_sample, in_sample)
    folds = stratified_folds(emotions[train], num_folds, numpy_generator(seed, "correlation", "folds"))
    out_of_fold = np.empty((len(train), len(EMOTIONS)), np.float32)
    for fold in range(num_folds):
        out_of_fold[folds == fold] = judged(train[folds != fold], train[folds == fold], fold)
    return Judged(out_of_fold, in_sample)


def stratified_folds(emotions: Integers, num_folds: int, rng: np.random.Generator) -> Integers:
    """Return the fold of each image, N. Each emotion's images are dealt to the folds in random order.

    Fold sizes differ by at most one image, overall and within each emotion.
    """
    dealt = np.lexsort((rng.random(len(emotions)), emotions))
    folds = np.empty(len(emotions), np.int64)
    folds[dealt] = np.arange(len(emotions)) % num_folds
    return folds
