"""Write a corpus as a folder that `datasets.load_dataset` opens with its splits and the Hugging Face Hub displays.

README.md  data/<split>-<shard>-of-<shards>.parquet, and of a curation  sheets/<emotion>.png  curation.parquet
rejects.parquet. The emotion is a ClassLabel in the order of EMOTIONS.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from evoke.corpus.card import card, corpus_card
from evoke.corpus.sheets import most_confident, sheet, thumbnails
from pipeline.artifacts import ROWS_PER_GROUP, read_shards, read_table, shard_paths, write_table
from pipeline.corpora.records import SPLITS, Split
from pipeline.corpora.selection import Selection, shards
from pipeline.emotion_set import EMOTIONS
from pipeline.schemas import (
    CURATION_SCHEMA,
    EMOART_SCHEMA,
    REJECTS_SCHEMA,
    Schema,
    check_table,
    encode_words,
    hugging_face_metadata,
)
from pipeline.work import written_aside

if TYPE_CHECKING:
    from pipeline.params import Emoart


SHARD_IMAGES = 1000


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
        write_split(folder / "data", split, shards(confident(), members, settings.shard_images), EMOART_SCHEMA)
    write_sheets(folder / "sheets", selection, confident())
    write_table(folder / "curation.parquet", selection.judged, CURATION_SCHEMA)
    write_table(folder / "rejects.parquet", selection.rejects, REJECTS_SCHEMA)
    (folder / "README.md").write_text(card(name, selection, settings, classifier_note), encoding="utf-8")


def write_corpus(folder: Path, name: str, shard_folder: Path, schema: Schema, licence: str | None) -> dict[str, int]:
    """Write a corpus of the pipeline, whose shards mix the splits, as such a folder, which must not exist yet.

    No image of train has the bytes of one of val or test, and none of val those of one of test: the copies are left
    out. Returns the number of images in each split, and the number of `copies`.
    """
    columns = read_shards(shard_folder, schema, ["image_id", "split", "sha256", "emotion"])
    rows = sorted(columns.to_pylist(), key=lambda row: SPLITS.index(row["split"]), reverse=True)
    splits: dict[str, Split] = {}
    split_of: dict[str, Split] = {}
    for row in rows:
        if split_of.setdefault(row["sha256"], row["split"]) == row["split"]:
            splits[row["image_id"]] = row["split"]
    counts = Counter((row["emotion"], row["split"]) for row in rows if row["image_id"] in splits)
    for split in SPLITS:
        members = {image_id: assigned for image_id, assigned in splits.items() if assigned == split}
        tables = (read_table(path, schema) for path in shard_paths(shard_folder))
        write_split(folder / "data", split, shards(tables, members, SHARD_IMAGES), schema)
    num_copies = len(rows) - len(splits)
    (folder / "README.md").write_text(corpus_card(name, counts, num_copies, schema, licence), encoding="utf-8")
    return {**Counter(splits.values()), "copies": num_copies}


def write_split(folder: Path, split: Split, tables: Iterable[pa.Table], schema: Schema) -> None:
    """Write the shards of a split to files named as load_dataset expects: <split>-<shard>-of-<shards>.parquet.

    The number of shards is known only after the last one, so the files are renamed at the end.
    """
    paths: list[Path] = []
    for table in tables:
        paths.append(folder / f"{split}-{len(paths):05d}")
        write_labelled(paths[-1], table, schema)
    for path in paths:
        path.rename(folder / f"{path.name}-of-{len(paths):05d}.parquet")


def write_labelled(path: Path, table: pa.Table, schema: Schema) -> None:
    """Write a table whose emotions are numbers that `datasets` reads as the names of a ClassLabel."""
    table = encode_words(table, schema)
    check_table(table, schema)
    features = json.loads(hugging_face_metadata(table.schema)[b"huggingface"])
    features["info"]["features"]["emotion"] = {"names": list(EMOTIONS), "_type": "ClassLabel"}
    numbers = pa.chunked_array([chunk.indices.cast(pa.int64()) for chunk in table["emotion"].chunks], pa.int64())
    table = table.set_column(table.column_names.index("emotion"), "emotion", numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        pq.write_table(
            table.replace_schema_metadata({b"huggingface": json.dumps(features).encode()}), aside,
            row_group_size=ROWS_PER_GROUP, compression="zstd",
        )  # fmt: skip


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
