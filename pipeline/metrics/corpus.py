"""The packed EmoSet as real pictures: its test split judged in full, of the other splits what `emogen` needs."""

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

COLUMNS = ("image_id", "split", "sha256", "scene", "objects")  # of the corpus, without its pictures
SQUASHED = "squashed"

_in_test = in_split("test")


@dataclass(frozen=True)
class JudgedCorpus:
    """Scores of the test split, the pieces in the work folder that hold them, and tables of all other pictures."""

    scores: Columns
    names: Sequence[str]
    rest: Callable[[], Iterator[pa.Table]]


def judge_corpus(
    shards: Sequence[Path], load: Callable[[], Bench], settings: "Scores", work: "WorkFolder", schema: "Schema | None"
) -> JudgedCorpus:
    """Shard by shard; one without a picture of the test split has no piece. Raises ValueError where none has one.

    load gives the judges, wherever shards are judged.
    """
    with_test = [shard for shard in shards if _in_test(read_table(shard, columns=["split"])).any()]
    if not with_test:
        raise ValueError("no picture of the corpus is in the test split: there is nothing to hold images against")
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
    """The rows of a corpus with column split that are of the test split."""
    return np.flatnonzero(_in_test(corpus))


def train_rows(corpus: pa.Table) -> pa.Table:
    """The pictures of a corpus with column split that models learn from."""
    return corpus.filter(in_split("train")(corpus))


def content_of(corpus: pa.Table, files: ModelFiles, settings: "Scores") -> Content:
    """Of a corpus with columns split and sha256, and of the backbones' files."""
    hashes = corpus["sha256"]
    return Content(
        hashes.filter(_in_test(corpus)).to_pylist(), hashes.to_pylist(), files.hashes(settings.inception_weights)
    )
