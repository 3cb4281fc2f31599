"""A corpus and its captions in CLIP's joint space, shard by shard: a unit vector for each picture and each caption."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.ahead import ahead
from pipeline.corpora.images import read_image, to_rgb

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.foundation.clip import Clip

Prepare = Callable[["Image.Image"], Any]


def image_features(clip: "Clip", rows: pa.Table, batch_size: int) -> pa.Table:
    """Rows with image_id and image -> image_id, feature (D float32 of unit length), norm (before)."""
    prepared = decoded(rows, batch_size, partial(_transformed, clip.transform))
    features = [clip.encode_pixels(pixels, normalize=False).numpy() for _, pixels in prepared]
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


def decoded(rows: pa.Table, batch_size: int, prepare: Prepare | None = None) -> Iterator[tuple[pa.Table, list[Any]]]:
    """Consecutive slices of rows with an image column, and their upright RGB pictures, decoded ahead.

    prepare: what to make of a picture while at it; a function of a module, or a partial of one.
    """
    parts = batches(rows, batch_size)
    return zip(parts, ahead(partial(_decoded, prepare), parts), strict=True)


def _decoded(prepare: Prepare | None, rows: pa.Table) -> list[Any]:
    return [prepare(picture) for picture in pictures(rows)] if prepare else pictures(rows)


def _transformed(transform: Callable[..., Any], picture: "Image.Image") -> Any:
    return transform(picture.convert("RGB"))


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
