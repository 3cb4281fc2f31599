"""Write EmoGen's values as our files, in safetensors and Parquet.

Equal input gives equal bytes, and a file is either complete or absent. Attributes are named kind/name: eight names are
both scene and object, and EmoGen lets the object overwrite the scene; here both are kept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import write_table
from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.emotions import EMOTIONS
from pipeline.foreign.artefacts import CLIP_WIDTH, STATISTICS, Place
from pipeline.schemas import CORRELATION_SCHEMA, WORD, Column, Schema
from pipeline.weights import save_safetensors

ATTRIBUTES_SCHEMA = Schema(
    (
        Column("emotion", pa.string(), "one of the eight that the attribute is used for"),
        Column("kind", WORD, "scene or object", words=ATTRIBUTE_KINDS),
        Column("name", pa.string(), "as EmoSet's vocabulary has it, in snake_case"),
    ),
    repeats=True,
)
VOCABULARY_SCHEMA = Schema(
    (
        Column("name", pa.string(), "scene or object, in snake_case"),
        Column("position", pa.int32(), "in EmoGen's list, from 0"),
    ),
    repeats=True,
)
BALANCE_SCHEMA = Schema(
    (
        Column("kind", pa.string(), "scene or object: the list"),
        Column("position", pa.int32(), "in that list, from 0"),
        Column("emotion", WORD, "as the path tells it; null: it does not", nullable=True, words=EMOTIONS),
        Column("attribute", pa.string(), "the picture's folder, in snake_case; null: there is none", nullable=True),
        Column("file", pa.string(), "last three parts of the path"),
    ),
    repeats=True,
)


@dataclass(frozen=True)
class Source:
    """One file that was read: its path below the imported folder, its SHA-256 (hex) and its reader's result."""

    path: str
    sha256: str
    payload: Any


Sources = Mapping[str, Source]  # keyed by member, such as scene


@dataclass(frozen=True)
class Output:
    """The file that artifacts of one kind become.

    `target` is its path below the output folder, `write` the function that writes it; `needs_all` requires every
    member.
    """

    target: str
    write: Callable[[Path, Sources], None]
    needs_all: bool = False


def write_classifier(path: Path, sources: Sources) -> None:
    """Write EmoGen's classifier as our head: one Linear(768, 8) on CLIP features of their original length."""
    import torch

    from pipeline.judges.head import EmotionHead, save_head

    weight, bias = sources[""].payload
    head = EmotionHead(width=CLIP_WIDTH, hidden=None, normalized=False)
    (layer,) = head.layers
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    save_head(head, path.parent, _provenance(sources))


def write_image_encoder(path: Path, sources: Sources) -> None:
    """Write the state dict under its own names."""
    save_safetensors(path, sources[""].payload, _provenance(sources))


def write_coefficients(path: Path, sources: Sources) -> None:
    """Write the published tables in the schema CORRELATION_SCHEMA (UniEmo Eq. 5).

    What was not published is not invented: num_images (M_j) is 0 for unknown, and standard_error is 0. The columns
    coefficient, mean and in_sample all hold the published values, which are not shrunk and come from a classifier that
    had seen the images.
    """
    rows = sorted(
        (f"{kind}/{name}", kind, name, values)
        for kind, source in sources.items()
        for name, values in source.payload.items()
    )  # the values are never compared, as no two first columns are equal
    matrix = np.stack([values for *_, values in rows])
    table = pa.table(
        {
            "attribute": [attribute for attribute, *_ in rows],
            "kind": [kind for _, kind, *_ in rows],
            "name": [name for _, _, name, _ in rows],
            "num_images": pa.array(np.zeros(len(rows), np.int32)),
            "coefficient": _vectors(matrix),
            "mean": _vectors(matrix),
            "standard_error": _vectors(np.zeros_like(matrix)),
            "in_sample": _vectors(matrix),
        }
    )
    write_table(path, table, CORRELATION_SCHEMA)


def write_attributes(path: Path, sources: Sources) -> None:
    """Write the attributes of each emotion, scenes before objects, in EmoGen's order."""
    rows = [(emotion, kind, name) for kind in sources for emotion, name in sources[kind].payload]
    rows.sort(key=lambda row: row[0])
    columns = dict(zip(ATTRIBUTES_SCHEMA.names, zip(*rows, strict=True), strict=True))
    write_table(
        path, pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}), ATTRIBUTES_SCHEMA
    )


def write_vocabulary(path: Path, sources: Sources) -> None:
    """Write all attributes, sorted by name, with their position in EmoGen's list."""
    rows = sorted((name, position) for position, name in enumerate(sources[""].payload))
    names, positions = zip(*rows, strict=True)
    table = pa.table({"name": list(names), "position": pa.array(positions, pa.int32())})
    write_table(path, table, VOCABULARY_SCHEMA)


def write_balance(path: Path, sources: Sources) -> None:
    """Write the oversampling lists in their order, objects before scenes."""
    places: list[tuple[str, int, Place]] = [
        (kind, position, place) for kind in sorted(sources) for position, place in enumerate(sources[kind].payload)
    ]
    table = pa.table(
        {
            "kind": [kind for kind, _, _ in places],
            "position": pa.array([position for _, position, _ in places], pa.int32()),
            "emotion": pa.array([place.emotion for _, _, place in places], pa.string()),
            "attribute": pa.array([place.attribute for _, _, place in places], pa.string()),
            "file": [place.file for _, _, place in places],
        }
    )
    write_table(path, table, BALANCE_SCHEMA)


def write_emotion_space(path: Path, sources: Sources) -> None:
    """Write EmoGen's diagonal Gaussians: mean and std, 8 x 768 float32 each, rows in the order of EMOTIONS."""
    import torch

    tensors = {
        statistic: torch.stack([sources[f"{emotion}_{statistic}"].payload for emotion in EMOTIONS])
        for statistic in STATISTICS
    }
    save_safetensors(path, tensors, {"emotions": json.dumps(EMOTIONS), **_provenance(sources)})


def _provenance(sources: Sources) -> dict[str, str]:
    """Return the metadata of a weights file: its origin, and the SHA-256 of each source file by path."""
    return {"origin": "EmoGen", "sources": json.dumps({source.path: source.sha256 for source in sources.values()})}


def _vectors(matrix: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


OUTPUTS: dict[str, Output] = {
    "classifier": Output("classifier/head.safetensors", write_classifier),
    "coefficients": Output("coefficients.parquet", write_coefficients),
    "attributes": Output("attributes.parquet", write_attributes),
    "vocabulary": Output("vocabulary.parquet", write_vocabulary),
    "balance": Output("balance.parquet", write_balance),
    "emotion_space": Output("emotion_space.safetensors", write_emotion_space, needs_all=True),
    "image_encoder": Output("image_encoder.safetensors", write_image_encoder),
}
