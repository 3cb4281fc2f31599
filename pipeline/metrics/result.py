"""Define metric results: a number with its interval, the n behind it, and the backbone and protocol that gave it.

There are three protocols (REFERENCE C):

- `clean` uses correct ranges, pairs within an emotion, antialiased center crops, the test split as reference, and equal
  weights for emotions. It is not the package clean-fid, which squashes whole images to squares.
- `emogen` computes what the published code computes, with its defects (pipeline/metrics/emogen.py).
- `clean-fid` computes FID alone, by Inception, of images that are squashed as that package does it
  (backbones.squashed_in_floats), with the test split as reference and images pooled.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.emotion_set import Emotion

if TYPE_CHECKING:
    from pipeline.params import FoundationClip

Protocol = Literal["clean", "emogen", "clean-fid"]
VIT_L_14 = ("timm/vit_large_patch14_clip_224.openai", "openai/clip-vit-large-patch14")
PUBLISHED: dict[str, tuple[str, ...]] = {  # backbones behind the papers' tables
    "fid": ("inception",),
    "lpips": ("alexnet",),
    "sem_c": ("resnet50",),
    "sem_d_mse": VIT_L_14,
}


@dataclass(frozen=True)
class Measure:
    """The quantity that a number measures; results of different measures are never compared."""

    name: str
    backbone: str
    protocol: Protocol = "clean"

    @property
    def key(self) -> str:
        return f"{self.name}/{self.backbone.replace('/', '_')}/{self.protocol}"

    @property
    def pools_images(self) -> bool:
        """Return True if the overall value weighs all images equally, not all emotions; for metrics of images."""
        return self.protocol != "clean"

    @property
    def as_published(self) -> bool:
        """Return True if the papers report this quantity: both backbone and protocol are theirs."""
        return self.protocol == "emogen" and self.backbone in PUBLISHED.get(self.name, ())


@dataclass(frozen=True)
class Result:
    """A number with its 95 % interval over n images or n pairs of images.

    Values are NaN if n is too small. `emotion` is None for the overall result.
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
    """Return a result without a value, for n images that are too few or have nothing to be compared with."""
    return Result(measure, math.nan, math.nan, math.nan, n, emotion)


def flat(results: Iterable[Result], prefix: str = "") -> dict[str, float | int | bool | None]:
    """Return results as flat metrics; undefined values are null.

    The keys are key, key/low, key/high, key/n and, for overall results, key/as_published.
    """
    numbers: dict[str, float | int | bool | None] = {}
    for result in results:
        key = prefix + result.key
        numbers |= _with_interval(key, result)
        if result.emotion is None:
            numbers[f"{key}/as_published"] = result.measure.as_published
    return numbers


def flat_under(key: str, results: Iterable[Result]) -> dict[str, float | int | None]:
    """Return results of one measure as flat metrics under `key` and key/emotion.

    The key has no backbone and protocol, because no paper reports such a quantity.
    """
    numbers: dict[str, float | int | None] = {}
    for result in results:
        numbers |= _with_interval(f"{key}/{result.emotion}" if result.emotion else key, result)
    return numbers


def _with_interval(key: str, result: Result) -> dict[str, float | int | None]:
    ends = {f"{key}/low": _finite(result.low), f"{key}/high": _finite(result.high)}
    return {key: _finite(result.value), **ends, f"{key}/n": result.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def clip_name(settings: "FoundationClip") -> str | None:
    """Return the name of a CLIP as a backbone, or None for one that was bundled or trained here."""
    return "clip_folder" if settings.source == "folder" else settings.hub_id
