"""Prepare real images for comparison: sums of features for FID, and which scenes and objects go together.

`clean` and `clean-fid` use the images of the test split, `emogen` those of all splits. FID uses Inception's features if
its weights are given, and except under `clean-fid` the judge's; `clean` also uses CLIP's. Of the judge's features, only
the means over places are used, as for Inception: its maxima have long tails, which no Gaussian fits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import read_table, write_table
from pipeline.metrics.coherence import Plausibility, plausibility_from, plausibility_table
from pipeline.metrics.columns import Columns, matrix
from pipeline.metrics.emotion_accuracy import asked
from pipeline.metrics.fid import fid_of_real
from pipeline.metrics.reference import Reference, content_key, load_reference, save_reference
from pipeline.metrics.result import Measure, Protocol, Result
from pipeline.metrics.statistics import Statistics, by_emotion

FID_COLUMNS: dict[str, tuple[str, Protocol]] = {  # column of a table of scores -> backbone, protocol
    "feature": ("clip", "clean"),
    "judge_feature": ("judge", "clean"),
    "inception_feature": ("inception", "clean"),
    "clean_fid_feature": ("inception", "clean-fid"),
    "squashed_judge_feature": ("judge", "emogen"),
    "squashed_inception_feature": ("inception", "emogen"),
}
PLAUSIBILITY = "plausibility.parquet"

Read = Callable[[list[str]], pa.Table]  # names of columns -> these columns of a table of scores
GeneratorOf = Callable[..., np.random.Generator]  # keys -> a separate generator


@dataclass(frozen=True)
class Names:
    """Names of the backbones in results; `clarity` names the networks that recognize scene and object."""

    clip: str
    judge: str
    clarity: str
    inception: str = "inception"


@dataclass(frozen=True)
class Content:
    """The content that identifies references: hashes of the images' bytes and of each backbone's weights."""

    test: Sequence[str]
    all: Sequence[str]
    weights: Mapping[str, str]

    def key_of(self, backbone: str, protocol: Protocol) -> str:
        hashes = self.all if protocol == "emogen" else self.test
        return content_key(hashes, backbone, self.weights[backbone], protocol)


@dataclass(frozen=True)
class Real:
    """Everything known about the real images.

    FID references by column, plausibility (None if unknown), `read` for columns of the table of scores, and flat
    metrics.
    """

    references: Mapping[str, Reference]
    plausibility: Plausibility | None
    read: Read
    metrics: Mapping[str, object]


def fid_columns(scores: Columns) -> list[str]:
    """Return the columns on which FID can be computed; a column is null if not requested or without weights."""
    return [name for name in FID_COLUMNS if not scores[name].null_count]


def fid_features(scores: Columns, column: str) -> NDArray[np.float32]:
    """Return a column's features ND for FID: CLIP's are not normalized, and of the judge's only the means are kept."""
    features = matrix(scores, column)
    match FID_COLUMNS[column][0]:
        case "clip":
            return clip_features(scores)
        case "judge":
            return features[:, : features.shape[1] // 2]
    return features


def clip_features(scores: Columns, protocol: Protocol = "clean") -> NDArray[np.float32]:
    """Return CLIP features ND at their own length, not normalized."""
    if protocol == "emogen":
        return matrix(scores, "squashed_feature")
    return matrix(scores, "feature") * scores["norm"].to_numpy()[:, None]


def references_of(
    test: Columns, rest: Callable[[], Iterable[pa.Table]], names: Names, content: Content | None = None
) -> dict[str, Reference]:
    """Return the FID references by column.

    They use the scores of the test split (`test`) and, for `emogen`, also the tables of all other images (`rest`).
    """
    references = {}
    for column in fid_columns(test):
        backbone, protocol = FID_COLUMNS[column]
        parts: dict[int, Statistics] = {}
        tables: Iterable[Columns] = chain([test], filter(len, rest())) if protocol == "emogen" else [test]
        for table in tables:
            for index, part in by_emotion(fid_features(table, column), asked(table)).items():
                parts[index] = parts[index] + part if index in parts else part
        key = content.key_of(backbone, protocol) if content else ""
        references[column] = Reference(parts, Measure("fid", getattr(names, backbone), protocol), key)
    return references


def real_fid(
    read: Read, references: Mapping[str, Reference], counts: Mapping[int, int], generator_of: GeneratorOf
) -> list[Result]:
    """Return FID of real test images against the other real test images, by each reference.

    `counts` gives the number of images per emotion. Results are overall, then for every emotion.
    """
    results: list[Result] = []
    for column, reference in references.items():
        table = read(["emotion", column, *(["norm"] if column == "feature" else [])])
        features, emotions, measure = fid_features(table, column), asked(table), reference.measure
        generator = generator_of("real_fid", column)
        results += fid_of_real(features, emotions, counts, generator, measure.backbone, measure.protocol)
    return results


def save_real(folder: Path, references: Mapping[str, Reference], plausibility: Plausibility | None) -> None:
    """Write the files that `load_real` reads; a corpus without scenes or without objects has no plausibility."""
    for column, reference in references.items():
        save_reference(reference, folder / f"{column}.safetensors")
    if plausibility is not None:
        write_table(folder / PLAUSIBILITY, plausibility_table(plausibility))


def load_real(folder: Path, read: Read, metrics: Mapping[str, object]) -> Real:
    """Load what `save_real` wrote. Raises ValueError that names an invalid file."""
    files = {column: folder / f"{column}.safetensors" for column in FID_COLUMNS}
    references = {column: load_reference(file) for column, file in files.items() if file.exists()}
    file = folder / PLAUSIBILITY
    return Real(references, load_plausibility(file) if file.exists() else None, read, metrics)


def load_plausibility(file: Path) -> Plausibility:
    """Load the scores of scenes with objects. Raises ValueError that names an invalid file."""
    return plausibility_from(read_table(file, columns=["scene", "object", "score"]))
