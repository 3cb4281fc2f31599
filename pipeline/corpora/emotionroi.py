"""Plan EmotionROI (Peng et al. 2016): Ekman's six classes, 330 images each, with its authors' split (REFERENCE D).

    images/<class>/<file>    training_testing_split/{training,testing}.txt, a line <class>/<file> for each image

Images that neither list names are ignored, as in the literature.
"""

from pathlib import Path

from pipeline.corpora.classes import CLASSES
from pipeline.corpora.labelled import LabelledFile, from_list, known_class, lines_of, listed_file
from pipeline.corpora.records import Reason, RejectedError, Split, shown

LISTS: dict[Split, str] = {
    "train": "training_testing_split/training.txt",
    "test": "training_testing_split/testing.txt",
}
LAYOUT = "images/<class>/ and training_testing_split/ with training.txt and testing.txt"
Line = tuple[Split, str]


def plan(folder: Path) -> list[LabelledFile]:
    """Return every line of both lists, sorted by image_id emotionroi/<class>/<name>; only the lists are opened.

    Raises ValueError if the folder or a list is missing, or the lists have no line.
    """
    rows = [
        (f"{name}:{number}", (split, line.strip()))
        for split, name in LISTS.items()
        for number, line in enumerate(lines_of(folder, name, LAYOUT), 1)
        if line.strip()
    ]
    if not rows:
        raise ValueError(
            f"{folder}: {' and '.join(LISTS.values())} are empty; expected is one line <class>/<file> per image"
        )
    return from_list(folder, "emotionroi", rows, _file)


def _file(row: Line) -> LabelledFile:
    split, line = row
    name, slash, file = line.partition("/")
    if not slash or not file:
        raise RejectedError(Reason.malformed_row, f"{shown(line)}, expected <class>/<file>")
    return listed_file("emotionroi", line, "images", known_class(name, CLASSES["emotionroi"].names), split)
