"""First pass of a curation: embed and classify every image, and set aside those with a clear emotion (CoEmoGen 3.1).

The result for a run of rows depends on that run alone. Only a batch of images and the confident ones are in memory.
What concerns all images (copies, rare emotions, splits) is left to the second pass, `pipeline.corpora.selection`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table
from pipeline.corpora import folder as image_folder
from pipeline.corpora import shards, wikiart
from pipeline.corpora.pack import reject_table, runs
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import KEPT, UNSURE, Reject
from pipeline.emotion_set import EMOTIONS, polarity
from pipeline.engine import map_shards
from pipeline.runtime import progress
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, PICTURE, REJECTS_SCHEMA, Column, Schema
from pipeline.work import WorkFolder

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.params import Emoart

PATH = Column("path", pa.string(), "path of the image in its source; null: none", nullable=True)
JUDGED_SCHEMA = Schema((*CURATION_SCHEMA.columns, *(column for column in PICTURE if column.name == "sha256"), PATH))
PIECES: dict[str, Schema] = {"judged": JUDGED_SCHEMA, "confident": EMOART_SCHEMA, "rejects": REJECTS_SCHEMA}
MAX_BATCH_PX = 300_000_000  # 900 MB of RGB: about a hundred images of WikiArt, or a dozen of a camera


class Unit(Protocol):
    """A run of rows or files of a source, which is curated on its own. `num_rows` is None if it is not known."""

    @property
    def num_rows(self) -> int | None: ...

    def read(self) -> Iterator[Picture | Reject]: ...


def plan(source: Path, corpus: str, shard_images: int, follow_links: bool = False) -> Sequence[Unit]:
    """Return WikiArt's rows if data/*.parquet have images, else the shards of a data set, else the files in the folder.

    Rows and files are in runs of `shard_images`. Ids are `corpus/number`, `corpus/shard/key` and `corpus/path`, and
    ascend over all runs. Raises ValueError if there is nothing to read. `follow_links` concerns the files in the
    folder, as in `pipeline.corpora.folder.plan`.
    """
    if wikiart.is_laid_out(source):
        return wikiart.plan(source, corpus, shard_images)
    return shards.plan(source, corpus) or image_folder.plan(source, corpus, shard_images, follow_links)


def judge_all(
    units: Sequence[Unit], load: "Callable[[], tuple[Clip, EmotionHead]]", settings: "Emoart", work: WorkFolder
) -> Callable[[str], Iterator[pa.Table]]:
    """Run the first pass over all runs, except those that a killed process has finished.

    load: returns CLIP and the emotion head; it is called only if a run remains to be done. The caller must hold the
    lock of the work folder.

    Returns a function that maps a name of PIECES to an iterator over its tables, one for each run in order, each read
    when it is needed.
    """

    def judging() -> Callable[[Unit], dict[str, pa.Table]]:
        clip, head = load()
        return lambda unit: judge(unit, clip, head, settings)

    names = map_shards(judging, units, work, PIECES)
    return lambda kind: (read_table(work.part(name), PIECES[kind]) for name in names[kind])


def judge(unit: Unit, clip: "Clip", head: "EmotionHead", settings: "Emoart") -> dict[str, pa.Table]:
    """Return the tables of PIECES for a run of rows.

    judged: every readable image, with reason kept if its highest probability reaches settings.min_confidence
    (inclusive, both as float32), else unsure.
    confident: the kept images with their files, all in the train split until the second pass.
    rejects: the images that cannot be read.
    """
    rejects: list[Reject] = []
    outcomes = progress(unit.read(), unit.num_rows, "images")
    judged, confident = JUDGED_SCHEMA.arrow.empty_table(), EMOART_SCHEMA.arrow.empty_table()
    for batch in batches(_aside(outcomes, rejects), settings.batch_size):
        rows = [
            _row(picture, probability, settings.min_confidence)
            for picture, probability in zip(batch, probabilities(batch, clip, head), strict=True)
        ]
        kept_rows = [row for row in rows if row["reason"] == KEPT]
        judged = pa.concat_tables([judged, pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA.arrow)])
        confident = pa.concat_tables([confident, pa.Table.from_pylist(kept_rows, schema=EMOART_SCHEMA.arrow)])
    return {"judged": judged, "confident": confident, "rejects": reject_table(rejects)}


def batches(pictures: Iterable[Picture], batch_size: int) -> Iterator[list[Picture]]:
    """Yield lists of consecutive images, at most `batch_size` images and MAX_BATCH_PX pixels each.

    An image with more pixels is a batch of its own.
    """
    return runs(pictures, batch_size, MAX_BATCH_PX, lambda picture: (1, picture.pixels.width * picture.pixels.height))


def probabilities(batch: list[Picture], clip: "Clip", head: "EmotionHead") -> NDArray[np.float32]:
    """Return the calibrated probabilities of the emotions, in the order of EMOTIONS.

    N images -> N8 float32.
    """
    features = clip.encode_images([picture.pixels for picture in batch], normalize=False).numpy()
    norms = np.linalg.norm(features, axis=1)
    result = head.probabilities(features / norms[:, None], norms)
    assert result.shape == (len(batch), len(EMOTIONS)), f"{result.shape} probabilities for {len(batch)} images"
    return result


def _aside(outcomes: Iterable[Picture | Reject], rejects: list[Reject]) -> Iterator[Picture]:
    """Yield the images, and append the rejects to the list."""
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            yield outcome


def _row(picture: Picture, probability: NDArray[np.float32], min_confidence: float) -> dict[str, object]:
    """Return an image as a row with the columns of EMOART_SCHEMA and CURATION_SCHEMA."""
    emotion = EMOTIONS[int(probability.argmax())]
    confidence = np.float32(probability.max())
    return {
        "image_id": picture.image_id,
        "image": {"bytes": picture.image_bytes, "path": picture.path},
        "path": picture.path,
        "emotion": emotion,
        "polarity": polarity(emotion),
        "split": "train",
        "width": picture.pixels.width,
        "height": picture.pixels.height,
        "sha256": hashlib.sha256(picture.image_bytes).hexdigest(),
        "confidence": confidence,
        "reason": KEPT if confidence >= np.float32(min_confidence) else UNSURE,
        "artist": picture.artist,
        "genre": picture.genre,
        "style": picture.style,
    }
