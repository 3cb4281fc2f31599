"""Semantic coherence: do the scene and the object that are recognised in an image go together? (SCIENCE 3)

CoEmoGen's headline has no published metric; this one is ours. Of an annotated corpus we count in how many pictures an
object stands in a scene, n_so, and how many that would be if objects knew nothing of scenes, E_so. An image scores

    log (n_so + a) / (E_so + a), held within +-LIMIT

of its scene and object: 0 where they go together by chance or are too rare to tell, below where the corpus shows them
together less often than chance has it (a lion in the bedroom). Scores are of pairs over all emotions, so that an image
does not gain by fitting its emotion. An image in which nothing is recognised, or something that the corpus does not
know, has no score: n says how many have one. Real images beside: a set of clichés scores above them.
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

SMOOTHING = 0.5  # a: pictures added to what is seen and to what is expected
LIMIT = 3.0  # twenty times as often, or as seldom, as chance has it
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plausibility:
    """Scores of every scene S by every object O that a corpus is annotated with."""

    scenes: tuple[str, ...]
    objects: tuple[str, ...]
    scores: Floats


def plausibility_of(corpus: pa.Table) -> Plausibility:
    """Pictures with columns scene and objects, of which those that have both count.

    Raises ValueError where there is none.
    """
    rows = zip(corpus["scene"].to_pylist(), corpus["objects"].to_pylist(), strict=True)
    counts = Counter((scene, name) for scene, objects in rows if scene is not None for name in sorted(set(objects)))
    if not counts:
        raise ValueError(f"coherence: none of {len(corpus)} pictures is annotated with a scene and an object")
    scenes, objects = (tuple(sorted(set(names))) for names in zip(*counts, strict=True))
    table = np.array([[counts[scene, name] for name in objects] for scene in scenes], np.float64)
    return Plausibility(scenes, objects, scores_of(table))


def plausibility_table(plausibility: Plausibility) -> pa.Table:
    """A row for each scene and object, with their score."""
    pairs = [(scene, name) for scene in plausibility.scenes for name in plausibility.objects]
    scenes, objects = zip(*pairs, strict=True)
    return pa.table({"scene": scenes, "object": objects, "score": plausibility.scores.ravel()})


def plausibility_from(table: pa.Table) -> Plausibility:
    """Of what `plausibility_table` gives."""
    scenes, objects = (tuple(dict.fromkeys(table[name].to_pylist())) for name in ("scene", "object"))
    return Plausibility(scenes, objects, table["score"].to_numpy().reshape(len(scenes), len(objects)))


def scores_of(counts: Floats) -> Floats:
    """Counts SO of pairs -> their scores SO."""
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    return np.log((counts + SMOOTHING) / (expected + SMOOTHING)).clip(-LIMIT, LIMIT)


def scores_of_images(plausibility: Plausibility, scenes: Sequence[str], objects: Sequence[str]) -> Floats:
    """The scene and the object of each of N images -> N; NaN where the corpus does not know one, as of `none`."""
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
    """Images with columns scene and object, by the judge `backbone`; emotions N -> overall, then every emotion."""
    values = scores_of_images(plausibility, images["scene"].to_pylist(), images["object"].to_pylist())
    return mean_results(Measure("coherence", backbone), values, emotions, generator)
