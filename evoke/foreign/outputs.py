"""Write EmoGen's values as our files, in safetensors and Parquet.

Equal input gives equal bytes, and a file is either complete or absent. Attributes are named kind/name: eight names are
both scene and object, and EmoGen lets the object overwrite the scene; here both are kept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from evoke.foreign.artefacts import CLIP_WIDTH
from pipeline.artifacts import write_table
from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CORRELATION_SCHEMA, VECTOR, WORD, Column, Schema
from pipeline.weights import save_safetensors

ATTRIBUTES_SCHEMA = Schema(
    (
        Column("emotion", pa.string(), "emotion that the attribute is used for"),
        Column("kind", WORD, "scene or object", words=ATTRIBUTE_KINDS),
        Column("name", pa.string(), "name in EmoSet's vocabulary, in snake_case"),
    ),
    repeats=True,
)
VOCABULARY_SCHEMA = Schema(
    (
        Column("name", pa.string(), "scene or object, in snake_case"),
        Column("position", pa.int32(), "position in EmoGen's list, from 0"),
    ),
    repeats=True,
)
BALANCE_SCHEMA = Schema(
    (
        Column("kind", pa.string(), "list of scenes or of objects"),
        Column("position", pa.int32(), "position in that list, from 0"),
        Column("emotion", WORD, "emotion in the path; null: none", nullable=True, words=EMOTIONS),
        Column("attribute", pa.string(), "folder of the image, in snake_case; null: none", nullable=True),
        Column("file", pa.string(), "last three parts of the path"),
    ),
    repeats=True,
)


Values = Mapping[str, Any]  # member, such as scene -> its reader's result
Metadata = Mapping[str, str]


@dataclass(frozen=True)
class Output:
    """The file that artifacts of one kind become.

    `target` is its path below the output folder, `write` the function that writes it; `needs_all` requires every
    member.
    """

    target: str
    write: Callable[[Path, Values, Metadata], None]
    needs_all: bool = False


def write_classifier(path: Path, values: Values, metadata: Metadata) -> None:
    """Write EmoGen's classifier as our head: one Linear(768, 8) on CLIP features of their original length."""
    from pipeline.judges.head import EmotionHead, save_head

    head = EmotionHead(width=CLIP_WIDTH, hidden=None, normalized=False)
    (layer,) = head.layers
    layer.load_state_dict(values[""])
    save_head(head, path.parent, metadata)


def write_emotion_space(path: Path, values: Values, metadata: Metadata) -> None:
    """Write EmoGen's diagonal Gaussians: mean and std, 8 x 768 float32 each, rows in the order of EMOTIONS."""
    import torch

    tensors = {name: torch.stack([values[f"{emotion}_{name}"] for emotion in EMOTIONS]) for name in ("mean", "std")}
    save_safetensors(path, tensors, {"emotions": json.dumps(EMOTIONS), **metadata})


def write_rows(path: Path, values: Values, _: Metadata, schema: Schema) -> None:
    """Write the rows of all members, sorted by the schema's key; rows with equal keys keep their order."""
    rows = sorted(chain(*values.values()), key=itemgetter(schema.key))
    types = {VECTOR: pa.list_(pa.float32(), len(EMOTIONS)), WORD: pa.string()}  # write_table encodes the words
    arrow = pa.schema([(column.name, types.get(column.type, column.type)) for column in schema.columns])
    write_table(path, pa.Table.from_pylist(rows, arrow), schema)


OUTPUTS: dict[str, Output] = {
    "classifier": Output("classifier/head.safetensors", write_classifier),
    "coefficients": Output("coefficients.parquet", partial(write_rows, schema=CORRELATION_SCHEMA)),
    "attributes": Output("attributes.parquet", partial(write_rows, schema=ATTRIBUTES_SCHEMA)),
    "vocabulary": Output("vocabulary.parquet", partial(write_rows, schema=VOCABULARY_SCHEMA)),
    "balance": Output("balance.parquet", partial(write_rows, schema=BALANCE_SCHEMA)),
    "emotion_space": Output("emotion_space.safetensors", write_emotion_space, needs_all=True),
    "image_encoder": Output(
        "image_encoder.safetensors", lambda path, values, metadata: save_safetensors(path, values[""], metadata)
    ),
}
