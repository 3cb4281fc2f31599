"""Fit linear probes: logistic regressions on frozen features, the usual way to judge features (as for CLIP).

A probe is fitted on EmoSet's train split and transferred, or fitted within a small data set by its own split or k
folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
Fold = tuple[Integers, Integers]  # rows to fit on, rows to judge
MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class Probe:
    """A fitted regression; a class that was missing from its training data has probability 0."""

    model: "LogisticRegression"
    num_classes: int

    def probabilities(self, features: Floats) -> NDArray[np.float64]:
        """Return probabilities N x classes for features ND of any length."""
        result = np.zeros((len(features), self.num_classes))
        result[:, self.model.classes_] = self.model.predict_proba(scaled(features))
        return result


def fit_probe(features: Floats, targets: Integers, num_classes: int, strength: float) -> Probe:
    """Return a probe fitted on features ND with classes N.

    `strength` is scikit-learn's C, the inverse of the weight of the L2 penalty.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
    return Probe(model.fit(scaled(features), targets), num_classes)


def scaled(features: Floats) -> NDArray[np.float64]:
    """Return rows scaled to a mean square of 1, so that one strength suits every feature width."""
    wide = features.astype(np.float64)
    return np.asarray(wide * np.sqrt(wide.shape[1]) / np.linalg.norm(wide, axis=1, keepdims=True).clip(1e-12))


def stratified_folds(targets: Integers, num_folds: int, generator: np.random.Generator) -> list[Fold]:
    """Return folds in which every row is judged exactly once and fitted on in all other folds.

    Each fold keeps the shares of the classes. Raises ValueError if a class has fewer rows than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(targets)[np.unique(targets)].min())
    if fewest < num_folds:
        raise ValueError(f"a class has {fewest} images, too few for {num_folds} folds; use fewer folds")
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=int(generator.integers(2**31)))
    return [(fit, judge) for fit, judge in folds.split(targets, targets)]


def judged(
    features: Floats, targets: Integers, num_classes: int, folds: Sequence[Fold], strength: float
) -> tuple[Integers, Integers]:
    """Return the predicted class of each judged row and its true class, concatenated over all folds."""
    predicted = [
        fit_probe(features[fit], targets[fit], num_classes, strength).probabilities(features[judge]).argmax(1)
        for fit, judge in folds
    ]
    return np.concatenate(predicted), np.concatenate([targets[judge] for _, judge in folds])
