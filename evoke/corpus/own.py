"""Read a user's own labelled images: a source -> items, and items -> records and rejects.

    FOLDER/<emotion>/*, or FOLDER/<split>/<emotion>/*        an ImageFolder
    FOLDER with data-*.arrow, or a Parquet file or folder     a data set of Hugging Face: image, and emotion or label
    FILE.csv, FILE.tsv, FILE.parquet                          a table of path and emotion, beside the images
    FI, EmotionROI, Twitter I or II as published              see pipeline/corpora/{fi,emotionroi,twitter}.py

Tables may also have split, scene, objects and caption. The plan opens no image; it refuses a source as a whole if an
emotion is unknown. What concerns all images together (copies, splits) is left to `evoke.corpus.own_splits`.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from evoke.corpus.label_tables import columns_of, named, rows_of
from evoke.corpus.tables import ARROW, Group, groups_of, schema_of
from pipeline import emotion_words
from pipeline.ahead import ahead
from pipeline.corpora import emotionroi, fi, twitter
from pipeline.corpora import folder as folders
from pipeline.corpora.emoset import checked_name, checked_record
from pipeline.corpora.folder import safe_name, unique
from pipeline.corpora.images import MAX_IMAGE_BYTES, Folder
from pipeline.corpora.labelled import WHOLE, LabelledFile
from pipeline.corpora.pack import MAX_SHARD_BYTES, runs
from pipeline.corpora.records import Reason, Record, Reject, RejectedError, Split, shown
from pipeline.corpora.wikiart import class_names, holds_pictures
from pipeline.emotion_set import EMOTIONS, FILE, polarity, sets_with

SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
# What lies in the folder of a published data set, and in no other, with the function that lists its images.
PUBLISHED: Mapping[str, Callable[[Path], list[LabelledFile]]] = {
    "emotion_dataset": fi.plan, "training_testing_split": emotionroi.plan, twitter.FIRST: twitter.plan_first,
    twitter.VOTES: twitter.plan_first, twitter.SECOND: twitter.plan_second,
}  # fmt: skip
OF_TABLES = (".csv", ".tsv", ".parquet")
SEPARATOR = "|"  # between the objects of an image
MAX_NAMED = 5  # unknown emotions that are named
MIN_DIGITS = 6  # of a row's number in its image_id
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Item:
    """An image to read, with its labels; `split` is None if the source gives none.

    The image is a file at `path`, or row `row` of a group. An item that the plan refuses carries its reject.
    """

    image_id: str
    path: str
    emotion: str = ""
    split: Split | None = None
    scene: str | None = None
    objects: tuple[str, ...] = ()
    caption: str = ""
    num_bytes: int = 0
    group: Group | None = None
    row: int = 0
    reject: Reject | None = None


@dataclass(frozen=True)
class Source:
    """The items of a source, sorted by image_id, and the folder that their paths are in."""

    root: Path
    items: tuple[Item, ...]

    @property
    def files(self) -> list[Path]:
        """Return the files that hold the images, except those already refused."""
        taken = (item for item in self.items if item.reject is None)
        return sorted({item.group.file if item.group else self.root / item.path for item in taken})

    def units(self, shard_images: int) -> list[list[Item]]:
        """Return the items in runs of at most `shard_images`."""
        return [*runs(self.items, shard_images, MAX_SHARD_BYTES, lambda item: (1, item.num_bytes))]


def plan(source: Path, corpus: str, images: Path | None = None) -> Source:
    """Return the items of a source. `images` is the folder of a table's paths, by default the folder of the table.

    Raises ValueError if there is nothing to read, if a column is missing, or if an emotion or a split is unknown.
    """
    if source.is_file() and source.suffix.lower() not in OF_TABLES:
        raise ValueError(f"{source} is not a table; expected is a folder, or a file with suffix {', '.join(OF_TABLES)}")
    if not source.exists():
        raise ValueError(f"there is no {source}; name a folder of images, or a table of path,emotion")
    if data := _data_files(source):
        root, items = source if source.is_dir() else source.parent, [*_of_rows(data, corpus)]
    elif source.is_file():
        root = images or source.parent
        items = _of_table(source, Folder(root), corpus)
    else:
        root, published = source, _published_in(source)
        items = _of_published(Folder(source), published(source), corpus) if published else _of_folder(source, corpus)
    if not items:
        raise ValueError(f"{source} has no rows")
    _check_emotions(source, items)
    return Source(root, tuple(sorted(items, key=lambda item: item.image_id)))


def read(root: Path, items: Sequence[Item]) -> Iterator[Record | Reject]:
    """Yield one record or reject per item, in order; a record without a split is in train."""
    return ahead(partial(_outcome, Folder(root)), _with_bytes(items))


def _outcome(door: Folder, item_and_data: tuple[Item, bytes | RejectedError | None]) -> Record | Reject:
    item, data = item_and_data
    if item.reject:
        return item.reject
    try:
        if isinstance(data, RejectedError):
            raise data
        data = data or door.read(item.path, MAX_IMAGE_BYTES, Reason.missing_image)
        record = checked_record(
            item.image_id, data, item.path, item.emotion, polarity(item.emotion), item.split or "train"
        )
        return replace(record, scene=item.scene, objects=item.objects)
    except RejectedError as why:
        return Reject(item.image_id, why.reason, f"{shown(item.path)}: {why.detail}")


def _with_bytes(items: Sequence[Item]) -> Iterator[tuple[Item, bytes | RejectedError | None]]:
    """Yield each item with the bytes of its image if they are in a table, one group after the other."""
    for group, members in groupby(items, key=lambda item: item.group):
        if group is None:
            yield from ((item, None) for item in members)
            continue
        waiting = list(members)
        wanted = {item.row for item in waiting}
        rows = (row for index, row in enumerate(group.rows(["image"])) if index in wanted)
        yield from ((item, _bytes_of(row)) for item, row in zip(waiting, rows, strict=True))


def _bytes_of(row: Mapping[str, Any] | RejectedError) -> bytes | RejectedError:
    if isinstance(row, RejectedError):
        return row
    data = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
    return data or RejectedError(Reason.null_image, "column image has no bytes")


def _of_folder(folder: Path, corpus: str) -> list[Item]:
    """Return the images of an ImageFolder, with splits if all its subfolders are named after splits."""
    files = [file for run in folders.plan(folder, corpus, WHOLE) for file in run.files]
    parts = {file.path: PurePosixPath(file.path).parts for file in files}
    depth = int(all(path[0].lower() in SPLIT_NAMES for path in parts.values() if len(path) > 1))
    items = []
    for file in files:
        *inside, _ = parts[file.path]
        item = Item(file.image_id, file.path, num_bytes=file.num_bytes, reject=file.reject)
        if len(inside) > depth:
            split = SPLIT_NAMES[inside[0].lower()] if depth else None
            item = replace(item, emotion=_plain(inside[depth]), split=split)
        elif not file.reject:
            item = _refused(item, Reason.unknown_emotion, "not in the folder of an emotion")
        items.append(item)
    return items


def _published_in(folder: Path) -> Callable[[Path], list[LabelledFile]] | None:
    """Return the function that lists the images of a published data set, None if the folder holds none.

    Raises ValueError if it holds several.
    """
    marks = [mark for mark in PUBLISHED if (folder / mark).exists()]
    if len(marks) > 1:
        raise ValueError(f"{folder} holds several data sets, by {' and '.join(marks)}; name the folder of one of them")
    return PUBLISHED[marks[0]] if marks else None


def _of_published(door: Folder, planned: Iterable[LabelledFile], corpus: str) -> list[Item]:
    """Return the images of a published data set, with its splits, under ids of this corpus."""
    items = []
    for file, label, split in ((each.file, each.label, each.split) for each in planned):
        image_id = f"{corpus}/{file.image_id.partition('/')[2]}"
        item = Item(image_id, file.path, label, split, num_bytes=file.num_bytes)
        try:
            if file.reject:
                item = replace(item, reject=replace(file.reject, image_id_or_path=image_id))
            elif not file.num_bytes:
                item = replace(item, num_bytes=door.size(file.path, Reason.missing_image))
        except RejectedError as why:
            item = _refused(item, why.reason, why.detail)
        items.append(item)
    return items


def _of_table(table: Path, door: Folder, corpus: str) -> list[Item]:
    """Return the images that a table lists; of rows with the same path the first is kept."""
    listed = [(place, _path_in(door, str(row.pop("path") or "").strip()), row) for place, row in rows_of(table)]
    first: dict[str, int] = {}
    for place, path, _ in listed:
        first.setdefault(path, place)
    ids = dict(zip(first, unique(f"{corpus}/{safe_name(path)}" for path in first), strict=True))
    return [_listed(door, Item(ids[path], path), row, place, first[path], table) for place, path, row in listed]


def _listed(door: Folder, item: Item, values: Mapping[str, Any], place: int, first: int, table: Path) -> Item:
    """Return the item of a row of a table, which is a reject if its path or a label is invalid or was listed before."""
    where = f"{table.name}, row {place}"
    try:
        door.locate(item.path)
        if place != first:
            raise RejectedError(Reason.duplicate_id, f"{shown(item.path)} is already in row {first}, which is kept")
        return replace(_labelled(item, values, where), num_bytes=door.size(item.path, Reason.missing_image))
    except RejectedError as why:
        return _refused(item, why.reason, f"{where}: {why.detail}")


def _of_rows(files: Sequence[tuple[Path, str]], corpus: str) -> Iterator[Item]:
    """Yield the images that are rows of files, each with the name of its split or ""."""
    grouped = [(file, split, groups_of(file)) for file, split in files]
    total = sum(group.num_rows for _, _, groups in grouped for group in groups)
    digits, number = max(MIN_DIGITS, len(str(total))), 0
    for file, split, groups in grouped:
        schema = schema_of(file)
        columns = columns_of(schema.names, file, ("emotion",))
        columns.pop("path", None)
        names = class_names(schema, [*columns.values()])
        for group in groups:
            for row, values in enumerate(group.rows([*columns.values()])):
                item = Item(f"{corpus}/{number:0{digits}d}", f"{file.name}#{row}", group=group, row=row,
                            num_bytes=group.num_bytes // group.num_rows)  # fmt: skip
                number += 1
                try:
                    if isinstance(values, RejectedError):
                        raise values
                    read = {key: named(values[column], names.get(column)) for key, column in columns.items()}
                    yield _labelled(item, {"split": split or None, **read}, f"{file.name}, row {row}")
                except RejectedError as why:
                    yield _refused(item, why.reason, why.detail)


def _labelled(item: Item, values: Mapping[str, Any], where: str) -> Item:
    """Return an item with the labels of its row.

    Raises RejectedError for an invalid label, and ValueError for an unknown split.
    """
    emotion, split, scene, objects, caption = (
        values.get(key) for key in ("emotion", "split", "scene", "objects", "caption")
    )
    if emotion is None or not str(emotion).strip():
        raise RejectedError(Reason.unknown_emotion, "the row has no emotion")
    if split and str(split).strip().lower() not in SPLIT_NAMES:
        raise ValueError(f"{where}: split is {shown(str(split))}; allowed are {', '.join(SPLIT_NAMES)}")
    several = objects.split(SEPARATOR) if isinstance(objects, str) else objects or []
    words = " ".join(str(caption or "").split())
    if CONTROL.search(words):
        raise RejectedError(Reason.malformed_annotation, f"caption has a control character: {shown(words)}")
    return replace(
        item,
        emotion=_plain(str(emotion)),
        split=SPLIT_NAMES[str(split).strip().lower()] if split else None,
        scene=checked_name(scene, "scene") or None if scene is not None else None,
        objects=tuple(name for name in dict.fromkeys(checked_name(value, "objects") for value in several) if name),
        caption=words,
    )


def _check_emotions(source: Path, items: Sequence[Item]) -> None:
    """Raise ValueError that names the unknown emotions of a source, each with suggestions."""
    unknown = Counter(item.emotion for item in items if item.emotion not in EMOTIONS and not item.reject)
    if not unknown:
        return
    named = [
        f"{shown(name)} ({number} image{'s' * (number > 1)}): {emotion_words.allowed(name, EMOTIONS)}"
        for name, number in unknown.most_common(MAX_NAMED)
    ]
    more = f"; and {len(unknown) - MAX_NAMED} more names" if len(unknown) > MAX_NAMED else ""
    tables = [path.name for path in sorted(source.glob("*.[ct]sv"))] if source.is_dir() else []
    hint = f"; if {source / tables[0]} has the emotions, name it instead of the folder" if tables else ""
    if sets := sets_with(item.emotion for item in items if not item.reject):
        hint = f"; {FILE} has them all in another set: `set: {sets[0]}`"
    raise ValueError(f"{source}: no emotion: {'; '.join(named)}{more}{hint}")


def _data_files(source: Path) -> list[tuple[Path, str]]:
    """Return the files whose rows are images, each with the name of its split or "", or [] for another source."""
    if source.is_file():
        return [(source, "")] if source.suffix.lower() == ".parquet" and _has_images(source) else []
    if (listed := source / "dataset_dict.json").is_file():
        names = _listed_in(listed, "splits")
        return [(file, name) for name in names for file in _saved(source / name)]
    if saved := _saved(source):
        return [(file, "") for file in saved]
    files = sorted([*source.glob("data/*.parquet"), *source.glob("*.parquet")])
    with_images = [file for file in files if _has_images(file)]
    splits = [re.split(r"[-_.]", file.stem)[0].lower() for file in with_images]
    is_split = all(split in SPLIT_NAMES for split in splits)
    return [(file, split if is_split else "") for file, split in zip(with_images, splits, strict=True)]


def _saved(folder: Path) -> list[Path]:
    """Return the files that `Dataset.save_to_disk` wrote to a folder, in order. Raises ValueError if one is missing."""
    state = folder / "state.json"
    if not state.is_file():
        return sorted(folder.glob(f"*{ARROW}"))
    files = [folder / entry["filename"] for entry in _listed_in(state, "_data_files")]
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file} is missing, which {state} lists; copy the folder again")
    return files


def _listed_in(file: Path, key: str) -> list[Any]:
    """Return a list of a JSON file that `datasets` wrote. Raises ValueError that names the file if it has none."""
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))[key])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is damaged: it lists no {key}; copy the folder again") from None


def _has_images(file: Path) -> bool:
    schema = schema_of(file)
    return "image" in schema.names and holds_pictures(schema.field("image").type)


def _path_in(door: Folder, path: str) -> str:
    """Return a path relative to the folder, if it is an absolute path into it, and any other path as it is."""
    if not os.path.isabs(path):
        return os.path.normpath(path) if path else path
    parent, name = os.path.split(path)
    inside = os.path.relpath(os.path.join(os.path.realpath(parent), name), door.root)
    return path if inside.startswith("..") else inside


def _plain(name: str) -> str:
    return name.strip().lower()


def _refused(item: Item, reason: Reason, detail: str) -> Item:
    return replace(item, reject=Reject(item.image_id, reason, f"{shown(item.path)}: {detail}"))
