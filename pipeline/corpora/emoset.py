"""Read EmoSet's official layout: a plan of rows -> records and rejects (REFERENCE D; EmoSet's README and reader).

    info.json  {train,val,test}.json  image/<emotion>/<emotion>_NNNNN.jpg  annotation/<emotion>/<emotion>_NNNNN.json

The plan holds only paths; images are read one at a time. The plan settles what concerns several rows (duplicate ids,
shards). The module writes nothing and does not assess the corpus as a whole; `pipeline.corpora.validate` does that.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from pipeline.ahead import ahead
from pipeline.corpora.images import MAX_IMAGE_BYTES, Folder, read_image, upright_size
from pipeline.corpora.picture import check_shape
from pipeline.corpora.records import SPLITS, Reason, Record, Reject, RejectedError, Split, shown
from pipeline.emotions import EMOTIONS, INDEX, Polarity, polarity

ATTRIBUTES = ("scene", "object", "facial_expression", "human_action")
MAX_SPLIT_BYTES = 1 << 30  # EmoSet-118K's train.json has about 12 MB
MAX_ANNOTATION_BYTES = 1 << 20  # EmoSet's annotations have a few hundred bytes
MAX_NAME_CHARS = 200
ROW_BYTES = 512  # size of a row of a shard without its image, rounded up

_log = logging.getLogger("evoke")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a split file; num_bytes is the size of its image file. A row that the plan refuses has its reject."""

    image_id: str
    split: Split
    index: int
    emotion: str = ""
    image: str = ""
    annotation: str = ""
    num_bytes: int = 0
    reject: Reject | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of info.json in snake_case.

    An attribute that info.json does not list has no entry, and every name of it is accepted.
    """

    names: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the attributes that info.json does not list."""
        return tuple(attribute for attribute in ATTRIBUTES if attribute not in self.names)


def vocabulary(folder: str | Path) -> Vocabulary:
    """Return the names of info.json.

    A missing, damaged or incomplete file (old zips list only the emotions) causes a warning, not an error.
    """
    try:
        info = _parse(Folder(folder).read("info.json", MAX_SPLIT_BYTES, Reason.missing_annotation))
    except RejectedError as why:
        _log.warning("info.json cannot be used (%s); the vocabularies are taken from the annotations", why.detail)
        return Vocabulary()
    listed = {name: _listed(info.get(name)) for name in ATTRIBUTES} if isinstance(info, dict) else {}
    result = Vocabulary({name: names for name, names in listed.items() if names})
    if result.missing:
        _log.warning("info.json has no list of %s; the names are taken from the annotations", ", ".join(result.missing))
    return result


def plan(folder: str | Path) -> list[Row]:
    """Return every row of train.json, val.json and test.json, in that order, without reading an image or annotation.

    Of rows with the same image_id the first valid one is kept. Raises ValueError if the folder or a split file is
    missing or damaged.
    """
    door = Folder(folder)
    raw = [(split, index, row) for split in SPLITS for index, row in enumerate(_raw_rows(door, split))]
    return _without_repeats([_row(door, *place) for place in raw])


def read(folder: str | Path, rows: Sequence[Row]) -> Iterator[Record | Reject]:
    """Yield one record or reject per row, in row order, with only the images that are read ahead in memory."""
    return ahead(partial(_outcome, Folder(folder)), rows)


def shards(rows: Sequence[Row], shard_images: int, max_shard_mb: int) -> list[list[Row]]:
    """Return the rows sorted by image_id, cut greedily into shards.

    A shard has at most `shard_images` rows and `max_shard_mb` million bytes of image files, ROW_BYTES for each row
    included; an image larger than a shard gets its own. The result does not depend on the order of `rows`. Raises
    ValueError if a limit is below 1.
    """
    if shard_images < 1 or max_shard_mb < 1:
        raise ValueError(f"{shard_images=}, {max_shard_mb=}: both must be at least 1")
    planned: list[list[Row]] = []
    num_bytes = 0
    for row in sorted(rows, key=lambda row: (row.image_id, SPLITS.index(row.split), row.index)):
        num_bytes += row.num_bytes + ROW_BYTES
        if not planned or len(planned[-1]) == shard_images or num_bytes > max_shard_mb * 1_000_000:
            planned.append([])
            num_bytes = row.num_bytes + ROW_BYTES
        planned[-1].append(row)
    return planned


def snake_case(name: str) -> str:
    """Return an attribute's name as EmoGen's tables spell it: "Alarm clock" -> alarm_clock."""
    return "_".join(name.lower().split())


def _raw_rows(door: Folder, split: Split) -> list[Any]:
    """Return the unchecked rows of a split file. Raises ValueError if it cannot be read or is not a list."""
    name = f"{split}.json"
    try:
        rows = _parse(door.read(name, MAX_SPLIT_BYTES, Reason.missing_annotation))
        if not isinstance(rows, list):
            raise RejectedError(Reason.malformed_annotation, f"holds {type(rows).__name__}, expected a list of rows")
    except RejectedError as why:
        hint = "unpack EmoSet's zip file there: info.json, train.json, val.json, test.json, image/ and annotation/"
        raise ValueError(f"cannot read {name} in {door.root} ({why.detail}): {hint}") from None
    return rows


def _row(door: Folder, split: Split, index: int, columns: Any) -> Row:
    name = f"{split}.json[{index}]"
    try:
        emotion, image, annotation = _checked_columns(columns)
        door.locate(image)
        name = f"emoset/{PurePosixPath(image).stem}"
        if emotion not in INDEX:
            raise RejectedError(Reason.unknown_emotion, f"{shown(emotion)}; allowed are {', '.join(EMOTIONS)}")
        door.locate(annotation)
        return Row(name, split, index, emotion, image, annotation, door.size(image, Reason.missing_image))
    except RejectedError as why:
        return Row(name, split, index, reject=Reject(name, why.reason, f"{split}.json[{index}]: {why.detail}"))


def _checked_columns(columns: Any) -> tuple[str, str, str]:
    """Return (emotion, image, annotation) of a row of 3 columns, or of 4 of which the second repeats the file stem."""
    if not isinstance(columns, list) or len(columns) not in (3, 4):
        size = f"{len(columns)} columns" if isinstance(columns, list) else type(columns).__name__
        raise RejectedError(
            Reason.malformed_row,
            f"expected [emotion, image, annotation] or [emotion, id, image, annotation], found {size}",
        )
    emotion, image, annotation = columns[0], columns[-2], columns[-1]
    if not (isinstance(emotion, str) and isinstance(image, str) and isinstance(annotation, str)):
        types = ", ".join(type(column).__name__ for column in columns)
        raise RejectedError(Reason.malformed_row, f"emotion, image and annotation must be text, found {types}")
    return emotion, image, annotation


def _without_repeats(rows: list[Row]) -> list[Row]:
    """Return the rows, with a reject for each whose image_id an earlier valid row has."""
    first: dict[str, Row] = {}
    for row in rows:
        if row.reject is None:
            first.setdefault(row.image_id, row)
    return [row if row.reject or first[row.image_id] is row else _repeated(row, first[row.image_id]) for row in rows]


def _repeated(row: Row, first: Row) -> Row:
    detail = f"{row.split}.json[{row.index}] repeats {first.split}.json[{first.index}], which is kept"
    return replace(row, num_bytes=0, reject=Reject(row.image_id, Reason.duplicate_id, detail))


def _outcome(door: Folder, row: Row) -> Record | Reject:
    if row.reject:
        return row.reject
    try:
        return _record(door, row)
    except RejectedError as why:
        return Reject(row.image_id, why.reason, why.detail)


def _record(door: Folder, row: Row) -> Record:
    data = door.read(row.image, MAX_IMAGE_BYTES, Reason.missing_image)
    record = checked_record(row.image_id, data, row.image, row.emotion, polarity(row.emotion), row.split)
    annotation = _annotation(door, row)
    return replace(
        record,
        brightness=_level(annotation, "brightness"),
        colorfulness=_level(annotation, "colorfulness"),
        scene=_name(annotation, "scene"),
        objects=_names(annotation, "object"),
        facial_expression=_name(annotation, "facial_expression"),
        human_action=_name(annotation, "human_action"),
    )


def checked_record(
    image_id: str, data: bytes, path: str, emotion: str, sign: Polarity | None, split: Split
) -> Record:  # fmt: skip
    """Return the bytes of a file as a record without attributes.

    Raises RejectedError as `read_image` does, and for a strip.
    """
    width, height = upright_size(read_image(data))
    check_shape(width, height)
    return Record(
        image_id=image_id, image_bytes=data, path=path, emotion=emotion, polarity=sign,
        split=split, width=width, height=height, sha256=hashlib.sha256(data).hexdigest(), brightness=None,
        colorfulness=None, scene=None, objects=(), facial_expression=None, human_action=None,
    )  # fmt: skip


def _annotation(door: Folder, row: Row) -> dict[str, Any]:
    """Return the parsed annotation of a row. Raises RejectedError if it names another emotion than the row."""
    annotation = _parse(door.read(row.annotation, MAX_ANNOTATION_BYTES, Reason.missing_annotation))
    if not isinstance(annotation, dict):
        raise RejectedError(Reason.malformed_annotation, f"holds {type(annotation).__name__}, expected an object")
    emotion = annotation.get("emotion", row.emotion)
    if emotion != row.emotion:
        annotated = shown(emotion) if isinstance(emotion, str) else type(emotion).__name__
        raise RejectedError(
            Reason.emotion_mismatch, f"{row.split}.json[{row.index}] gives {row.emotion}, the annotation {annotated}"
        )
    return annotation


def _level(annotation: dict[str, Any], key: str) -> float | None:
    """Return brightness or colorfulness in [0, 1], which may be written as a number or as text; None if absent."""
    value = annotation.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise RejectedError(Reason.malformed_annotation, f"{key} is {type(value).__name__}, expected a number")
    try:
        level = float(value)
    except (ValueError, OverflowError):
        raise RejectedError(Reason.malformed_annotation, f"{key} is {shown(str(value))}, expected a number") from None
    if not math.isfinite(level):
        raise RejectedError(Reason.non_finite_value, f"{key} is {level}")
    if not 0.0 <= level <= 1.0:
        raise RejectedError(Reason.value_out_of_range, f"{key} is {level}, expected a number in [0, 1]")
    return level


def _name(annotation: dict[str, Any], key: str) -> str | None:
    """Return a single attribute in snake_case, or None if it is absent, null or empty."""
    value = annotation.get(key)
    return None if value is None else checked_name(value, key) or None


def _names(annotation: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of attributes, or a single one, as a tuple in the annotation's order without repeats."""
    value = annotation.get(key)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(name for name in dict.fromkeys(checked_name(value, key) for value in values) if name)


def checked_name(value: Any, key: str) -> str:
    """Return an attribute's name in snake_case. Raises RejectedError for what is not a name."""
    if not isinstance(value, str):
        raise RejectedError(Reason.malformed_annotation, f"{key} holds {type(value).__name__}, expected a name")
    if len(value) > MAX_NAME_CHARS or not value.isprintable():
        raise RejectedError(Reason.malformed_annotation, f"{key} holds {shown(value)}, expected a name")
    return snake_case(value)


def _listed(section: Any) -> frozenset[str]:
    """Return the names of one section of info.json.

    The section is {"label2idx": {name: index}}, {name: index} or [name].
    """
    labels = section.get("label2idx", section) if isinstance(section, dict) else section
    return (
        frozenset(snake_case(label) for label in labels if isinstance(label, str))
        if isinstance(labels, dict | list)
        else frozenset()
    )


def _refuse(constant: str) -> NoReturn:
    raise RejectedError(Reason.non_finite_value, f"holds {constant}")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _parse(data: bytes) -> Any:
    """Return parsed JSON in UTF-8, with or without a byte order mark.

    Raises RejectedError for anything else, and for NaN and infinities.
    """
    try:
        return _DECODER.decode(data.decode("utf-8-sig"))
    except RejectedError:
        raise
    except RecursionError:
        raise RejectedError(Reason.malformed_annotation, "nested too deeply") from None
    except ValueError as error:  # not UTF-8, not JSON, an integer of thousands of digits
        raise RejectedError(Reason.malformed_annotation, shown(str(error))) from None
