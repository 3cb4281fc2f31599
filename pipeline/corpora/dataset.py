"""Write a curated corpus as a folder that `datasets.load_dataset` opens and the Hugging Face Hub displays.

README.md  data/<split>-<shard>-of-<shards>.parquet  sheets/<emotion>.png  curation.parquet  rejects.parquet
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.artifacts import write_table
from pipeline.corpora.card import card
from pipeline.corpora.records import SPLITS, Split
from pipeline.corpora.selection import Selection, shards
from pipeline.corpora.sheets import most_confident, sheet, thumbnails
from pipeline.emotion_set import EMOTIONS
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, REJECTS_SCHEMA

if TYPE_CHECKING:
    from pipeline.params import Emoart


def write_dataset(
    folder: Path,
    name: str,
    selection: Selection,
    confident: Callable[[], Iterator[pa.Table]],
    settings: "Emoart",
    classifier_note: str,
) -> None:
    """Write the whole folder, which must not exist yet.

    confident: returns the tables of confident images from the first pass, in order, each time it is called.
    classifier_note: what is known about the classifier, for the card.
    """
    for split in SPLITS:
        members = {image_id: assigned for image_id, assigned in selection.splits.items() if assigned == split}
        write_split(folder / "data", split, shards(confident(), members, settings.shard_images))
    write_sheets(folder / "sheets", selection, confident())
    write_table(folder / "curation.parquet", selection.judged, CURATION_SCHEMA)
    write_table(folder / "rejects.parquet", selection.rejects, REJECTS_SCHEMA)
    (folder / "README.md").write_text(card(name, selection, settings, classifier_note), encoding="utf-8")


def write_split(folder: Path, split: Split, tables: Iterable[pa.Table]) -> None:
    """Write the shards of a split to files named as load_dataset expects: <split>-<shard>-of-<shards>.parquet.

    The number of shards is known only after the last one, so the files are renamed at the end.
    """
    paths: list[Path] = []
    for table in tables:
        paths.append(folder / f"{split}-{len(paths):05d}")
        write_table(paths[-1], table, EMOART_SCHEMA)
    for path in paths:
        path.rename(folder / f"{path.name}-of-{len(paths):05d}.parquet")


def write_sheets(folder: Path, selection: Selection, confident: Iterable[pa.Table]) -> None:
    """Write a contact sheet, <emotion>.png, for each emotion that has kept images."""
    ranked: Mapping[str, list[tuple[str, float]]] = {
        emotion: most_confident(selection.judged, emotion) for emotion in EMOTIONS
    }
    small = thumbnails(confident, [image_id for pairs in ranked.values() for image_id, _ in pairs])
    folder.mkdir(parents=True)
    for emotion, pairs in ranked.items():
        if pairs:
            sheet(pairs, small).save(folder / f"{emotion}.png")
