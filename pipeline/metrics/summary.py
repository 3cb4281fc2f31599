"""The metrics file of a method, from its table of judgements; those of real images beside."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipeline.metrics.bootstrap import interval
from pipeline.metrics.emotion_accuracy import emotion_accuracy

MEANS = {"sem_c": "clarity", "luminance": "luminance", "chroma": "chroma"}
BESIDE = ("emo_a/classifier", "emo_a/judge", "sem_c", "luminance", "chroma")


def summary(
    scores: pa.Table, generator: np.random.Generator, real: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Flat metrics of images; `real`, the same of real images, goes beside under real/."""
    found: dict[str, float] = {"n": len(scores), **emotion_accuracy(scores, generator)}
    for name, column in MEANS.items():
        values = scores[column].to_numpy().astype(np.float64)
        low, high = interval(values, generator)
        found |= {name: float(values.mean()), f"{name}/low": low, f"{name}/high": high}
    return found | {f"real/{name}": real[name] for name in BESIDE if real}
