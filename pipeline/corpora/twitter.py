"""Plan Twitter I (You et al. 2015) and Twitter II (Borth et al. 2013): images of one of two polarities (REFERENCE D).

Twitter I lies in Twitter_PCNN/, or the given folder is that folder itself:

    Agg_AMT_Candidates/<file>    amt_result.csv, 1,269 rows <file>, <votes>, <positive>, <negative>

A header that names the columns "positive" and "negative" gives the order of the columns; otherwise the order above is
assumed. The file name is in the column "file" or, if the header has none, in the first column that is not of votes. An
image has the polarity of the majority of its five votes. All images are used, which the field calls "3-agree".

Twitter II is SentiBank's 603 photographs from tweets, 470 positive and 133 negative. The layout of its distribution is
not documented. Two folders are read, twitter_ii/positive/ and twitter_ii/negative/; the given folder may also be the
one that holds these two.
"""

import csv
from pathlib import Path

from pipeline.corpora.classes import CLASSES
from pipeline.corpora.labelled import LabelledFile, from_folders, from_list, lines_of, listed_file
from pipeline.corpora.records import Reason, RejectedError, shown
from pipeline.emotion_set import SIGNS

FIRST, SECOND = "Twitter_PCNN", "twitter_ii"  # subfolders of a folder that holds both
PICTURES, VOTES = "Agg_AMT_Candidates", "amt_result.csv"
LAYOUT = f"{PICTURES}/ and {VOTES}"
COLUMNS = ("file", "votes", *SIGNS)
MAX_DIGITS = 6  # of a vote count


def plan_first(folder: Path) -> list[LabelledFile]:
    """Return every row of Twitter I, sorted by image_id twitter_i/<name>; only the list is opened.

    Raises ValueError if the folder or the list is missing, or the list has no row.
    """
    inside = f"{FIRST}/" if (folder / FIRST).is_dir() else ""
    lines = [(f"{VOTES}:{number}", line) for number, line in enumerate(lines_of(folder, inside + VOTES, LAYOUT), 1)]
    columns, rows = _without_header([(place, line) for place, line in lines if line.strip()])
    if not rows:
        raise ValueError(f"{folder / inside / VOTES} has no rows; expected are rows of {', '.join(COLUMNS)}")
    return from_list(folder, "twitter_i", rows, lambda line: _file(line, columns, inside + PICTURES))


def plan_second(folder: Path) -> list[LabelledFile]:
    """Return every image of Twitter II, sorted by image_id twitter_ii/<polarity>/<name>.

    Raises ValueError if there is none.
    """
    inside = SECOND if (folder / SECOND).is_dir() else ""
    return from_folders(folder, inside, "twitter_ii", CLASSES["twitter_ii"].names)


def _without_header(rows: list[tuple[str, str]]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """Return the names of the columns, and the rows without the header.

    A first row without a number in its last column is a header.
    """
    first = [value.strip().lower() for value in rows[0][1].split(",")] if rows else []
    if not first or first[-1].isdecimal():
        return COLUMNS, rows
    return (tuple(first) if set(SIGNS) <= set(first) else COLUMNS), rows[1:]


def _file(line: str, columns: tuple[str, ...], inside: str) -> LabelledFile:
    try:
        row = [value.strip() for value in next(csv.reader([line]))]
    except csv.Error as error:
        raise RejectedError(Reason.malformed_row, f"not a valid CSV row: {error}") from None
    if len(row) != len(columns):
        raise RejectedError(Reason.malformed_row, f"{len(row)} columns, expected {', '.join(columns)}")
    positive, negative = (_number(row[columns.index(name)]) for name in SIGNS)
    if positive == negative:
        raise RejectedError(Reason.malformed_row, f"{positive} votes for each polarity, so neither has a majority")
    return listed_file("twitter_i", row[_file_column(columns)], inside, SIGNS[positive < negative])


def _file_column(columns: tuple[str, ...]) -> int:
    """Return the index of the column with the file name."""
    return (
        columns.index("file")
        if "file" in columns
        else next((index for index, name in enumerate(columns) if name not in COLUMNS[1:]), 0)
    )


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise RejectedError(Reason.malformed_row, f"{shown(text)} is not a number of votes")
    return int(text)
