"""FID: the Frechet distance of two Gaussians fitted to the features of images and of real pictures (Heusel et al.).

Biased: finite samples make it too large, by a term that falls as 1/n and grows with the width of the features and is
not the same for all generators. With n below the width, as the papers have it per emotion (1,000 images, 2,048
features), it is mostly that. So numbers of different n do not compare, intervals hold at their n, and real pictures
stand beside at the same n.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.metrics.reference import Reference, reference_of
from pipeline.metrics.result import Protocol, Result, undefined
from pipeline.metrics.statistics import Statistics, by_emotion, pooled, pooled_as

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NUM_GROUPS = 10
T = 2.262  # of Student's distribution, 9 degrees of freedom, 95 %


@dataclass(frozen=True)
class Gaussian:
    """Mean D and root DD of the covariance, symmetric: of a reference that many are measured from."""

    mean: Floats
    root: Floats


def gaussian(statistics: Statistics) -> Gaussian:
    """n > 1."""
    values, vectors = np.linalg.eigh(statistics.covariance)
    return Gaussian(statistics.mean, (vectors * np.sqrt(values.clip(0))) @ vectors.T)


def frechet_distance(images: Statistics, reference: Gaussian) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C'^1/2 C C'^1/2)^1/2): the matrix is symmetric, so its root is of its eigenvalues."""
    covariance, root = images.covariance, reference.root
    values = np.linalg.eigvalsh(root @ covariance @ root)
    between = np.square(images.mean - reference.mean).sum()
    return float(between + np.trace(covariance) + np.square(root).sum() - 2 * np.sqrt(values.clip(0)).sum())


def fid(
    features: NDArray[np.floating], emotions: Integers, reference: Reference, generator: np.random.Generator
) -> list[Result]:
    """Features ND of images whose emotions are N -> overall, then every emotion that occurs.

    Overall, `clean` weighs the emotions of the reference as the images have them: against EmoSet's own shares a perfect
    generator of equally many images of each would not come near 0. `emogen` adds up the sums as they are.
    Intervals: jackknife over ten groups of the images, the reference held fixed, up to 1.4 times too wide where FID is
    mostly bias; a bootstrap would draw images twice and add to the bias.
    Without images there is none. Raises ValueError for an emotion that the reference does not have.
    """
    if not len(emotions):
        return [undefined(reference.measure, 0)]
    groups = jackknife_groups(emotions, generator)
    parts = [by_emotion(features[groups == group], emotions[groups == group]) for group in range(NUM_GROUPS)]
    known = _reference_parts(reference, emotions)
    counts = {index: float((emotions == index).sum()) for index in known}
    if reference.measure.protocol == "clean":
        real = pooled_as(known, {index: count / len(emotions) for index, count in counts.items()})
    else:
        real = pooled(known)
    overall = _result(reference, [pooled(part) for part in parts if part], real)
    each = [_result(reference, [p[index] for p in parts if index in p], known[index], index) for index in known]
    return [overall, *each]


def fid_of_real(
    features: NDArray[np.floating],
    emotions: Integers,
    counts: Mapping[int, int],
    generator: np.random.Generator,
    backbone: str,
    protocol: Protocol = "clean",
) -> list[Result]:
    """FID of real pictures from others, the value to hold a method's against: `counts` of each emotion, at most half.

    features ND and emotions N are those of the reference. What is taken out as images is not in the reference.
    """
    taken = np.zeros(len(emotions), bool)
    for index, count in sorted(counts.items()):
        rows = generator.permutation(np.flatnonzero(emotions == index))
        taken[rows[: min(count, len(rows) // 2)]] = True
    rest = reference_of(features[~taken], emotions[~taken], "", backbone, protocol)
    return fid(features[taken], emotions[taken], rest, generator)


def jackknife_groups(emotions: Integers, generator: np.random.Generator) -> Integers:
    """A group 0 to 9 for each of N images, such that every group has the shares of emotions of all, to one image."""
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
        raise ValueError(f"FID: the reference has no real pictures of {', '.join(missing)}, only of {has}")
    return {index: reference.parts[index] for index in wanted}


def _result(reference: Reference, parts: list[Statistics], real: Statistics, index: int | None = None) -> Result:
    """FID of the sum of the groups, and its interval from leaving out each."""
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
