"""A plan is cut into the same shards whatever the order of its rows, and no shard outgrows its limits without need."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpora.emoset import ROW_BYTES, Row, shards

ROWS = st.lists(
    st.tuples(st.sampled_from(["train", "val", "test"]), st.integers(0, 30), st.integers(0, 1_500_000)), max_size=40
).map(
    lambda places: [
        Row(f"emoset/{name:02d}", split, i, "awe", num_bytes=size) for i, (split, name, size) in enumerate(places)
    ]
)


def num_bytes(shard: list[Row]) -> int:
    return sum(row.num_bytes + ROW_BYTES for row in shard)


@given(ROWS, st.integers(1, 8), st.integers(1, 4))
def test_shards_hold_every_row_once_by_image_id(rows: list[Row], shard_images: int, max_shard_mb: int) -> None:
    planned = [row for shard in shards(rows, shard_images, max_shard_mb) for row in shard]
    assert sorted(planned, key=lambda row: row.index) == rows
    assert [row.image_id for row in planned] == sorted(row.image_id for row in rows)


@given(ROWS, st.integers(1, 8), st.integers(1, 4))
def test_a_shard_keeps_both_limits_unless_one_picture_breaks_them(
    rows: list[Row], shard_images: int, max_shard_mb: int
) -> None:
    planned = shards(rows, shard_images, max_shard_mb)
    for shard in planned:
        assert 1 <= len(shard) <= shard_images
        assert len(shard) == 1 or num_bytes(shard) <= max_shard_mb * 1_000_000
    for shard, following in pairwise(planned):
        assert len(shard) == shard_images or num_bytes([*shard, following[0]]) > max_shard_mb * 1_000_000


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], generator: random.Random) -> None:
    shuffled = rows.copy()
    generator.shuffle(shuffled)
    assert shards(shuffled, 4, 2) == shards(rows, 4, 2)


@pytest.mark.parametrize(("shard_images", "max_shard_mb"), [(0, 1), (1, 0), (-1, 256)])
def test_a_shard_of_nothing_is_refused(shard_images: int, max_shard_mb: int) -> None:
    with pytest.raises(ValueError, match=f"shard_images={shard_images}, max_shard_mb={max_shard_mb}"):
        shards([], shard_images, max_shard_mb)
