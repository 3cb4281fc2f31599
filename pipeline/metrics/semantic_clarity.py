"""Sem-C: how surely a scene or an object is recognised, the largest probability of either (EmoGen; `Judges.clarity`).

The published code takes ResNet-50s of Places365 and of ImageNet, which know no `none`: of noise they too say something.
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
    """Clarity N in [0, 1] of images whose emotions are N -> overall, then every emotion that occurs."""
    return mean_results(Measure("sem_c", backbone, protocol), clarity, emotions, generator)
