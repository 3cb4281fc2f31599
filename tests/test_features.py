"""Shards are encoded batch by batch, and a feature table gives back the matrix that it was made of."""

import io
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.features import batches, feature_matrix, feature_table, image_features, pictures, text_features
from pipeline.schemas import CAPTION_FEATURES_SCHEMA, FEATURES_SCHEMA, check_table


def ids(num_rows: int) -> pa.Table:
    return pa.table({"image_id": pa.array([f"emoset/{index:03d}" for index in range(num_rows)], pa.string())})


@given(st.integers(0, 50), st.integers(1, 60))
def test_batches_hold_every_row_once_in_order_and_are_full_but_the_last(num_rows: int, batch_size: int) -> None:
    rows = ids(num_rows)
    parts = batches(rows, batch_size)
    assert [row for part in parts for row in part["image_id"].to_pylist()] == rows["image_id"].to_pylist()
    assert all(len(part) == batch_size for part in parts[:-1])
    assert all(0 < len(part) <= batch_size for part in parts)


def test_batches_never_cross_a_shard() -> None:
    """Each shard is encoded by itself, so its batches do not depend on those before it."""
    seen: list[list[str]] = []

    def encode_texts(texts: list[str]) -> torch.Tensor:
        seen.append(texts)
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    clip = SimpleNamespace(encode_texts=encode_texts, width=2)
    for shard in (["a", "bb", "ccc"], ["dddd"]):
        rows = ids(len(shard)).append_column("caption", [shard])
        assert feature_matrix(text_features(clip, rows, 2)).tolist() == [[len(text), 1.0] for text in shard]
    assert seen == [["a", "bb"], ["ccc"], ["dddd"]]


@pytest.mark.parametrize("num_rows", [0, 1, 7])
def test_a_feature_table_has_its_schema_and_gives_back_the_matrix(num_rows: int) -> None:
    matrix = np.random.default_rng(0).standard_normal((num_rows, 5)).astype(np.float32)
    table = feature_table(ids(num_rows), [matrix[start : start + 3] for start in range(0, num_rows, 3)], 5)
    check_table(table, CAPTION_FEATURES_SCHEMA)
    assert feature_matrix(table).dtype == np.float32
    assert np.array_equal(feature_matrix(table), matrix)
    assert np.array_equal(feature_matrix(table.slice(1)), matrix[1:])


def test_tables_of_shards_join_to_one_matrix_even_with_an_empty_shard_among_them() -> None:
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3)
    parts = [feature_table(ids(4).slice(at, n), [matrix[at : at + n]], 3) for at, n in ((0, 1), (1, 0), (1, 3))]
    assert np.array_equal(feature_matrix(pa.concat_tables(parts)), matrix)


def test_an_empty_shard_is_encoded_to_an_empty_table() -> None:
    clip = SimpleNamespace(width=3, transform=None)
    empty = ids(0).append_column("image", pa.array([], pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    check_table(image_features(clip, empty, 4), FEATURES_SCHEMA)
    said = ids(0).append_column("caption", pa.array([], pa.string()))
    check_table(text_features(clip, said, 4), CAPTION_FEATURES_SCHEMA)


def test_image_features_are_unit_vectors_beside_their_length() -> None:
    raw = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    clip = SimpleNamespace(
        encode_pixels=lambda _, normalize: raw if not normalize else None, width=2, transform=np.asarray
    )
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "PNG")
    rows = ids(2).append_column("image", [[{"bytes": buffer.getvalue(), "path": "a.png"}] * 2])
    table = image_features(clip, rows, 2)
    check_table(table, FEATURES_SCHEMA)
    assert table["norm"].to_pylist() == [5.0, 2.0]
    assert np.allclose(feature_matrix(table), [[0.6, 0.8], [0.0, 1.0]])


def test_pictures_are_rgb_whatever_the_mode_of_the_file() -> None:
    buffer = io.BytesIO()
    Image.new("L", (6, 4), 100).save(buffer, "PNG")
    (picture,) = pictures(pa.table({"image": [{"bytes": buffer.getvalue(), "path": "a.png"}]}))
    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (6, 4), (100, 100, 100))
