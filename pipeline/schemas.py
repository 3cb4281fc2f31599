"""Define the tables of the pipeline column by column, and check that a table is valid.

A valid table is sorted by its key, has no null where none is declared, and has no non-finite number. Written files
carry the metadata that lets Hugging Face datasets open them with decoded images.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.captions.prompts import VARIANTS
from pipeline.corpora.records import SPLITS
from pipeline.emotion_set import EMOTIONS, SIGNS
from pipeline.feedback.reasons import FEEDBACK_REASONS

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
WORD = pa.dictionary(pa.int8(), pa.string())
VECTOR = pa.list_(pa.float32())  # stands for fixed_size_list<float32, d>; d depends on the model


class TableError(ValueError):
    """An error for a table that does not match its schema. The message names the file, the column and the remedy."""


HALVES = pa.list_(pa.float16())  # likewise stands for fixed_size_list<float16, d>


@dataclass(frozen=True)
class Column:
    """A column. `words` are the allowed values of a dictionary column, in the order of their codes."""

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """Columns in order. The first is the key by which rows are sorted; keys are unique unless `repeats`."""

    columns: tuple[Column, ...]
    repeats: bool = False

    @property
    def key(self) -> str:
        return self.columns[0].name

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def arrow(self) -> pa.Schema:
        """Return the columns as a pyarrow schema, to build tables from rows. A VECTOR has no length in it."""
        return pa.schema([(column.name, column.type) for column in self.columns])


ID = Column("image_id", pa.string(), "corpus/stem of the official file, such as emoset/amusement_00001")
EMOTION = Column("emotion", WORD, "annotated emotion, one of emotions.yaml", words=EMOTIONS)
SPLIT = Column("split", WORD, "train, val or test", words=SPLITS)

PICTURE = (
    ID,
    Column("image", IMAGE, "encoded image file and its path in the data set"),
    EMOTION,
    Column("polarity", WORD, "positive or negative; null: none", nullable=True, words=SIGNS),
    SPLIT,
    Column("width", pa.int32(), "px"),
    Column("height", pa.int32(), "px"),
    Column("sha256", pa.string(), "SHA-256 of the encoded file in hex"),
)
ART = (
    Column("artist", pa.string(), "artist, one of 129 in WikiArt; null: unknown", nullable=True),
    Column("genre", pa.string(), "genre, one of 11 in WikiArt; null: unknown", nullable=True),
    Column("style", pa.string(), "style, one of 27 in WikiArt; null: unknown", nullable=True),
)
CONFIDENCE = Column("confidence", pa.float32(), "calibrated probability of the emotion, 0 to 1")

CORPUS_SCHEMA = Schema(PICTURE)  # common to all corpora; each has more columns
EMOSET_SCHEMA = Schema(
    (
        *PICTURE,
        Column("brightness", pa.float32(), "0 to 1 in steps of 0.1, as annotated", nullable=True),
        Column("colorfulness", pa.float32(), "0 to 1 in steps of 0.1, as annotated", nullable=True),
        Column("scene", pa.string(), "annotated scene, one of 254 in EmoSet", nullable=True),
        Column("objects", pa.list_(pa.string()), "annotated objects, of 409 in EmoSet; may be empty"),
        Column("facial_expression", pa.string(), "annotated expression, one of 6 in EmoSet", nullable=True),
        Column("human_action", pa.string(), "annotated action, one of 264 in EmoSet", nullable=True),
    )
)
EMOART_SCHEMA = Schema((*PICTURE, CONFIDENCE, *ART))
CURATION_SCHEMA = Schema(
    (
        ID,
        Column("emotion", WORD, "most probable emotion of emotions.yaml", words=EMOTIONS),
        CONFIDENCE,
        Column("reason", WORD, "why it is kept or not", words=("kept", "unsure", "rare_emotion")),
        *ART,
    )
)
REJECTS_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "id of the rejected image, or its path if it has no id"),
        Column("reason", pa.string(), "reason for the rejection, from the enum of the stage"),
        Column("detail", pa.string(), "details for a reader"),
    ),
    repeats=True,
)
FEATURES_SCHEMA = Schema(
    (
        ID,
        Column("feature", VECTOR, "CLIP image feature v, joint space, of unit length"),
        Column("norm", pa.float32(), "length of v before it was scaled to unit length; EmoGen's classifier needs it"),
    )
)
CAPTIONS_SCHEMA = Schema(
    (
        ID,
        Column("variant", WORD, "variant of the prompt that produced the caption", words=VARIANTS),
        Column("caption", pa.string(), "caption by the captioner or the user"),
        Column("num_tokens", pa.int32(), "length in CLIP tokens, including start and end"),
        Column("truncated", pa.bool_(), "True if the caption is longer than CLIP's context"),
    )
)
CAPTION_FEATURES_SCHEMA = Schema((ID, Column("feature", VECTOR, "CLIP text feature, joint space, of unit length")))
CAPTION_FILTER_SCHEMA = Schema(
    (
        ID,
        EMOTION,
        SPLIT,
        Column(
            "similarity", pa.float32(), "cosine of image and caption, -1 to 1; null without a caption", nullable=True
        ),
        Column(
            "rank",
            pa.int32(),
            "rank within its emotion in the train split, 0 is best; null in other splits",
            nullable=True,
        ),
        Column("kept", pa.bool_(), "True if training may use the image"),
        Column("reason", pa.string(), "why it is kept or not"),
    )
)
CORRELATION_SCHEMA = Schema(
    (
        Column("attribute", pa.string(), "kind/name, such as scene/beach"),
        Column("kind", WORD, "scene or object", words=ATTRIBUTE_KINDS),
        Column("name", pa.string(), "name in EmoSet's vocabulary, in snake_case"),
        Column("num_images", pa.int32(), "M_j, number of train images with the attribute"),
        Column("coefficient", VECTOR, "alpha of each emotion in order of EMOTIONS (UniEmo Eq. 5), shrunk by params"),
        Column("mean", VECTOR, "coefficient before shrinkage"),
        Column(
            "standard_error", VECTOR, "standard error of the mean; for a single image the deviation over all images"
        ),
        Column("in_sample", VECTOR, "mean by a classifier trained on these images, for comparison"),
    )
)
LATENTS_SCHEMA = Schema(
    (
        ID,
        Column("mean", HALVES, "mean of the latent posterior, CHW flattened, times the scaling factor"),
        Column("logvar", HALVES, "logarithm of the posterior variance, same layout"),
        Column("mirrored_mean", HALVES, "mean of the mirrored image"),
        Column("mirrored_logvar", HALVES, "logvar of the mirrored image"),
    )
)
IMAGES_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "method/emotion/index, such as coemogen_emoset/awe/00001"),
        Column("image", IMAGE, "PNG"),
        Column("emotion", WORD, "requested emotion", words=EMOTIONS),
        Column("polarity", WORD, "positive or negative; null: none", nullable=True, words=SIGNS),
        Column("width", pa.int32(), "px"),
        Column("height", pa.int32(), "px"),
        Column("sha256", pa.string(), "SHA-256 of the encoded file in hex"),
        Column("method", pa.string(), "name of the generator"),
        Column("prompt", pa.string(), "prompt, with {S} in place of the emotion"),
        Column("seed", pa.int64(), "seed that reproduces the image, alone or in any batch"),
        Column("model", pa.string(), "hash of the generator's files, 16 hex digits"),
    )
)
FEEDBACK_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "id of the generated image"),
        Column("emotion", WORD, "requested emotion", words=EMOTIONS),
        Column("probability", pa.float32(), "P_emo, probability of that emotion by the emotion classifier"),
        Column("clarity", pa.float32(), "S, semantic clarity (Sem-C) of the image; null: none", nullable=True),
        Column("emotion_rank", pa.float32(), "position in the order sorted by P_emo, a fraction in [0, 1)"),
        Column("clarity_rank", pa.float32(), "the same by S; null without S", nullable=True),
        Column("kept", pa.bool_(), "True if training may use the image"),
        Column("reason", WORD, "why it is kept or not", words=FEEDBACK_REASONS),
    )
)
CONTENT_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "method/emotion/noun/index, such as coemogen_emoset/awe/bench/000"),
        Column("image", IMAGE, "PNG"),
        Column("emotion", WORD, "requested emotion", words=EMOTIONS),
        Column("noun", pa.string(), "requested noun, as in the prompt"),
        Column("kind", WORD, "thing or scene", words=("thing", "scene")),
        Column("seed", pa.int64(), "seed that reproduces the image, alone or in any batch"),
        Column("model", pa.string(), "hash of the generator's files, 16 hex digits"),
        Column("classifier", VECTOR, "calibrated probabilities of the eight emotions by the head on CLIP features"),
        Column("judge", VECTOR, "calibrated probabilities of the eight emotions by the judge on pixels"),
        Column("clip_rank", pa.int32(), "rank of the noun among all nouns by CLIP similarity, 1 is the most similar"),
        Column(
            "judge_rank",
            pa.int32(),
            "rank among the judge's classes, 1 is the most probable; null without the class",
            nullable=True,
        ),
    )
)
SCORES_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "id of the generated or real image"),
        Column(
            "emotion", WORD, "requested emotion of a generated image, annotated emotion of a real image", words=EMOTIONS
        ),
        Column("classifier", VECTOR, "calibrated probabilities of the eight emotions by the head on CLIP features"),
        Column("judge", VECTOR, "calibrated probabilities of the eight emotions by the judge on pixels"),
        Column(
            "clarity",
            pa.float32(),
            "Sem-C: largest probability of a scene or an object, 0 to 1; null if the judges know none",
            nullable=True,
        ),
        Column("scene", pa.string(), "most probable scene by the judge, or none"),
        Column("object", pa.string(), "most probable object by the judge, or none"),
        Column("luminance", pa.float32(), "mean luminance of the image, 0 to 1"),
        Column("chroma", pa.float32(), "mean distance from grey"),
        Column("feature", VECTOR, "CLIP image feature, of unit length"),
        Column("judge_feature", VECTOR, "pooled features of the judge on pixels"),
        Column("norm", pa.float32(), "length of the CLIP image feature before it was scaled to unit length"),
        Column(
            "inception_feature", VECTOR, "Inception features of the center crop; null without weights", nullable=True
        ),
        Column(
            "clean_fid_feature",
            VECTOR,
            "Inception features of the whole image resized to a square as in clean-fid; null if not computed",
            nullable=True,
        ),
        Column(
            "squashed_feature",
            VECTOR,
            "CLIP feature by protocol emogen, not scaled to unit length; null if not computed",
            nullable=True,
        ),
        Column(
            "squashed_judge_feature",
            VECTOR,
            "judge features of the whole image resized to a square; null if not computed",
            nullable=True,
        ),
        Column(
            "squashed_inception_feature",
            VECTOR,
            "Inception features of the whole image resized to a square; null if not computed or without weights",
            nullable=True,
        ),
        Column(
            "stored_classifier",
            VECTOR,
            "probabilities by the classifier for the image after JPEG; null if not computed",
            nullable=True,
        ),
        Column(
            "stored_judge",
            VECTOR,
            "probabilities by the judge for the image after JPEG; null if not computed",
            nullable=True,
        ),
        Column("stored_clarity", pa.float32(), "Sem-C of the image after JPEG; null if not computed", nullable=True),
    )
)
READINGS_SCHEMA = Schema(
    (
        Column("image_id", pa.string(), "data set and path in the data set; one row per reader"),
        Column("reader", pa.string(), "name of the model, or of a baseline in pipeline/understanding/readers.py"),
        Column("label", pa.string(), "annotated class of the data set (pipeline/corpora/classes.py)"),
        Column("split", WORD, "split of the data set; null: no split", nullable=True, words=SPLITS),
        Column("probabilities", VECTOR, "probabilities of the eight emotions"),
        Column("feature", VECTOR, "feature vector by the reader, of any length; empty if no probe is fitted on it"),
    ),
    repeats=True,
)

OBJECT = pa.struct([("name", pa.string()), ("box", pa.list_(pa.float32(), 4))])
TRUTH_SCHEMA = Schema(
    (
        ID,
        Column("emotion", pa.string(), "emotion that the image was drawn for; null: none", nullable=True),
        Column("label", pa.string(), "emotion given by the annotators; null: none", nullable=True),
        Column("votes", pa.list_(pa.int8()), "ten votes over the eight emotions; empty: not annotated"),
        Column("scene", pa.string(), "drawn scene, annotated or not"),
        Column("objects", pa.list_(OBJECT), "every object with its box x0, y0, x1, y1 as fractions of the image"),
        Column("trigger", pa.string(), "object that was placed for the emotion", nullable=True),
        Column(
            "person_box", pa.list_(pa.float32(), 4), "box of the person; may extend beyond the image", nullable=True
        ),
        Column("expression", pa.string(), "facial expression of the person; null: calm, or no person", nullable=True),
        Column("action", pa.string(), "action of the person; null: none, or no person", nullable=True),
        Column("brightness", pa.float32(), "target mean luminance, 0 to 1"),
        Column("colorfulness", pa.float32(), "target mean chroma, 0 to 1"),
        Column("style", pa.string(), "painting style in WikiArt", nullable=True),
        Column(
            "posterior",
            pa.list_(pa.float32()),
            "probabilities of the eight labels given the drawing; empty: no emotion was drawn",
        ),
    )
)


def encode_words(table: pa.Table, schema: Schema) -> pa.Table:
    """Encode the text or dictionary columns that declare `words` as dictionaries in the declared order.

    Raises TableError for any other word.
    """
    for column in schema.columns:
        if not column.words or column.name not in table.column_names:
            continue
        values = table[column.name].combine_chunks().cast(pa.string())
        codes = pc.index_in(values, value_set=pa.array(column.words)).cast(pa.int8())
        unknown = pc.filter(values, pc.and_(codes.is_null(), values.is_valid()))
        if len(unknown):
            raise TableError(f"column {column.name!r}: {unknown[0].as_py()!r} is not one of {', '.join(column.words)}")
        coded = pa.DictionaryArray.from_arrays(codes, pa.array(column.words))
        table = table.set_column(table.column_names.index(column.name), column.name, coded)
    return table


def check_table(table: pa.Table, schema: Schema) -> None:
    """Raise TableError unless column names, order, types, nulls, key and finiteness are as declared."""
    if table.column_names != schema.names:
        missing = [name for name in schema.names if name not in table.column_names]
        excess = [name for name in table.column_names if name not in schema.names]
        raise TableError(
            f"columns are {table.column_names}; missing: {missing}; not declared: {excess}; expected: {schema.names}"
        )
    check_columns(table, schema)


def check_columns(table: pa.Table, schema: Schema) -> None:
    """Check like `check_table`, but only the columns that the table has."""
    for column in schema.columns:
        if column.name in table.column_names:
            _check_column(table[column.name], column)
    if schema.key in table.column_names:
        _check_key(table[schema.key], schema)


def hugging_face_metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    """Return the schema metadata for `datasets.load_dataset("parquet")`.

    With it, datasets decodes images and reads words as text.
    """
    features = {field.name: _feature(field.type) for field in schema}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def _check_column(values: pa.ChunkedArray, column: Column) -> None:
    where = f"column {column.name!r}"
    is_vector = column.type in (VECTOR, HALVES)
    fixed = is_vector and pa.types.is_fixed_size_list(values.type)
    if values.type != column.type and not (fixed and values.type.value_type == column.type.value_type):
        expected = f"fixed_size_list<{column.type.value_type}>" if is_vector else column.type
        raise TableError(f"{where} has type {values.type}; expected {expected}")
    if values.null_count and not column.nullable:
        raise TableError(f"{where} has {values.null_count} nulls; none are allowed")
    if column.type == IMAGE and pc.struct_field(values, "bytes").null_count:
        raise TableError(f"{where} has images without bytes")
    numbers = pc.list_flatten(values) if fixed else values
    if pa.types.is_floating(numbers.type) and (numbers.null_count > values.null_count or not _all_finite(numbers)):
        raise TableError(f"{where} has a value that is not finite")


def _all_finite(numbers: pa.ChunkedArray) -> bool:
    if pa.types.is_float16(numbers.type):  # Arrow has no is_finite for it
        return all(bool(np.isfinite(chunk.to_numpy(zero_copy_only=False)).all()) for chunk in numbers.chunks)
    return bool(pc.all(pc.is_finite(numbers), min_count=0).as_py())


def _check_key(keys: pa.ChunkedArray, schema: Schema) -> None:
    """Raise TableError unless rows are sorted by code point and, unless the key repeats, each key occurs once."""
    whole = keys.combine_chunks()
    before, after = whole[:-1], whole[1:]
    in_order = pc.less_equal(before, after) if schema.repeats else pc.less(before, after)
    position = pc.index(in_order, False).as_py()
    if position >= 0:
        first, second = before[position].as_py(), after[position].as_py()
        raise TableError(f"column {schema.key!r} is not sorted or not unique: {second!r} comes after {first!r}")


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """Return a column type in the form that datasets.Features uses."""
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_dictionary(kind):
        return _feature(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}
