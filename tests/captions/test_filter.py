"""The CLIP filter ranks within each emotion of the train split and accounts for every row."""

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifacts import write_table
from pipeline.captions.filter import (
    DROPPED,
    EMPTY,
    KEPT,
    NOT_RANKED,
    drop_worst,
    similarities,
    summary,
    with_similarity,
)
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CAPTION_FILTER_SCHEMA


def table(emotions: list[str], splits: list[str], similarity: list[float]) -> pa.Table:
    ids = [f"emoset/{index:05d}" for index in range(len(emotions))]
    return pa.table(
        {"image_id": ids, "emotion": emotions, "split": splits, "similarity": pa.array(similarity, pa.float32())}
    )


def vectors(rows: pa.Table, slopes: Iterable[float]) -> pa.Table:
    """Feature tables of two dimensions: (1, slope) of each row."""
    values = pa.array([value for slope in slopes for value in (1.0, slope)], pa.float32())
    return pa.table({"image_id": rows["image_id"], "feature": pa.FixedSizeListArray.from_arrays(values, 2)})


ROWS = st.lists(
    st.tuples(st.sampled_from(EMOTIONS), st.sampled_from(["train", "val", "test"]), st.sampled_from([0.1, 0.2, 0.3])),
    max_size=60,
)


@given(ROWS, st.floats(0, 0.99))
def test_each_emotion_loses_its_share_and_never_a_better_caption_than_one_kept(
    rows: list, drop_fraction: float
) -> None:
    emotions, splits, similarity = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    result = drop_worst(table(emotions, splits, similarity), drop_fraction).to_pylist()
    assert [row["image_id"] for row in result] == sorted(row["image_id"] for row in result)
    assert len(result) == len(rows)
    for emotion in EMOTIONS:
        train = [row for row in result if row["emotion"] == emotion and row["split"] == "train"]
        kept, dropped = ([row for row in train if row["reason"] == reason] for reason in (KEPT, DROPPED))
        assert len(dropped) == round(drop_fraction * len(train))
        assert len(kept) + len(dropped) == len(train)
        assert sorted(row["rank"] for row in train) == list(range(len(train)))
        if kept and dropped:
            assert min((row["similarity"], row["rank"] * -1) for row in kept) > max(
                (row["similarity"], row["rank"] * -1) for row in dropped
            )
    others = [row for row in result if row["split"] != "train"]
    assert all(row["reason"] == NOT_RANKED and row["kept"] and row["rank"] is None for row in others)


def test_ties_are_broken_by_id() -> None:
    result = drop_worst(table(["awe"] * 4, ["train"] * 4, [0.5] * 4), 0.5)
    assert result["kept"].to_pylist() == [True, True, False, False]


def test_a_picture_without_a_caption_is_neither_ranked_nor_kept_and_no_other_pays_for_it(
    tmp_path: Path,
) -> None:
    rows = table(["awe"] * 7, ["train"] * 6 + ["test"], [0.0] * 7).drop(["similarity"])
    images, texts = (vectors(rows, values) for values in (range(7), [0] * 7))
    scored = with_similarity(rows, images, texts, ["a", "", "b", "c", "d", "e", ""])
    assert scored["similarity"].null_count == 2
    result = drop_worst(scored, 0.2)
    write_table(tmp_path / "filter.parquet", result, CAPTION_FILTER_SCHEMA)
    assert result["reason"].to_pylist() == [KEPT, EMPTY, KEPT, KEPT, KEPT, DROPPED, NOT_RANKED]
    assert result["kept"].to_pylist() == [True, False, True, True, True, False, True]
    assert result["rank"].to_pylist() == [0, None, 1, 2, 3, 4, None]
    assert summary(result)["n"] == 5
    assert summary(result)["similarity_before_all"] == pytest.approx(
        np.mean([1 / np.hypot(1, n) for n in (0, 2, 3, 4, 5)])
    )


def test_with_all_splits_every_picture_is_ranked_and_dropped_as_those_of_train() -> None:
    rows = table(["awe"] * 10, ["train", "val"] * 5, [n / 10 for n in range(10)])
    assert drop_worst(rows, 0.2)["kept"].to_pylist() == [False, *[True] * 9]
    assert drop_worst(rows, 0.2, "all")["kept"].to_pylist() == [False, False, *[True] * 8]
    assert drop_worst(rows, 0.2, "all")["rank"].null_count == 0


def test_a_fraction_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="drop_fraction = 1"):
        drop_worst(table([], [], []), 1.0)


def test_similarity_is_the_cosine() -> None:
    image, text = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 2.0]])
    assert similarities(image, text).tolist() == pytest.approx([1.0, 0.0])


@given(ROWS, st.floats(0, 0.99), st.randoms(use_true_random=False))
def test_what_is_kept_does_not_depend_on_the_order_of_the_rows(
    rows: list, drop_fraction: float, generator: random.Random
) -> None:
    ordered = table(*(list(column) for column in zip(*rows, strict=True))) if rows else table([], [], [])
    order = list(range(len(rows)))
    generator.shuffle(order)
    before = drop_worst(ordered, drop_fraction).to_pylist()
    after = drop_worst(ordered.take(pa.array(order, pa.int64())), drop_fraction).to_pylist()
    assert sorted(after, key=lambda row: row["image_id"]) == before


@given(ROWS, st.floats(0, 0.5), st.floats(0, 0.49))
def test_a_larger_share_drops_what_a_smaller_one_drops_and_more(rows: list, share: float, more: float) -> None:
    ordered = table(*(list(column) for column in zip(*rows, strict=True))) if rows else table([], [], [])
    few, many = (drop_worst(ordered, each)["kept"].to_pylist() for each in (share, share + more))
    assert all(kept or not still for kept, still in zip(few, many, strict=True))
