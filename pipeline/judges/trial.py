"""Evaluate the judges on the test split.

Measures emotion, scene and object accuracy, and the clarity of images before and after destruction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.features import pictures
from pipeline.judges.distortion import KINDS, destroyed, draw_kinds
from pipeline.judges.examples import UNKNOWN, Targets, in_split, joined_targets, square, targets
from pipeline.judges.panel import Judges, Verdicts, joined
from pipeline.judges.report import emotion_metrics


@dataclass(frozen=True)
class Trial:
    """The judges' results on N test images.

    verdicts and targets; clarity N of the images and clarity_destroyed N of copies destroyed by kinds N (indices of
    KINDS).
    """

    verdicts: Verdicts
    targets: Targets
    clarity: NDArray[np.float32]
    clarity_destroyed: NDArray[np.float32]
    kinds: NDArray[np.int64]


def try_judges(judges: Judges, tables: Iterable[pa.Table], generator: torch.Generator) -> Trial:
    """Judge the test images of tables with examples.COLUMNS, with one table in memory at a time.

    Raises ValueError if there are no test images.
    """
    verdicts, parts, ruined, kinds = [], [], [], []
    for table in tables:
        rows = table.filter(in_split("test")(table))
        if not len(rows):
            continue
        images = pictures(rows)
        squares = torch.from_numpy(np.stack([square(image, judges.image_px) for image in images]))
        verdicts.append(judges.judge(images))
        kinds.append(draw_kinds(len(squares), generator))
        ruined.append(judges.clarity(judges.judge(destroyed(squares, kinds[-1], generator).numpy())))
        parts.append(targets(rows, judges.names))
    if not verdicts:
        raise ValueError("No images in the test split: the report needs at least one.")
    whole = joined(verdicts)
    return Trial(whole, joined_targets(parts), judges.clarity(whole), np.concatenate(ruined), torch.cat(kinds).numpy())


def summary(trial: Trial, judges: Judges) -> dict[str, float]:
    """Return flat metrics of a trial.

    A published scene or object judge has its own classes, so it has no accuracy here. Judges that know no scene and no
    object have no clarity.
    """
    numbers = emotion_metrics(trial.verdicts.emotions, float(judges.network.temperature), trial.targets.emotions)
    for name, probabilities, wanted, published in (
        ("scene", trial.verdicts.scenes, trial.targets.scenes, judges.scene_judge),
        ("object", trial.verdicts.objects, trial.targets.objects, judges.object_judge),
    ):
        is_annotated = wanted != UNKNOWN
        numbers[f"n_{name}"] = int(is_annotated.sum())
        if published is None and is_annotated.any():
            numbers[f"accuracy_{name}"] = float((probabilities.argmax(1) == wanted)[is_annotated].mean())
    if np.isnan(trial.clarity).any():
        return numbers
    numbers["clarity_real"] = float(trial.clarity.mean())
    numbers["clarity_destroyed"] = float(trial.clarity_destroyed.mean())
    for index, kind in enumerate(KINDS):
        if (trial.kinds == index).any():
            numbers[f"clarity_{kind}"] = float(trial.clarity_destroyed[trial.kinds == index].mean())
    return numbers
