"""Compute Sem-C: how surely a scene or an object is recognized (EmoGen; `Judges.clarity`).

It is the largest probability of either. The published code uses ResNet-50s of Places365 and ImageNet, which have no
class `none`: they recognize something even in noise.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.means import mean_results
from pipeline.metrics.result import Measure, Protocol, Result


def semantic_clarity(
    clarity: NDArray[np.floating],
    emotions: NDArray[np.int64],
    generator: np.random.Generator,
    backbone: str,
    protocol: Protocol = "clean",
) -> list[Result]:
    """Return the mean clarity overall, then for every emotion that occurs: clarity N in [0, 1], emotions N."""
    return mean_results(Measure("sem_c", backbone, protocol), clarity, emotions, generator)
