"""First pass of a curation: every picture embedded and classified, those of a clear emotion set aside (CoEmoGen 3.1).

What it makes of a run of rows depends on that run alone, and holds no pictures but a batch and the confident. What
concerns all pictures (copies, rare emotions, splits) is the second pass: `pipeline.corpora.selection`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table
from pipeline.corpora import folder as image_folder
from pipeline.corpora import wikiart
from pipeline.corpora.pack import reject_table, runs
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import KEPT, UNSURE, Reject
from pipeline.emotions import EMOTIONS, polarity
from pipeline.engine import map_shards
from pipeline.runtime import progress
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, PICTURE, REJECTS_SCHEMA, Schema
from pipeline.work import WorkFolder

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.params import Emoart

JUDGED_SCHEMA = Schema((*CURATION_SCHEMA.columns, *(column for column in PICTURE if column.name == "sha256")))
PIECES: dict[str, Schema] = {"judged": JUDGED_SCHEMA, "confident": EMOART_SCHEMA, "rejects": REJECTS_SCHEMA}
MAX_BATCH_PX = 300_000_000  # 900 MB of RGB: a hundred pictures of WikiArt, a dozen of a camera

Unit = wikiart.RowGroups | image_folder.Files


def plan(folder: Path, corpus: str, shard_images: int) -> list[Unit]:
    """The rows of WikiArt where data/*.parquet have pictures, else the files in the folder, as runs of `shard_images`.

    Ids are `corpus/number` and `corpus/path`, and ascend over all runs. Raises ValueError where nothing is to be read.
    """
    if wikiart.is_laid_out(folder):
        return [*wikiart.plan(folder, corpus, shard_images)]
    return [*image_folder.plan(folder, corpus, shard_images)]


def judge_all(
    units: Sequence[Unit], load: "Callable[[], tuple[Clip, EmotionHead]]", settings: "Emoart", work: WorkFolder
) -> Callable[[str], Iterator[pa.Table]]:
    """The first pass over all runs, but those that a killed one has finished; the work folder must be locked.

    Gives a function: name of PIECES -> its tables, a run after the other, read when they are asked for.
    """

    def judging() -> Callable[[Unit], dict[str, pa.Table]]:
        clip, head = load()
        return lambda unit: judge(unit, clip, head, settings)

    names = map_shards(judging, units, work, PIECES)
    return lambda kind: (read_table(work.part(name), PIECES[kind]) for name in names[kind])


def judge(unit: Unit, clip: "Clip", head: "EmotionHead", settings: "Emoart") -> dict[str, pa.Table]:
    """A run of rows -> the tables of PIECES.

    judged: every readable picture, with reason kept where its highest probability reaches settings.min_confidence
    (inclusive, both as float32), else unsure. confident: the kept with their files, all in the train split until the
    second pass.
    """
    rejects: list[Reject] = []
    outcomes = progress(unit.read(), unit.num_rows, "pictures")
    judged, confident = JUDGED_SCHEMA.arrow.empty_table(), EMOART_SCHEMA.arrow.empty_table()
    for batch in batches(_aside(outcomes, rejects), settings.batch_size):
        rows = [
            _row(picture, probability, settings.min_confidence)
            for picture, probability in zip(batch, probabilities(batch, clip, head), strict=True)
        ]
        kept = [row for row in rows if row["reason"] == KEPT]
        judged = pa.concat_tables([judged, pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA.arrow)])
        confident = pa.concat_tables([confident, pa.Table.from_pylist(kept, schema=EMOART_SCHEMA.arrow)])
    return {"judged": judged, "confident": confident, "rejects": reject_table(rejects)}


def batches(pictures: Iterable[Picture], batch_size: int) -> Iterator[list[Picture]]:
    """Consecutive pictures, at most `batch_size` and at most MAX_BATCH_PX pixels, but for one picture larger alone."""
    return runs(pictures, batch_size, MAX_BATCH_PX, lambda picture: (1, picture.pixels.width * picture.pixels.height))


def probabilities(batch: list[Picture], clip: "Clip", head: "EmotionHead") -> NDArray[np.float32]:
    """N pictures -> N8 calibrated probabilities, the columns in the order of EMOTIONS."""
    features = clip.encode_images([picture.pixels for picture in batch], normalize=False).numpy()
    norms = np.linalg.norm(features, axis=1)
    found = head.probabilities(features / norms[:, None], norms)
    assert found.shape == (len(batch), len(EMOTIONS)), f"{found.shape} probabilities of {len(batch)} pictures"
    return found


def _aside(outcomes: Iterable[Picture | Reject], rejects: list[Reject]) -> Iterator[Picture]:
    """The pictures; rejects go to the list."""
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            yield outcome


def _row(picture: Picture, probability: NDArray[np.float32], min_confidence: float) -> dict[str, object]:
    """A picture under the columns of EMOART_SCHEMA and CURATION_SCHEMA."""
    emotion = EMOTIONS[int(probability.argmax())]
    confidence = np.float32(probability.max())
    return {
        "image_id": picture.image_id,
        "image": {"bytes": picture.image_bytes, "path": picture.path},
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
