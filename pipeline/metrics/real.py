"""Real pictures as images are measured from them: sums of features for FID, and which things go together.

Under `clean` the pictures of the test split, under `emogen` those of all splits. FID is taken on Inception's features
where its weights are given, and always on the judge's; under `clean` on CLIP's too. Of the judge's features only the
means over places count, as of Inception's: its maxima have long tails, which no Gaussian fits.
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

FID_COLUMNS: dict[str, tuple[str, Protocol]] = {  # of a table of scores: whose features, and by which protocol
    "feature": ("clip", "clean"),
    "judge_feature": ("judge", "clean"),
    "inception_feature": ("inception", "clean"),
    "squashed_judge_feature": ("judge", "emogen"),
    "squashed_inception_feature": ("inception", "emogen"),
}
PLAUSIBILITY = "plausibility.parquet"

Read = Callable[[list[str]], pa.Table]  # columns of a table of scores -> those
GeneratorOf = Callable[..., np.random.Generator]  # keys -> a generator of their own


@dataclass(frozen=True)
class Names:
    """What the backbones are called in results; clarity: the networks that tell scene and object."""

    clip: str
    judge: str
    clarity: str
    inception: str = "inception"


@dataclass(frozen=True)
class Content:
    """What references are keyed by: hashes of the pictures' bytes, and of each backbone's weights."""

    test: Sequence[str]
    all: Sequence[str]
    weights: Mapping[str, str]

    def key_of(self, backbone: str, protocol: Protocol) -> str:
        hashes = self.all if protocol == "emogen" else self.test
        return content_key(hashes, backbone, self.weights[backbone], protocol)


@dataclass(frozen=True)
class Real:
    """References by column, what goes together (None where nobody knows), the table of scores, and its metrics."""

    references: Mapping[str, Reference]
    plausibility: Plausibility | None
    read: Read
    metrics: Mapping[str, object]


def fid_columns(scores: Columns) -> list[str]:
    """The columns that FID can be taken on: what was not asked for, or has no weights, is null."""
    return [name for name in FID_COLUMNS if not scores[name].null_count]


def fid_features(scores: Columns, column: str) -> NDArray[np.float32]:
    """ND, as the backbone gives them."""
    features = matrix(scores, column)
    match FID_COLUMNS[column][0]:
        case "clip":
            return clip_features(scores)
        case "judge":
            return features[:, : features.shape[1] // 2]
    return features


def clip_features(scores: Columns, protocol: Protocol = "clean") -> NDArray[np.float32]:
    """ND, of their own length."""
    if protocol == "emogen":
        return matrix(scores, "squashed_feature")
    return matrix(scores, "feature") * scores["norm"].to_numpy()[:, None]


def references_of(
    test: Columns, rest: Callable[[], Iterable[pa.Table]], names: Names, content: Content | None = None
) -> dict[str, Reference]:
    """References by column, of the scores of the test split and, for `emogen`, of tables of all other pictures."""
    found = {}
    for column in fid_columns(test):
        backbone, protocol = FID_COLUMNS[column]
        parts: dict[int, Statistics] = {}
        tables: Iterable[Columns] = [test] if protocol == "clean" else chain([test], filter(len, rest()))
        for table in tables:
            for index, part in by_emotion(fid_features(table, column), asked(table)).items():
                parts[index] = parts[index] + part if index in parts else part
        key = content.key_of(backbone, protocol) if content else ""
        found[column] = Reference(parts, Measure("fid", getattr(names, backbone), protocol), key)
    return found


def real_fid(
    read: Read, references: Mapping[str, Reference], counts: Mapping[int, int], generator_of: GeneratorOf
) -> list[Result]:
    """FID of as many real pictures as `counts` has of each emotion from others, all of the test split.

    By each reference overall, then every emotion.
    """
    found: list[Result] = []
    for column, reference in references.items():
        table = read(["emotion", column, *(["norm"] if column == "feature" else [])])
        features, emotions, measure = fid_features(table, column), asked(table), reference.measure
        generator = generator_of("real_fid", column)
        found += fid_of_real(features, emotions, counts, generator, measure.backbone, measure.protocol)
    return found


def save_real(folder: Path, references: Mapping[str, Reference], plausibility: Plausibility) -> None:
    """Writes what `load_real` reads."""
    for column, reference in references.items():
        save_reference(reference, folder / f"{column}.safetensors")
    write_table(folder / PLAUSIBILITY, plausibility_table(plausibility))


def load_real(folder: Path, read: Read, metrics: Mapping[str, object]) -> Real:
    """Of what `save_real` wrote. Raises ValueError that names the file that is none."""
    files = {column: folder / f"{column}.safetensors" for column in FID_COLUMNS}
    references = {column: load_reference(file) for column, file in files.items() if file.exists()}
    return Real(references, load_plausibility(folder / PLAUSIBILITY), read, metrics)


def load_plausibility(file: Path) -> Plausibility:
    """Raises ValueError that names the file."""
    return plausibility_from(read_table(file, columns=["scene", "object", "score"]))
