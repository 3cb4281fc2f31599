"""Embed a corpus and its captions in CLIP's joint space, shard by shard: one unit vector per image and per caption."""

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

Prepare = Callable[[Any], Any]
Convert = Callable[["Image.Image"], Any]


def image_features(clip: "Clip", rows: pa.Table, batch_size: int) -> pa.Table:
    """Return the image features of a shard.

    rows with image_id and image -> image_id, feature (D float32 of unit length), norm (its length before
    normalization).
    """
    prepared = decoded(rows, batch_size, partial(_transformed, clip.transform))
    features = [clip.encode_pixels(pixels, normalize=False).numpy() for _, pixels in prepared]
    norms = [np.linalg.norm(batch, axis=1) for batch in features]
    units = [batch / norm[:, None] for batch, norm in zip(features, norms, strict=True)]
    norm = pa.array(np.concatenate([np.empty(0, np.float32), *norms]), pa.float32())
    return feature_table(rows, units, clip.width).append_column("norm", norm)


def text_features(clip: "Clip", rows: pa.Table, batch_size: int) -> pa.Table:
    """Return the caption features of a shard.

    rows with image_id and caption -> image_id, feature (D float32 of unit length). Captions longer than CLIP's context
    are truncated.
    """
    features = [clip.encode_texts(batch["caption"].to_pylist()).numpy() for batch in batches(rows, batch_size)]
    return feature_table(rows, features, clip.width)


def pictures(rows: pa.Table, convert: Convert = to_rgb) -> list[Any]:
    """Return the images of rows with an image column, as upright RGB or as `convert` makes them of decoded images."""
    return [convert(read_image(image["bytes"])) for image in rows["image"].to_pylist()]


def decoded(
    rows: pa.Table, batch_size: int, prepare: Prepare | None = None, convert: Convert = to_rgb
) -> Iterator[tuple[pa.Table, list[Any]]]:
    """Yield consecutive slices of rows with an image column, and their images as of `pictures`, decoded ahead.

    prepare: an optional transform of each converted image. Both are applied by the process that decodes it, so each is
    a module-level function, or a partial of one.
    """
    parts = batches(rows, batch_size)
    return zip(parts, ahead(partial(_decoded, prepare, convert), parts), strict=True)


def _decoded(prepare: Prepare | None, convert: Convert, rows: pa.Table) -> list[Any]:
    images = pictures(rows, convert)
    return [prepare(picture) for picture in images] if prepare else images


def _transformed(transform: Callable[..., Any], picture: "Image.Image") -> Any:
    return transform(picture.convert("RGB"))


def batches(rows: pa.Table, batch_size: int) -> list[pa.Table]:
    """Return consecutive slices of at most `batch_size` rows.

    They never cross a shard, so that equal shards give equal bytes.
    """
    return [rows.slice(start, batch_size) for start in range(0, len(rows), batch_size)]


def feature_table(rows: pa.Table, features: Sequence[NDArray[np.float32]], width: int) -> pa.Table:
    """Return batches of features as a table with the ids of the rows; a shard may have no rows.

    batches BD, D = width -> image_id, feature (D float32).
    """
    matrix = np.concatenate([np.empty((0, width), np.float32), *features])
    values = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), width)
    return pa.table({"image_id": rows["image_id"], "feature": values})


def feature_matrix(table: pa.Table) -> NDArray[np.float32]:
    """Return the features of a table as one ND float32 matrix."""
    column = table["feature"].combine_chunks()
    matrix: NDArray[np.float32] = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
    return matrix
