"""Which pictures become examples, what is known of them, and that what is not annotated is not `none`."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.emotions import EMOTIONS
from pipeline.features import pictures
from pipeline.judges.examples import UNKNOWN, attribute_names, examples, in_half, in_split, square, targets, train_half


def test_names_are_none_and_then_all_annotated_ones_in_order(table: pa.Table) -> None:
    names = attribute_names(table)
    assert names.scenes == ("none", "beach", "street")
    assert names.objects == ("none", "boat", "dog")


def test_a_target_is_the_first_object_and_unknown_where_nothing_is_annotated(table: pa.Table) -> None:
    names = attribute_names(table)
    found = targets(table, names)
    for index, row in enumerate(table.to_pylist()):
        assert EMOTIONS[found.emotions[index]] == row["emotion"]
        scene, first = row["scene"], row["objects"][0] if row["objects"] else None
        assert found.scenes[index] == (UNKNOWN if scene is None else names.scenes.index(scene))
        assert found.objects[index] == (UNKNOWN if first is None else names.objects.index(first))
    assert 0 not in found.scenes
    assert 0 not in found.objects


def test_examples_are_the_wanted_rows_of_all_tables_in_order(table: pa.Table) -> None:
    names, shards = attribute_names(table), [table.slice(0, 20), table.slice(20)]
    found = examples(shards, train_half("second"), names, 64)
    wanted = table.filter(in_split("train")(table) & in_half(table["image_id"].to_pylist(), "second"))
    assert 0 < len(found.targets) < in_split("train")(table).sum()
    np.testing.assert_array_equal(found.squares, np.stack([np.asarray(image) for image in pictures(wanted)]))
    assert found.targets.emotions.tolist() == targets(wanted, names).emotions.tolist()


def test_the_two_halves_are_disjoint_and_make_the_train_split(table: pa.Table) -> None:
    first, second, both = (train_half(half)(table) for half in ("first", "second", "both"))
    assert not (first & second).any()
    assert ((first | second) == both).all()
    assert (both == in_split("train")(table)).all()


def test_a_split_without_pictures_gives_no_examples(table: pa.Table) -> None:
    none = examples([table], lambda rows: np.zeros(len(rows), bool), attribute_names(table), 32)
    assert none.squares.shape == (0, 32, 32, 3)
    assert len(none.targets) == 0


def test_squares_are_held_once(table: pa.Table) -> None:
    names, image_px = attribute_names(table), 256
    tracemalloc.start()
    found = examples([table] * 4, lambda rows: np.ones(len(rows), bool), names, image_px)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.squares) == 4 * len(table) >= 128
    assert found.squares.flags.writeable
    assert peak < 1.6 * found.squares.nbytes  # a few squares more, and what the bytes grow by


@pytest.mark.parametrize(("width", "height"), [(90, 60), (60, 90), (8, 8)])
def test_a_square_is_the_middle_of_a_picture(width: int, height: int) -> None:
    found = square(Image.new("RGB", (width, height), (10, 200, 30)), 60)
    assert found.shape == (60, 60, 3)
    assert (found == (10, 200, 30)).all()
    left = Image.new("RGB", (90, 60))
    left.paste((255, 0, 0), (0, 0, 15, 60))
    assert square(left, 60).max() == 0


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 64), pixels)
