"""Judge the real images of the packed EmoSet.

The test split is judged in full; of the other splits only what `emogen` needs is computed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table
from pipeline.engine import map_shards
from pipeline.judges.examples import in_split
from pipeline.metrics.columns import Columns, OnDisk
from pipeline.metrics.judgement import Bench, ModelFiles, judged, squashed
from pipeline.metrics.real import Content

if TYPE_CHECKING:
    from pipeline.params import Scores
    from pipeline.schemas import Schema
    from pipeline.work import WorkFolder

COLUMNS = ("image_id", "split", "sha256", "scene", "objects")  # columns of the corpus, without its images
SQUASHED = "squashed"

_in_test = in_split("test")


@dataclass(frozen=True)
class JudgedCorpus:
    """Results of judging a corpus.

    `scores` covers the test split, `names` are its parts in the work folder, and `rest` yields tables of all other
    images.
    """

    scores: Columns
    names: Sequence[str]
    rest: Callable[[], Iterator[pa.Table]]


def judge_corpus(
    shards: Sequence[Path], load: Callable[[], Bench], settings: "Scores", work: "WorkFolder", schema: "Schema | None"
) -> JudgedCorpus:
    """Judge the corpus shard by shard.

    A shard without test images gives no part. `load` returns the judges and is called in each process that judges
    shards. Raises ValueError if no shard has a test image.
    """
    with_test = [shard for shard in shards if _in_test(read_table(shard, columns=["split"])).any()]
    if not with_test:
        raise ValueError("No images in the test split of the corpus to compare generated images with.")
    columns = ["image_id", "image", "emotion", "split"]

    def judge() -> Callable[[Path], pa.Table]:
        bench = load()

        def of_test(shard: Path) -> pa.Table:
            rows = read_table(shard, columns=columns)
            return judged(rows.filter(_in_test(rows)), bench, settings.batch_size, generated=False)

        return of_test

    def squash() -> Callable[[Path], dict[str, pa.Table]]:
        bench = load()

        def of_rest(shard: Path) -> dict[str, pa.Table]:
            rows = read_table(shard, columns=columns)
            return {SQUASHED: squashed(rows.filter(~_in_test(rows)), bench, settings.batch_size)}

        return of_rest

    names = map_shards(judge, with_test, work, schema)
    others = map_shards(squash, shards if "emogen" in settings.protocols else [], work, {SQUASHED: None})[SQUASHED]
    scores = OnDisk([work.part(name) for name in names])
    return JudgedCorpus(scores, names, lambda: (read_table(work.part(name)) for name in others))


def test_places(corpus: pa.Table) -> NDArray[np.int64]:
    """Return the indices of the rows in the test split, of a corpus with a column split."""
    return np.flatnonzero(_in_test(corpus))


def train_rows(corpus: pa.Table) -> pa.Table:
    """Return the rows in the train split, of a corpus with a column split."""
    return corpus.filter(in_split("train")(corpus))


def content_of(corpus: pa.Table, files: ModelFiles, settings: "Scores") -> Content:
    """Return the hashes of the images in a corpus with the columns split and sha256, and of the backbones' files."""
    hashes = corpus["sha256"]
    return Content(
        hashes.filter(_in_test(corpus)).to_pylist(), hashes.to_pylist(), files.hashes(settings.inception_weights)
    )
