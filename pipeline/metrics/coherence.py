"""Measure semantic coherence: do the scene and the object recognized in an image go together? (SCIENCE 3)

CoEmoGen's headline claim has no published metric; this one is ours. In an annotated corpus, n_so is the number of
images in which an object o occurs in a scene s, and E_so is the number expected if objects were independent of scenes.
The score of an image is

    log (n_so + a) / (E_so + a), clipped to +-LIMIT

for its scene and object. It is 0 if the two go together by chance or are too rare to tell, and negative if the corpus
shows them together less often than chance (a lion in the bedroom). Scores are computed over all emotions, so an image
does not gain by matching its emotion. An image in which nothing is recognized, or something that the corpus does not
contain, has no score; n counts the images with a score. Compare with the value of real images: a set of clichés scores
above it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.metrics.columns import Columns
from pipeline.metrics.means import mean_results
from pipeline.metrics.result import Measure, Result

SMOOTHING = 0.5  # a: images added to the observed and to the expected number
LIMIT = 3.0  # 20 times more or less often than expected by chance
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plausibility:
    """Scores SO of every scene with every object that a corpus is annotated with."""

    scenes: tuple[str, ...]
    objects: tuple[str, ...]
    scores: Floats


def has_pairs(corpus: pa.Table) -> bool:
    """Return True if an image of a corpus is annotated with a scene and an object, without which nothing is known."""
    rows = zip(corpus["scene"].to_pylist(), corpus["objects"].to_pylist(), strict=True)
    return any(scene is not None and objects for scene, objects in rows)


def plausibility_of(corpus: pa.Table) -> Plausibility:
    """Return the scores of a corpus with the columns scene and objects.

    Only images with both annotations count. Raises ValueError if there are none.
    """
    rows = zip(corpus["scene"].to_pylist(), corpus["objects"].to_pylist(), strict=True)
    counts = Counter((scene, name) for scene, objects in rows if scene is not None for name in sorted(set(objects)))
    if not counts:
        raise ValueError(f"coherence: none of {len(corpus)} images is annotated with a scene and an object")
    scenes, objects = (tuple(sorted(set(names))) for names in zip(*counts, strict=True))
    table = np.array([[counts[scene, name] for name in objects] for scene in scenes], np.float64)
    return Plausibility(scenes, objects, scores_of(table))


def plausibility_table(plausibility: Plausibility) -> pa.Table:
    """Return a table with one row per scene and object, with their score."""
    pairs = [(scene, name) for scene in plausibility.scenes for name in plausibility.objects]
    scenes, objects = zip(*pairs, strict=True)
    return pa.table({"scene": scenes, "object": objects, "score": plausibility.scores.ravel()})


def plausibility_from(table: pa.Table) -> Plausibility:
    """Return the scores stored in a table of `plausibility_table`."""
    scenes, objects = (tuple(dict.fromkeys(table[name].to_pylist())) for name in ("scene", "object"))
    return Plausibility(scenes, objects, table["score"].to_numpy().reshape(len(scenes), len(objects)))


def scores_of(counts: Floats) -> Floats:
    """Return the scores of pairs: counts SO -> scores SO."""
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    return np.log((counts + SMOOTHING) / (expected + SMOOTHING)).clip(-LIMIT, LIMIT)


def scores_of_images(plausibility: Plausibility, scenes: Sequence[str], objects: Sequence[str]) -> Floats:
    """Return the score of each of N images from its scene and its object.

    The score is NaN if the corpus does not contain one of the two, as for `none`.
    """
    rows = {name: index for index, name in enumerate(plausibility.scenes)}
    columns = {name: index for index, name in enumerate(plausibility.objects)}
    table = plausibility.scores
    return np.array(
        [
            table[rows[scene], columns[name]] if scene in rows and name in columns else np.nan
            for scene, name in zip(scenes, objects, strict=True)
        ],
        np.float64,
    )


def coherence(
    plausibility: Plausibility, images: Columns, emotions: NDArray[np.int64], generator: np.random.Generator,
    backbone: str,
) -> list[Result]:  # fmt: skip
    """Return the mean coherence overall, then for every emotion.

    images has the columns scene and object, as recognized by the judge `backbone`; emotions has shape N.
    """
    values = scores_of_images(plausibility, images["scene"].to_pylist(), images["object"].to_pylist())
    return mean_results(Measure("coherence", backbone), values, emotions, generator)
