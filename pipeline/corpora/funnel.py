"""Count the funnel of a curation: collected -> readable -> confident -> frequent -> captioned -> kept (CoEmoGen 3.1).

Totals cover all six steps. Counts per emotion, style and genre begin with the readable images: an unreadable image has
no emotion, and the table of rejects has no style. Drawing is left to `pipeline.corpora.funnel_figure`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpora.records import RARE, UNSURE
from pipeline.emotion_set import EMOTIONS

STEPS = ("readable", "confident", "frequent", "captioned", "kept")
GROUPS = ("emotion", "style", "genre")
NOT_TOLD = "(not told)"
Counts = tuple[int, ...]  # one count for each of STEPS


@dataclass(frozen=True)
class Funnel:
    """The counts of a funnel.

    total: the number of images that passed each of STEPS.
    by: the same per group and name, with the names in order.

    All eight emotions are present. Styles and genres are those that occur; there are none if no image has any.
    """

    num_collected: int
    total: Counts
    by: Mapping[str, Mapping[str, Counts]]


def funnel(judged: pa.Table, num_rejects: int, filtered: pa.Table) -> Funnel:
    """Return how many images passed each step.

    judged: a table of CURATION_SCHEMA.
    filtered: a table of CAPTION_FILTER_SCHEMA with a row for each captioned image; images outside the train split are
    kept, because the filter does not rank them.

    Raises ValueError if `filtered` has images that were not judged, or that the curation did not keep.
    """
    passed = _passed(judged, filtered)
    by = {
        group: {
            name: _counts(passed, members) for name, members in _members(judged[group], EMOTIONS * (group == "emotion"))
        }
        for group in GROUPS
    }
    return Funnel(len(judged) + num_rejects, _counts(passed, np.ones(len(judged), bool)), by)


def metrics(funnel: Funnel) -> dict[str, str | int]:
    """Return flat metrics: a number for each total and each emotion, one line of text for each style and genre."""
    total = {f"num_{step}": number for step, number in zip(STEPS, funnel.total, strict=True)}
    emotions = {
        f"num_{step}_{emotion}": number
        for emotion, counts in funnel.by["emotion"].items()
        for step, number in zip(STEPS, counts, strict=True)
    }
    lines = {
        f"{group}/{name}": " > ".join(map(str, counts))
        for group in GROUPS[1:]
        for name, counts in funnel.by[group].items()
    }
    return {"num_collected": funnel.num_collected, "steps": " > ".join(STEPS), **total, **emotions, **lines}


def _passed(judged: pa.Table, filtered: pa.Table) -> NDArray[np.bool_]:
    """Return a boolean matrix of images by STEPS: True where an image passed a step."""
    ids, reasons = judged["image_id"], np.array(judged["reason"].to_pylist(), dtype=object)
    confident, frequent = reasons != UNSURE, ~np.isin(reasons, (UNSURE, RARE))
    captioned = _among(ids, filtered["image_id"])
    is_kept = _among(ids, filtered.filter(filtered["kept"])["image_id"])
    if captioned.sum() != len(filtered) or (captioned & ~frequent).any():
        raise ValueError("the captions do not belong to the kept images; run `dvc repro` to write them again")
    return np.stack([np.ones(len(judged), bool), confident, frequent, captioned, is_kept], axis=1)


def _among(ids: pa.ChunkedArray, chosen: pa.ChunkedArray) -> NDArray[np.bool_]:
    is_chosen: NDArray[np.bool_] = pc.is_in(ids, value_set=chosen.combine_chunks()).to_numpy()
    return is_chosen


def _members(column: pa.ChunkedArray, names: Sequence[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each of `names`, or each name that occurs if `names` is empty, with the mask of the rows that have it."""
    values = np.array([NOT_TOLD if value is None else value for value in column.to_pylist()], dtype=object)
    occurring = [] if column.null_count == len(column) else sorted(set(values.tolist()))
    return ((name, values == name) for name in names or occurring)


def _counts(passed: NDArray[np.bool_], members: NDArray[np.bool_]) -> Counts:
    return tuple(int(number) for number in passed[members].sum(0))
