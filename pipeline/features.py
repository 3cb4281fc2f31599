"""A corpus and its captions in CLIP's joint space, shard by shard: a unit vector for each picture and each caption."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.corpora.images import read_image, to_rgb

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.foundation.clip import Clip


def image_features(clip: "Clip", rows: pa.Table, batch_size: int) -> pa.Table:
    """Rows with image_id and image -> image_id, feature (D float32 of unit length), norm (before)."""
    features = [clip.encode_images(pictures(batch), normalize=False).numpy() for batch in batches(rows, batch_size)]
    norms = [np.linalg.norm(batch, axis=1) for batch in features]
    units = [batch / norm[:, None] for batch, norm in zip(features, norms, strict=True)]
    norm = pa.array(np.concatenate([np.empty(0, np.float32), *norms]), pa.float32())
    return feature_table(rows, units, clip.width).append_column("norm", norm)


def text_features(clip: "Clip", rows: pa.Table, batch_size: int) -> pa.Table:
    """Rows with image_id and caption -> image_id, feature (D float32 of unit length).

    Longer captions are cut at the context.
    """
    features = [clip.encode_texts(batch["caption"].to_pylist()).numpy() for batch in batches(rows, batch_size)]
    return feature_table(rows, features, clip.width)


def pictures(rows: pa.Table) -> "list[Image.Image]":
    """The upright RGB pictures of rows with an image column."""
    return [to_rgb(read_image(image["bytes"])) for image in rows["image"].to_pylist()]


def batches(rows: pa.Table, batch_size: int) -> list[pa.Table]:
    """Consecutive slices of at most `batch_size` rows.

    They never cross a shard, so that equal shards give equal bytes.
    """
    return [rows.slice(start, batch_size) for start in range(0, len(rows), batch_size)]


def feature_table(rows: pa.Table, features: Sequence[NDArray[np.float32]], width: int) -> pa.Table:
    """Batches of BD features, D = width, as a table with the ids of the rows; a shard may have none."""
    matrix = np.concatenate([np.empty((0, width), np.float32), *features])
    values = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), width)
    return pa.table({"image_id": rows["image_id"], "feature": values})


def feature_matrix(table: pa.Table) -> NDArray[np.float32]:
    """The features of a table as one ND float32 matrix."""
    column = table["feature"].combine_chunks()
    matrix: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
    return matrix
