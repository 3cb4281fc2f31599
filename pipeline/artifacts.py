"""List every file of the DAG with its path, kind and schema, and read and write these files.

No other string in the project names a data path. In a path, {item} is the item of a foreach stage, {unit} is `stage` or
`stage/item`, and ${section.key} or ${corpus} is a value of params.yaml, so each path can also be written in dvc.yaml.
What a stage names here is part of its code, and so are the functions that its `Run` calls (pipeline/closure.py).
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.params import Params
from pipeline.schemas import (
    CAPTION_FEATURES_SCHEMA,
    CAPTION_FILTER_SCHEMA,
    CAPTIONS_SCHEMA,
    CONTENT_SCHEMA,
    CORPUS_SCHEMA,
    CORRELATION_SCHEMA,
    CURATION_SCHEMA,
    EMOART_SCHEMA,
    EMOSET_SCHEMA,
    FEATURES_SCHEMA,
    FEEDBACK_SCHEMA,
    IMAGES_SCHEMA,
    LATENTS_SCHEMA,
    READINGS_SCHEMA,
    REJECTS_SCHEMA,
    SCORES_SCHEMA,
    TRUTH_SCHEMA,
    Schema,
    TableError,
    check_columns,
    check_table,
    encode_words,
    hugging_face_metadata,
)
from pipeline.work import written_aside

Kind = Literal["folder", "file", "shards", "table", "metrics", "summary", "plots", "figures"]
ROWS_PER_GROUP = 1000
REMEDY = "delete it and run `dvc repro` to create it again"


@dataclass(frozen=True)
class Artifact:
    """A file or folder that stages pass on.

    The kind `shards` is a folder of part-00000.parquet, part-00001.parquet and so on, `metrics` is flat JSON, `summary`
    is the flat JSON that DVC shows as metrics, `plots` is a folder of tables to draw, of which dvc.yaml names the axes,
    and `figures` is a folder of images.
    """

    path: str
    kind: Kind
    schema: Schema | None = None

    def of(self, item: str) -> "Artifact":
        """Return the artifact of one item.

        Use it in a stage that is not a foreach stage, or that reads the artifact of another item than its own.
        """
        return replace(self, path=self.path.replace("{item}", item))

    def template(self, stage: str, is_foreach: bool) -> str:
        """Return the path as written in dvc.yaml."""
        unit = f"{stage}/{{item}}" if is_foreach else stage
        return self.path.replace("{unit}", unit).replace("{item}", "${item}")

    def locate(self, stage: str, item: str | None, params: Params) -> Path:
        """Return the path on disk, relative to the repository root."""
        path = self.path.replace("{unit}", f"{stage}/{item}" if item else stage).replace("{item}", item or "{item}")
        path = re.sub(r"\$\{([\w.]+)\}", lambda match: str(attrgetter(match[1])(params)), path)
        assert "{" not in path, f"{self.path} needs an item"
        return Path(path)


METRICS = Artifact("metrics/{unit}.json", "metrics")
PLOTS = Artifact("plots/{unit}", "plots")
FIGURES = Artifact("plots/{unit}", "figures")

PIPELINE = Artifact("pipeline", "folder")
STAGES = Artifact("stages", "folder")
EMOTION_SET = Artifact("emotions.yaml", "file")
CODE = Artifact("code", "folder")  # one file per stage, on which that stage depends

MINIATURE = Artifact("data/miniature/{item}", "folder")
MINIATURE_TRUTH = Artifact("data/miniature/{item}_truth.parquet", "table", TRUTH_SCHEMA)
BUNDLED = Artifact("models/miniature", "folder")
CLIP_FOLDER = Artifact("${foundation_folders.clip}", "folder")
VIT_FOLDER = Artifact("${foundation_folders.vit}", "folder")
DIFFUSION_FOLDER = Artifact("${foundation_folders.diffusion}", "folder")
CAPTIONER_FOLDER = Artifact("${foundation_folders.captioner}", "folder")
FOUNDATION_CLIP = Artifact("models/foundation/clip", "folder")
FOUNDATION_VIT = Artifact("models/foundation/vit", "folder")
FOUNDATION_DIFFUSION = Artifact("models/foundation/diffusion", "folder")
FOUNDATION_CAPTIONER = Artifact("models/foundation/captioner", "folder")
EMOSET_FOLDER = Artifact("${emoset.folder}", "folder")
WIKIART_FOLDER = Artifact("${emoart.folder}", "folder")
FI_FOLDER = Artifact("${understanding_scores.fi_folder}", "folder")
EMOTIONROI_FOLDER = Artifact("${understanding_scores.emotionroi_folder}", "folder")
TWITTER_FOLDER = Artifact("${understanding_scores.twitter_folder}", "folder")
IMPORTED_EMOGEN = Artifact("data/imports/emogen", "folder")
PRETRAINED = Artifact("models/pretrained", "folder")
CORPUS = Artifact("data/corpora/{item}", "shards", CORPUS_SCHEMA)
LABELLED = Artifact("data/corpora/${corpus}", "shards", EMOSET_SCHEMA)  # what classifier, judges and UniEmo learn from
EMOSET = Artifact("data/corpora/emoset", "shards", EMOSET_SCHEMA)
EMOART = Artifact("data/corpora/emoart", "shards", EMOART_SCHEMA)
CURATION = Artifact("data/curation/emoart.parquet", "table", CURATION_SCHEMA)
REJECTS = Artifact("data/rejects/{item}.parquet", "table", REJECTS_SCHEMA)
FEATURES = Artifact("data/features/{item}", "shards", FEATURES_SCHEMA)
EMOTION_CLASSIFIER = Artifact("models/emotion_classifier", "folder")
JUDGES = Artifact("models/judges", "folder")
CORRELATION = Artifact("data/correlation.parquet", "table", CORRELATION_SCHEMA)
CAPTIONS_OVERRIDE = Artifact("${captions.override}", "file")
CAPTIONS = Artifact("data/captions/{item}", "shards", CAPTIONS_SCHEMA)
CAPTION_FEATURES = Artifact("data/caption_features/{item}", "shards", CAPTION_FEATURES_SCHEMA)
CAPTION_FILTER = Artifact("data/caption_filter/{item}.parquet", "table", CAPTION_FILTER_SCHEMA)
LATENTS = Artifact("data/latents/{item}", "shards", LATENTS_SCHEMA)
COEMOGEN = Artifact("models/coemogen_{item}", "folder")
STABLE_DIFFUSION = Artifact("models/stable_diffusion", "folder")
CAPTION_PROMPTS = Artifact("models/caption_prompts", "folder")
TEXTUAL_INVERSION = Artifact("models/textual_inversion", "folder")
DREAMBOOTH = Artifact("models/dreambooth", "folder")
EMOGEN = Artifact("models/emogen", "folder")
UNIEMO_UNDERSTANDING = Artifact("models/uniemo_understanding", "folder")
UNIEMO_JOINT = Artifact("models/uniemo_joint", "folder")
UNIEMO_FEEDBACK = Artifact("models/uniemo_feedback", "folder")
FEEDBACK = Artifact("data/feedback.parquet", "table", FEEDBACK_SCHEMA)
READINGS = Artifact("data/readings", "shards", READINGS_SCHEMA)
GENERATOR = Artifact("models/{item}", "folder")
IMAGES = Artifact("data/images/{item}", "shards", IMAGES_SCHEMA)
REAL_SCORES = Artifact("data/scores/real", "shards", SCORES_SCHEMA)
REAL_REFERENCE = Artifact("data/scores/real_reference", "folder")
REAL_METRICS = Artifact("metrics/real_scores.json", "metrics")
SCORES = Artifact("data/scores/{item}", "shards", SCORES_SCHEMA)
CONTENT = Artifact("data/content/{item}", "shards", CONTENT_SCHEMA)
LABELLED_METRICS = Artifact("metrics/${corpus}.json", "metrics")
EMOSET_METRICS = Artifact("metrics/emoset.json", "metrics")
EMOART_METRICS = Artifact("metrics/emoart.json", "metrics")
FUNNEL_METRICS = Artifact("metrics/emoart_funnel.json", "metrics")
FUNNEL_FIGURES = Artifact("plots/emoart_funnel", "figures")
FILTER_METRICS = Artifact("metrics/caption_filter", "folder")
JUDGES_METRICS = Artifact("metrics/judges.json", "metrics")
FEEDBACK_METRICS = Artifact("metrics/feedback.json", "metrics")
UNDERSTANDING_METRICS = Artifact("metrics/understanding_scores.json", "metrics")
SCORES_METRICS = Artifact("metrics/scores", "folder")
CONTENT_METRICS = Artifact("metrics/content", "folder")
SUMMARY = Artifact("metrics/summary.json", "summary")
ALL_CAPTIONS = Artifact("data/captions", "folder")
ALL_FILTERS = Artifact("data/caption_filter", "folder")
ALL_IMAGES = Artifact("data/images", "folder")
ALL_SCORES = Artifact("data/scores", "folder")
ALL_METRICS = Artifact("metrics", "folder")
ALL_PLOTS = Artifact("plots", "folder")
EXPERIMENTS = Artifact("experiments/results", "folder")
PAPERS = Artifact("pipeline/report/papers.yaml", "file")
REPORT_TEMPLATE = Artifact("pipeline/report/template", "folder")
REPORT = Artifact("report/index.html", "file")


def write_table(path: Path, table: pa.Table, schema: Schema | None = None) -> None:
    """Check a table against its schema and write it as Parquet.

    Equal tables give equal bytes. Raises TableError if the table does not match the schema.
    """
    if schema is not None:
        try:
            table = encode_words(table, schema)
            check_table(table, schema)
        except TableError as error:
            raise TableError(f"{path}: {error}; this is an error in the stage that writes it") from None
    table = table.replace_schema_metadata(hugging_face_metadata(table.schema))
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    with written_aside(path) as aside:
        pq.write_table(table, aside, row_group_size=ROWS_PER_GROUP, compression="zstd", use_dictionary=words)


def read_table(path: Path, schema: Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file and check it against its schema; `columns` restricts what is read.

    Raises TableError, which names the file, the column and the remedy.
    """
    try:
        if not path.is_file():  # pyarrow reads a folder as a table of its files, and blocks on a pipe
            raise FileNotFoundError
        table = pq.read_table(path, columns=list(columns) if columns else None, partitioning=None)
        if schema is None:
            return table
        table = encode_words(table, schema)
        (check_columns if columns else check_table)(table, schema)
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; run `dvc repro` to create it") from None
    except (TableError, pa.ArrowException) as error:
        raise TableError(f"{path}: {error}; {REMEDY}") from None
    return table


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of a folder in order.

    Raises TableError if there are no shards, or if one is missing in between.
    """
    paths = sorted(folder.glob("part-*.parquet"))
    if [path.name for path in paths] != [shard_name(index) for index in range(len(paths))] or not paths:
        raise TableError(
            f"{folder}: the shards are {[path.name for path in paths]}, expected part-00000.parquet and so on without "
            f"gaps; {REMEDY}"
        )
    return paths


def shard_name(index: int) -> str:
    """Return the file name of the shard with this index, counted from 0."""
    return f"part-{index:05d}.parquet"


def read_shards(folder: Path, schema: Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Read all shards of a folder as one table and check that it is sorted by key throughout. Raises TableError."""
    table = pa.concat_tables([read_table(path, schema, columns) for path in shard_paths(folder)])
    if schema is not None:
        try:
            check_columns(table, schema)
        except TableError as error:
            raise TableError(f"{folder}: all shards together: {error}; {REMEDY}") from None
    return table


def take_rows(
    folder: Path, rows: Sequence[int], schema: Schema | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return single rows of a folder of shards, in the order given.

    `rows` are indices over all shards. Only one shard is in memory at a time.
    """
    indices = np.asarray(rows, dtype=np.int64)
    tables, places, begin = [], [], 0
    for path in shard_paths(folder):
        end = begin + pq.read_metadata(path).num_rows
        in_shard = np.flatnonzero((indices >= begin) & (indices < end))
        if len(in_shard):
            tables.append(read_table(path, schema, columns).take(indices[in_shard] - begin))
            places.append(in_shard)
        begin = end
    assert sum(map(len, places)) == len(indices), f"{folder} has {begin} rows; requested: {list(rows)}"
    return pa.concat_tables(tables).take(np.argsort(np.concatenate(places)))


def write_json(path: Path, values: Mapping[str, str | float | int | bool | None]) -> None:
    """Write flat metrics with sorted keys and floats rounded to six significant digits.

    Raises ValueError for non-finite numbers and for values that are not flat.
    """
    rounded = {key: _rounded(path, key, value) for key, value in values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(json.dumps(rounded, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, str | float | int | bool | None]:
    """Read flat metrics. Raises ValueError, which names the file and the remedy."""
    try:
        values: dict[str, str | float | int | bool | None] = read_object(path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; run `dvc repro` to create it") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a valid JSON object: {error}; {REMEDY}") from None
    for key, value in values.items():
        if isinstance(value, list | dict):
            raise ValueError(f"{path}: {key} is a {type(value).__name__}, but metrics must be flat; {REMEDY}")
    return values


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object in which every number is finite.

    Raises FileNotFoundError if the file does not exist, and ValueError if it does not hold such an object.
    """
    if not path.is_file():  # reading a pipe would block
        raise FileNotFoundError(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__}, expected an object")
    return values


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refused(text)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not a finite number")


def _rounded(path: Path, key: str, value: object) -> str | float | int | bool | None:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path}: {key} = {value} is not finite; leave it out, or write null with a reason")
        return float(f"{value:.6g}")
    if value is None or isinstance(value, (str, int)):
        return value
    raise ValueError(
        f"{path}: {key} = {value!r} is a {type(value).__name__}; allowed are numbers, strings, booleans and null"
    )
