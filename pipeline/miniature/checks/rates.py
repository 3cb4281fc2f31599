"""Compute rates over images, and select the rows of the truth that belong to them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def share(values: NDArray[np.bool_]) -> float:
    """Return the share of True values, or NaN for an empty array."""
    return mean(values.astype(np.float64))


def mean(values: NDArray[np.floating]) -> float:
    """Return the mean, or NaN for an empty array."""
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")


def of_corpus(truth: pa.Table, corpus: str) -> pa.Table:
    """Return the truth with the prefix of its image ids replaced by `corpus`: wikiart/000001 becomes emoart/000001."""
    image_ids = pc.replace_substring_regex(truth["image_id"], "^[^/]+", corpus)
    return truth.set_column(truth.column_names.index("image_id"), "image_id", image_ids)


def of_pictures(truth: pa.Table, image_ids: pa.ChunkedArray) -> pa.Table:
    """Return the rows of these images, in their order. Raises AssertionError if an image is missing."""
    rows = pc.index_in(image_ids, value_set=truth["image_id"].combine_chunks())
    assert rows.null_count == 0, f"{rows.null_count} of {len(image_ids)} images are not in the truth"
    return truth.take(rows)
