"""Read labelled images from class folders or from a list; shared by the readers of the small datasets.

A plan lists the files by image_id with their class, including files already refused. Reading opens one image at a time.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pipeline.corpora import folder as folders
from pipeline.corpora.folder import File, Files, safe_name
from pipeline.corpora.images import Folder
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reason, Reject, RejectedError, Split, shown

MAX_LIST_BYTES = 64 << 20
WHOLE = 1 << 62  # images per run: no limit
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file with the class that the dataset gives it, and its split if the dataset has one."""

    file: File
    label: str = ""
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A checked image with its class, and its split if the dataset has one."""

    picture: Picture
    label: str
    split: Split | None = None


def read(folder: Path, planned: Sequence[LabelledFile]) -> Iterator[Sample | Reject]:
    """Yield one sample or reject for each file of a plan, in plan order."""
    outcomes = Files(folder, tuple(item.file for item in planned)).read()
    for item, outcome in zip(planned, outcomes, strict=True):
        yield outcome if isinstance(outcome, Reject) else Sample(outcome, item.label, item.split)


def from_folders(folder: Path, inside: str, corpus: str, classes: Sequence[str]) -> list[LabelledFile]:
    """Return every image below inside/<class>/ of the folder, sorted by image_id.

    The image_id is corpus/<class>/<name>. An image outside the folders of the classes carries a reject. Raises
    ValueError if there is no such folder or no image in it.
    """
    root = _inner(folder, inside)
    files = [file for run in folders.plan(root, corpus, WHOLE) for file in run.files]
    return [_classed(file, inside, classes) for file in files]


def from_list(
    folder: Path, corpus: str, rows: Iterable[tuple[str, Row]], file_of: Callable[[Row], LabelledFile]
) -> list[LabelledFile]:
    """Return the files that the rows of a list describe, sorted by image_id, without opening an image.

    rows: pairs of a row's place in the list and the row.
    file_of: turns a row into a file, and raises RejectedError for an invalid row.

    If two rows give the same image_id, the first is kept. A refused row gets corpus/<place> as its image_id.
    """
    door, first = Folder(folder), dict[str, str]()
    planned = []
    for place, row in rows:
        try:
            item = file_of(row)
            door.locate(item.file.path)
            image_id = item.file.image_id
            if first.setdefault(image_id, place) != place:
                raise RejectedError(Reason.duplicate_id, f"{image_id} is already in {first[image_id]}, which is kept")
        except RejectedError as why:
            name = f"{corpus}/{place}"
            item = LabelledFile(File(name, "", reject=Reject(name, why.reason, why.detail)))
        planned.append(item)
    return sorted(planned, key=lambda item: item.file.image_id)


def listed_file(corpus: str, path: str, inside: str, label: str, split: Split | None = None) -> LabelledFile:
    """Return the file at inside/path of the dataset's folder; its image_id is corpus/path without the suffix."""
    return LabelledFile(File(f"{corpus}/{safe_name(path)}", f"{inside}/{path}"), label, split)


def known_class(name: str, classes: Sequence[str]) -> str:
    """Return the class of this name, matched without regard to case. Raises RejectedError for an unknown name."""
    if name.lower() not in classes:
        raise RejectedError(Reason.unknown_emotion, f"{shown(name)} is not a class; allowed are {', '.join(classes)}")
    return name.lower()


def lines_of(folder: Path, name: str, layout: str) -> list[str]:
    """Return the lines of a text file of the folder.

    Raises ValueError, which names the expected layout, if the file is missing or is not UTF-8 text.
    """
    try:
        return Folder(folder).read(name, MAX_LIST_BYTES, Reason.missing_annotation).decode("utf-8-sig").splitlines()
    except RejectedError as why:
        problem = why.detail
    except UnicodeDecodeError as error:
        problem = f"not UTF-8: {error.reason} at byte {error.start}"
    raise ValueError(f"cannot read {name} in {folder} ({problem}): unpack the data set there with {layout}")


def _inner(folder: Path, inside: str) -> Path:
    """Return the path of a folder inside the given one.

    Raises ValueError if it is a link that leads out, so that nothing outside the folder is read.
    """
    try:
        return Path(Folder(folder).locate(inside)) if inside else folder
    except RejectedError as why:
        raise ValueError(f"{folder}: {why.detail}; copy the data set into the folder itself") from None


def _classed(file: File, inside: str, classes: Sequence[str]) -> LabelledFile:
    """Return the file with its class, or with a reject, and its path relative to the dataset's folder."""
    placed, parts = (
        replace(file, path=os.path.normpath(os.path.join(inside, file.path))),
        PurePosixPath(file.path).parts,
    )
    if file.reject:
        return LabelledFile(placed)
    try:
        if len(parts) < 2:
            raise RejectedError(Reason.unknown_emotion, f"not in the folder of a class ({', '.join(classes)})")
        return LabelledFile(placed, known_class(parts[0], classes))
    except RejectedError as why:
        reject = Reject(file.image_id, why.reason, f"{shown(placed.path)}: {why.detail}")
        return LabelledFile(replace(placed, reject=reject))
