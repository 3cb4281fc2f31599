"""Compute FID: the Frechet distance of two Gaussians fitted to features of images and of real images (Heusel et al.).

FID is biased: finite samples make it too large, by a term that falls as 1/n, grows with the feature width, and is not
the same for all generators. With n below the width, as in the papers per emotion (1,000 images, 2,048 features), FID is
mostly bias. Therefore values for different n are not comparable, intervals hold only for their n, and real images are
measured at the same n for comparison.

`clean` crops the center of an image where the package clean-fid squashes all of it; protocol `clean-fid` does the
latter. For square images the two differ in rounding and in the pooling of emotions alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.metrics.reference import Reference, reference_of
from pipeline.metrics.result import Protocol, Result, undefined
from pipeline.metrics.statistics import Statistics, by_emotion, pooled, pooled_as

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NUM_GROUPS = 10
T = 2.262  # 95 % quantile (two-sided) of Student's t with 9 degrees of freedom


@dataclass(frozen=True)
class Gaussian:
    """A fitted Gaussian: mean D and symmetric square root DD of the covariance; reused for many comparisons."""

    mean: Floats
    root: Floats


def gaussian(statistics: Statistics) -> Gaussian:
    """Return the Gaussian of feature statistics; they need n > 1."""
    values, vectors = np.linalg.eigh(statistics.covariance)
    return Gaussian(statistics.mean, (vectors * np.sqrt(values.clip(0))) @ vectors.T)


def frechet_distance(images: Statistics, reference: Gaussian) -> float:
    """Return |m - m'|^2 + tr(C + C' - 2 (C'^1/2 C C'^1/2)^1/2).

    The matrix under the outer root is symmetric, so the trace of its root follows from its eigenvalues.
    """
    covariance, root = images.covariance, reference.root
    values = np.linalg.eigvalsh(root @ covariance @ root)
    between = np.square(images.mean - reference.mean).sum()
    return float(between + np.trace(covariance) + np.square(root).sum() - 2 * np.sqrt(values.clip(0)).sum())


def fid(
    features: NDArray[np.floating], emotions: Integers, reference: Reference, generator: np.random.Generator
) -> list[Result]:
    """Return FID overall, then for every emotion that occurs: features ND, emotions N.

    For the overall value, `clean` reweights the emotions of the reference to the shares they have among the images.
    With EmoSet's own shares, a perfect generator with equally many images per emotion would not come near 0. `emogen`
    and `clean-fid` add up the sums unchanged.

    Intervals come from a jackknife over ten groups of the images with the reference held fixed. They are up to 1.4
    times too wide where FID is mostly bias. A bootstrap would draw images twice and add to the bias.

    Without images the overall value is undefined. Raises ValueError for an emotion that the reference lacks.
    """
    if not len(emotions):
        return [undefined(reference.measure, 0)]
    groups = jackknife_groups(emotions, generator)
    parts = [by_emotion(features[groups == group], emotions[groups == group]) for group in range(NUM_GROUPS)]
    references = _reference_parts(reference, emotions)
    counts = {index: float((emotions == index).sum()) for index in references}
    if reference.measure.pools_images:
        real = pooled(references)
    else:
        real = pooled_as(references, {index: count / len(emotions) for index, count in counts.items()})
    overall = _result(reference, [pooled(part) for part in parts if part], real)
    each = [
        _result(reference, [p[index] for p in parts if index in p], references[index], index) for index in references
    ]
    return [overall, *each]


def fid_of_real(
    features: NDArray[np.floating],
    emotions: Integers,
    counts: Mapping[int, int],
    generator: np.random.Generator,
    backbone: str,
    protocol: Protocol = "clean",
) -> list[Result]:
    """Return FID of real images against other real images, the value to compare a method's FID with.

    `counts` gives the number of images per emotion, of which at most half of the emotion's images are taken. features
    ND and emotions N are those of the reference. The images taken out are not part of the reference.
    """
    taken = np.zeros(len(emotions), bool)
    for index, count in sorted(counts.items()):
        rows = generator.permutation(np.flatnonzero(emotions == index))
        taken[rows[: min(count, len(rows) // 2)]] = True
    rest = reference_of(features[~taken], emotions[~taken], "", backbone, protocol)
    return fid(features[taken], emotions[taken], rest, generator)


def jackknife_groups(emotions: Integers, generator: np.random.Generator) -> Integers:
    """Return a group index 0 to 9 for each of N images.

    Each group has the same share of every emotion as the whole set, up to one image.
    """
    groups, begin = np.empty(len(emotions), np.int64), 0
    for index in np.unique(emotions):
        rows = generator.permutation(np.flatnonzero(emotions == index))
        groups[rows] = (begin + np.arange(len(rows))) % NUM_GROUPS
        begin += len(rows)
    return groups


def _reference_parts(reference: Reference, emotions: Integers) -> dict[int, Statistics]:
    wanted = [int(index) for index in np.unique(emotions)]
    if missing := [EMOTIONS[index] for index in wanted if index not in reference.parts]:
        has = ", ".join(EMOTIONS[index] for index in sorted(reference.parts))
        raise ValueError(f"FID: the reference has no real images of {', '.join(missing)}, only of {has}")
    return {index: reference.parts[index] for index in wanted}


def _result(reference: Reference, parts: list[Statistics], real: Statistics, index: int | None = None) -> Result:
    """Return FID of all groups together, with the interval from leaving out each group."""
    total = pooled(dict(enumerate(parts)))
    n, emotion = round(total.n), None if index is None else EMOTIONS[index]
    if n < 2 or real.n < 2:
        return undefined(reference.measure, n, emotion)
    to = gaussian(real)
    value = frechet_distance(total, to)
    if len(parts) < NUM_GROUPS or n < 2 * NUM_GROUPS:
        return replace(undefined(reference.measure, n, emotion), value=value)
    without = np.array([frechet_distance(total - part, to) for part in parts])
    half = T * ((NUM_GROUPS - 1) * without.var()) ** 0.5
    return Result(reference.measure, value, value - half, value + half, n, emotion)
