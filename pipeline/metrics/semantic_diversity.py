"""Compute Sem-D: how different CLIP's features of two images of the same emotion are, averaged over pairs.

The papers define it as 1 - cos but, judging by the magnitude, print the mean squared error of features that are not
normalized (REFERENCE C). These are two quantities with two names here.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.pairs import Pairs, pair_results
from pipeline.metrics.result import Measure, Protocol, Result

Floats = NDArray[np.floating]


def cosine_diversity(features: Floats, pairs: Pairs, backbone: str, protocol: Protocol = "clean") -> list[Result]:
    """Return the mean of 1 - cos in [0, 2] over pairs, overall, then for every emotion.

    features ND may have any length.
    """
    first, second = _ends(features, pairs)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return pair_results(Measure("sem_d_cosine", backbone, protocol), pairs, 1 - (first * second).sum(1) / lengths)


def mse_diversity(features: Floats, pairs: Pairs, backbone: str, protocol: Protocol = "clean") -> list[Result]:
    """Return the mean squared difference per dimension over pairs, overall, then for every emotion.

    features ND are as CLIP gives them, not normalized.
    """
    first, second = _ends(features, pairs)
    return pair_results(Measure("sem_d_mse", backbone, protocol), pairs, np.square(first - second).mean(1))


def _ends(features: Floats, pairs: Pairs) -> tuple[Floats, Floats]:
    return features[pairs.first].astype(np.float64), features[pairs.second].astype(np.float64)
