"""What a metric says: a number with its interval, how many it is of, and by which backbone and protocol.

Two protocols (REFERENCE C). `clean`: correct ranges, pairs within an emotion, the middle of a picture and antialiased,
the test split as reference, emotions weighed alike. `emogen`: what the field's published code computes, with its
defects (pipeline/metrics/emogen.py).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.emotions import Emotion

Protocol = Literal["clean", "emogen"]
VIT_L_14 = ("timm/vit_large_patch14_clip_224.openai", "openai/clip-vit-large-patch14")
PUBLISHED: dict[str, tuple[str, ...]] = {  # backbones of the papers' tables
    "fid": ("inception",),
    "lpips": ("alexnet",),
    "sem_c": ("resnet50",),
    "sem_d_mse": VIT_L_14,
}


@dataclass(frozen=True)
class Measure:
    """Which quantity a number is: results of two measures are never compared."""

    name: str
    backbone: str
    protocol: Protocol = "clean"

    @property
    def key(self) -> str:
        return f"{self.name}/{self.backbone.replace('/', '_')}/{self.protocol}"

    @property
    def as_published(self) -> bool:
        """Whether the papers' numbers are of this quantity: backbone and protocol are theirs."""
        return self.protocol == "emogen" and self.backbone in PUBLISHED.get(self.name, ())


@dataclass(frozen=True)
class Result:
    """A number and its 95 % interval over n images, or n pairs of images; NaN where n is too small for it.

    emotion: None is overall.
    """

    measure: Measure
    value: float
    low: float
    high: float
    n: int
    emotion: Emotion | None = None

    @property
    def key(self) -> str:
        return self.measure.key if self.emotion is None else f"{self.measure.key}/{self.emotion}"


def undefined(measure: Measure, n: int, emotion: Emotion | None = None) -> Result:
    """Of n images that are too few, or that there is nothing to hold against."""
    return Result(measure, math.nan, math.nan, math.nan, n, emotion)


def flat(results: Iterable[Result], prefix: str = "") -> dict[str, float | int | bool | None]:
    """Results as flat metrics: key, key/low, key/high, key/n, and overall key/as_published; null where undefined."""
    found: dict[str, float | int | bool | None] = {}
    for result in results:
        key = prefix + result.key
        found |= _with_interval(key, result)
        if result.emotion is None:
            found[f"{key}/as_published"] = result.measure.as_published
    return found


def flat_under(key: str, results: Iterable[Result]) -> dict[str, float | int | None]:
    """Results of a measure under a key of its name alone, key and key/emotion: no paper has that quantity."""
    found: dict[str, float | int | None] = {}
    for result in results:
        found |= _with_interval(f"{key}/{result.emotion}" if result.emotion else key, result)
    return found


def _with_interval(key: str, result: Result) -> dict[str, float | int | None]:
    ends = {f"{key}/low": _finite(result.low), f"{key}/high": _finite(result.high)}
    return {key: _finite(result.value), **ends, f"{key}/n": result.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
