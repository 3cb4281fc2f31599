"""Pictures with a class, from folders of classes or from a list: what the readers of the small data sets share.

A plan is a list of files by image_id with their class, refused ones among them; reading opens one picture at a time.
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
WHOLE = 1 << 62  # pictures of a run that is never cut
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file with the class that the data set gives it, and its split where the data set has one."""

    file: File
    label: str = ""
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A checked picture with its class, and its split where the data set has one."""

    picture: Picture
    label: str
    split: Split | None = None


def read(folder: Path, planned: Sequence[LabelledFile]) -> Iterator[Sample | Reject]:
    """One sample or reject for each file of a plan, in its order."""
    outcomes = Files(folder, tuple(item.file for item in planned)).read()
    for item, outcome in zip(planned, outcomes, strict=True):
        yield outcome if isinstance(outcome, Reject) else Sample(outcome, item.label, item.split)


def from_folders(folder: Path, inside: str, corpus: str, classes: Sequence[str]) -> list[LabelledFile]:
    """Every picture below inside/<class>/ of the folder, by image_id, which is corpus/<class>/<name>.

    ValueError where there is no such folder or no picture in it.
    """
    root = _inner(folder, inside)
    files = [file for run in folders.plan(root, corpus, WHOLE) for file in run.files]
    return [_classed(file, inside, classes) for file in files]


def from_list(
    folder: Path, corpus: str, rows: Iterable[tuple[str, Row]], file_of: Callable[[Row], LabelledFile]
) -> list[LabelledFile]:
    """The files of rows with their place in a list, by image_id; no picture is opened.

    file_of raises RejectedError for a row that is none. Of two with one image_id the first is kept; what is refused
    has its place for an image_id.
    """
    door, first = Folder(folder), dict[str, str]()
    planned = []
    for place, row in rows:
        try:
            item = file_of(row)
            door.locate(item.file.path)
            image_id = item.file.image_id
            if first.setdefault(image_id, place) != place:
                raise RejectedError(Reason.duplicate_id, f"{image_id} is in {first[image_id]} already, which is kept")
        except RejectedError as why:
            name = f"{corpus}/{place}"
            item = LabelledFile(File(name, "", reject=Reject(name, why.reason, why.detail)))
        planned.append(item)
    return sorted(planned, key=lambda item: item.file.image_id)


def listed_file(corpus: str, path: str, inside: str, label: str, split: Split | None = None) -> LabelledFile:
    """The file at inside/path of the data set's folder; its image_id is corpus/path without the suffix."""
    return LabelledFile(File(f"{corpus}/{safe_name(path)}", f"{inside}/{path}"), label, split)


def known_class(name: str, classes: Sequence[str]) -> str:
    """The class of this name, in whatever case. RejectedError for another."""
    if name.lower() not in classes:
        raise RejectedError(Reason.unknown_emotion, f"{shown(name)} is no class; they are {', '.join(classes)}")
    return name.lower()


def lines_of(folder: Path, name: str, layout: str) -> list[str]:
    """The lines of a text file of the folder. ValueError that tells the layout where it is missing or no text."""
    try:
        return Folder(folder).read(name, MAX_LIST_BYTES, Reason.missing_annotation).decode("utf-8-sig").splitlines()
    except RejectedError as why:
        problem = why.detail
    except UnicodeDecodeError as error:
        problem = f"no UTF-8: {error.reason} at byte {error.start}"
    raise ValueError(f"cannot read {name} in {folder} ({problem}): unpack the data set there, {layout}")


def _inner(folder: Path, inside: str) -> Path:
    """A folder within one. ValueError where it is a link that leads out, so that nothing out there is looked at."""
    try:
        return Path(Folder(folder).locate(inside)) if inside else folder
    except RejectedError as why:
        raise ValueError(f"{folder}: {why.detail}; put the data set itself there") from None


def _classed(file: File, inside: str, classes: Sequence[str]) -> LabelledFile:
    """Its path becomes one of the data set's folder."""
    placed, parts = (
        replace(file, path=os.path.normpath(os.path.join(inside, file.path))),
        PurePosixPath(file.path).parts,
    )
    if file.reject:
        return LabelledFile(placed)
    try:
        if len(parts) < 2:
            raise RejectedError(Reason.unknown_emotion, f"it lies in no folder of a class ({', '.join(classes)})")
        return LabelledFile(placed, known_class(parts[0], classes))
    except RejectedError as why:
        reject = Reject(file.image_id, why.reason, f"{shown(placed.path)}: {why.detail}")
        return LabelledFile(replace(placed, reject=reject))
