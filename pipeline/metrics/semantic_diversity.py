"""Sem-D: how far apart CLIP sees two images of one emotion, in the mean over pairs.

The papers write 1 - cos and print, by their magnitude, the mean squared error of features that are not normalised
(REFERENCE C). These are two numbers and have two names.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.pairs import Pairs, pair_results
from pipeline.metrics.result import Measure, Protocol, Result

Floats = NDArray[np.floating]


def cosine_diversity(features: Floats, pairs: Pairs, backbone: str, protocol: Protocol = "clean") -> list[Result]:
    """1 - cos of the features ND of each pair, in [0, 2]: overall, then every emotion. Lengths do not matter."""
    first, second = _ends(features, pairs)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return pair_results(Measure("sem_d_cosine", backbone, protocol), pairs, 1 - (first * second).sum(1) / lengths)


def mse_diversity(features: Floats, pairs: Pairs, backbone: str, protocol: Protocol = "clean") -> list[Result]:
    """Mean over dimensions of the squared difference of features ND as CLIP gives them, of no unit length."""
    first, second = _ends(features, pairs)
    return pair_results(Measure("sem_d_mse", backbone, protocol), pairs, np.square(first - second).mean(1))


def _ends(features: Floats, pairs: Pairs) -> tuple[Floats, Floats]:
    return features[pairs.first].astype(np.float64), features[pairs.second].astype(np.float64)
