"""Coefficients are means over the pictures that have an attribute, out of fold, shrunk as told, and fast."""

import time
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.artifacts import read_table, write_table
from pipeline.attributes import Attributes, attributes_of
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.params import Correlation, EmotionClassifier
from pipeline.schemas import CORRELATION_SCHEMA
from pipeline.uniemo.correlation import (
    LEAST_PROBABILITY,
    Moments,
    correlate,
    matrix,
    moments,
    shrunk,
    summary,
)
from pipeline.uniemo.folds import Judged, judge_train, stratified_folds
from pipeline.uniemo.heatmap import heat_map, strongest

NAMES = tuple(f"object/{letter}" for letter in "abcde")


def settings(**changes: object) -> Correlation:
    values = {"source": "computed", "value": "probability", "folds": 2, "shrinkage": 0.0, **changes}
    return Correlation.model_validate(values)


def probabilities(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(8), number).astype(np.float32)


def pictures(scenes: list[str | None], objects: list[list[str]], emotions: list[str] | None = None) -> pa.Table:
    columns = {
        "emotion": emotions or ["awe"] * len(scenes),
        "scene": pa.array(scenes, pa.string()),
        "objects": pa.array(objects, pa.list_(pa.string())),
    }
    return pa.table(columns)


def slow_moments(values: np.ndarray, attributes: Attributes) -> Moments:
    """One attribute after the other."""
    groups = [values[attributes.rows[attributes.ids == place]] for place in range(len(attributes.names))]
    errors = [group.std(0, ddof=1) / len(group) ** 0.5 if len(group) > 1 else values.std(0) for group in groups]
    return Moments(
        np.array([len(group) for group in groups]), np.array([group.mean(0) for group in groups]), np.array(errors)
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, Attributes]:
    """Probabilities of a few pictures, and attributes on at least one each."""
    number = draw(st.integers(2, 12))
    members = [draw(st.sets(st.integers(0, number - 1), min_size=1)) for _ in NAMES]
    pairs = np.array([(row, place) for place, rows in enumerate(members) for row in sorted(rows)])
    seed = draw(st.integers(0, 99))
    return probabilities(number, seed).astype(np.float64), Attributes(NAMES, pairs[:, 0], pairs[:, 1])


@given(cases())
def test_moments_equal_a_slow_loop_and_rows_of_probabilities_sum_to_one(case: tuple[np.ndarray, Attributes]) -> None:
    fast, slow = moments(*case), slow_moments(*case)
    assert fast.counts.tolist() == slow.counts.tolist()
    assert np.allclose(fast.mean, slow.mean, atol=1e-12)
    assert np.allclose(fast.standard_error, slow.standard_error, atol=1e-12)
    assert np.allclose(fast.mean.sum(1), 1)
    assert np.allclose(shrunk(fast, case[0].mean(0), 5.0).sum(1), 1)


@given(cases())
def test_no_shrinkage_leaves_the_mean_and_a_huge_one_the_prior(case: tuple[np.ndarray, Attributes]) -> None:
    found, prior = moments(*case), case[0].mean(0)
    assert np.array_equal(shrunk(found, prior, 0.0), found.mean)
    assert np.allclose(shrunk(found, prior, 1e12), prior)
    between = shrunk(found, prior, 3.0)
    assert np.all(np.abs(between - prior) <= np.abs(found.mean - prior) + 1e-12)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_pictures_does_not_matter(case: tuple[np.ndarray, Attributes], random: Random) -> None:
    values, attributes = case
    order = list(range(len(values)))
    random.shuffle(order)
    moved = Attributes(attributes.names, np.argsort(order)[attributes.rows], attributes.ids)
    first, second = moments(values, attributes), moments(values[order], moved)
    assert np.allclose(first.mean, second.mean)
    assert np.allclose(first.standard_error, second.standard_error)


def test_all_of_emoset_with_five_attributes_each_takes_less_than_a_second_and_equals_the_loop() -> None:
    number, num_names, rng = 118_102, 663, np.random.default_rng(0)
    ids = (rng.integers(0, num_names, (number, 1)) + np.arange(5)) % num_names
    names = tuple(f"object/{place:03d}" for place in range(num_names))
    attributes = Attributes(names, np.repeat(np.arange(number), 5), ids.ravel())
    values = probabilities(number)
    begin = time.process_time()
    found = moments(values, attributes)
    assert time.process_time() - begin < 1
    slow = slow_moments(values.astype(np.float64), attributes)
    assert np.allclose(found.mean, slow.mean)
    assert np.allclose(found.standard_error, slow.standard_error)


def test_an_attribute_counts_once_a_picture_whatever_pictures_lack() -> None:
    train = pictures(["beach", None, "beach", None], [["dog", "dog", "cat"], [], [], ["cat"]])
    found = attributes_of(train)
    assert found.names == ("object/cat", "object/dog", "scene/beach")
    pairs = [(row, found.names[place]) for row, place in zip(found.rows, found.ids, strict=True)]
    assert sorted(pairs) == [
        (0, "object/cat"),
        (0, "object/dog"),
        (0, "scene/beach"),
        (2, "scene/beach"),
        (3, "object/cat"),
    ]
    empty = attributes_of(pictures([None], [[]]))
    assert (empty.names, len(empty.rows)) == ((), 0)


def test_the_table_has_its_schema_and_the_coefficients_of_a_case_made_by_hand(tmp_path: Path) -> None:
    train = pictures(["beach", "beach", None, None], [["dog"], [], ["dog"], []])
    out, seen = probabilities(4), probabilities(4, seed=1)
    table = correlate(train, Judged(out, seen), settings(shrinkage=2.0))
    write_table(tmp_path / "correlation.parquet", table, CORRELATION_SCHEMA)
    rows = read_table(tmp_path / "correlation.parquet", CORRELATION_SCHEMA).to_pylist()
    assert [(row["attribute"], row["kind"], row["name"], row["num_images"]) for row in rows] == [
        ("object/dog", "object", "dog", 2),
        ("scene/beach", "scene", "beach", 2),
    ]
    dog, beach = rows
    assert dog["mean"] == pytest.approx(out[[0, 2]].mean(0), rel=1e-5)
    assert beach["in_sample"] == pytest.approx(seen[:2].mean(0), rel=1e-5)
    assert beach["coefficient"] == pytest.approx((out[:2].sum(0) + 2 * out.mean(0)) / 4, rel=1e-5)
    assert dog["standard_error"] == pytest.approx(np.abs(out[0] - out[2]) / 2, rel=1e-4)


def test_logarithms_are_averaged_above_the_least_probability() -> None:
    train = pictures(["beach", "beach"], [[], []])
    out = np.array([[1, 0, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]], np.float32)
    table = correlate(train, Judged(out, out), settings(value="log_probability"))
    least = np.log(LEAST_PROBABILITY)
    assert matrix(table, "mean")[0, :3] == pytest.approx([np.log(0.5) / 2, (np.log(0.5) + least) / 2, least])
    assert matrix(table, "coefficient").max() <= 0


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(2, 5))
def test_folds_are_equal_within_each_emotion(emotions: list[int], num_folds: int) -> None:
    folds = stratified_folds(np.array(emotions), num_folds, np.random.default_rng(0))
    for members in (folds, *(folds[np.array(emotions) == emotion] for emotion in set(emotions))):
        counts = np.bincount(members, minlength=num_folds)
        assert counts.max() - counts.min() <= 1


def noise(number: int = 96, width: int = 64) -> tuple[pa.Table, pa.Table]:
    """Pictures whose labels nobody can know, each twice: in train and, to be learnt by heart, in val."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((number, width)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    ids = [f"emoset/{place:03d}" for place in range(2 * number)]
    emotions = rng.permutation(np.resize(EMOTIONS, number)).tolist()
    rows = pa.table({"image_id": ids, "emotion": emotions * 2, "split": ["train"] * number + ["val"] * number})
    both = np.concatenate([features, features])
    column = pa.FixedSizeListArray.from_arrays(pa.array(both.ravel()), width)
    return rows, pa.table({"image_id": ids, "feature": column, "norm": pa.array(np.ones(len(both), np.float32))})


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier(
        source="train", half="both", hidden=64, dropout=0.0, epochs=30, batch_size=32, learning_rate=0.01,
        weight_decay=0.0,
    )  # fmt: skip


def test_no_picture_is_judged_by_a_head_that_has_seen_it(classifier: EmotionClassifier) -> None:
    rows, features = noise()
    judged = judge_train(rows, features, classifier, 3, seed=0)
    labels = np.array([INDEX[emotion] for emotion in rows["emotion"].to_pylist()[:96]])
    assert (judged.in_sample.argmax(1) == labels).mean() > 0.95
    assert (judged.out_of_fold.argmax(1) == labels).mean() < 0.3
    assert np.allclose(judged.out_of_fold.sum(1), 1, atol=1e-5)
    again = judge_train(rows, features, classifier, 3, seed=0)
    assert np.array_equal(judged.out_of_fold, again.out_of_fold)
    assert not np.array_equal(judged.out_of_fold, judge_train(rows, features, classifier, 3, seed=1).out_of_fold)


def test_one_fold_is_in_sample_as_the_paper_writes(classifier: EmotionClassifier) -> None:
    rows, features = noise()
    judged = judge_train(rows, features, classifier, settings(folds=1).folds, seed=0)
    labels = np.array([INDEX[emotion] for emotion in rows["emotion"].to_pylist()[:96]])
    assert (judged.out_of_fold.argmax(1) == labels).mean() > 0.95
    assert np.array_equal(judged.out_of_fold, judged.in_sample)
    train = pictures(["beach", "park"] * 48, [[]] * 96)
    table = correlate(train, judged, settings(folds=1))
    assert table["mean"].to_pylist() == table["in_sample"].to_pylist()
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        settings(folds=0)


def test_features_of_other_pictures_are_refused(classifier: EmotionClassifier) -> None:
    rows, features = noise(16)
    with pytest.raises(ValueError, match="not belong to the images"):
        judge_train(rows, features.take([*range(1, 32), 0]), classifier, 2, seed=0)


def test_the_summary_is_that_of_a_table_made_by_hand() -> None:
    train = pictures(["beach"] * 10 + ["lake"], [[]] * 11, ["awe"] * 5 + ["fear"] * 6)
    labels = np.eye(8, dtype=np.float32)[[INDEX["awe"]] * 5 + [INDEX["fear"]] * 6]
    softer = 0.5 * labels + 0.5 / 8
    numbers = summary(correlate(train, Judged(softer, labels), settings()), train)
    assert numbers == pytest.approx({
        "n": 11, "num_attributes": 2, "num_rare": 1, "num_scenes": 2, "num_rare_scenes": 1, "num_objects": 0,
        "num_rare_objects": 0, "top_mean": (0.3125 + 0.5625) / 2, "top_in_sample": 0.75,
        "top_difference": (0.1875 + 0.4375) / 2, "in_sample_r": 1, "labels_r": 1, "labels_r_in_sample": 1,
    })  # fmt: skip


def test_a_corpus_without_annotations_has_an_empty_table(tmp_path: Path) -> None:
    bare = pictures([None, None], [[], []])
    table = correlate(bare, Judged(probabilities(2), probabilities(2)), settings())
    write_table(tmp_path / "correlation.parquet", table, CORRELATION_SCHEMA)
    assert summary(read_table(tmp_path / "correlation.parquet", CORRELATION_SCHEMA), bare) == {
        "n": 2, "num_attributes": 0, "num_rare": 0, "num_scenes": 0, "num_rare_scenes": 0, "num_objects": 0,
        "num_rare_objects": 0,
    }  # fmt: skip


def test_a_summary_compares_with_labels_only_what_pictures_have() -> None:
    train = pictures(["beach", "lake", "beach"], [[]] * 3, ["awe", "fear", "awe"])
    table = correlate(train, Judged(probabilities(3), probabilities(3)), settings())
    other = correlate(pictures(["attic"], [[]]), Judged(probabilities(1), probabilities(1)), settings())
    assert summary(pa.concat_tables([other, table]), train)["labels_r"] == pytest.approx(
        summary(table, train)["labels_r"]
    )
    assert "labels_r" not in summary(other, train)


def test_where_numbers_of_pictures_are_unknown_none_is_called_rare_and_all_are_shown(tmp_path: Path) -> None:
    train = pictures(["beach"] * 12, [["dog"]] * 12)
    table = correlate(train, Judged(probabilities(12), probabilities(12)), settings())
    imported = table.set_column(3, "num_images", pa.array([0, 0], pa.int32()))
    assert "num_rare" not in summary(imported, train)
    for name, rows in (
        ("unknown", imported),
        ("rare", table.set_column(3, "num_images", pa.array([9, 9], pa.int32()))),
    ):
        heat_map(rows, tmp_path / f"{name}.png")
    shown, hidden = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")) for name in ("unknown", "rare"))
    assert (shown < 128).sum() > 2 * (hidden < 128).sum()


def test_the_strongest_are_listed_by_the_emotion_that_they_speak_most_for() -> None:
    coefficients = np.full((9, 8), 0.01)
    coefficients[[0, 1, 2], INDEX["fear"]] = 0.5, 0.9, 0.7
    coefficients[[3, 4, 5, 6], INDEX["awe"]] = 0.2, 0.3, 0.4, 0.1
    chosen = strongest(coefficients).tolist()
    assert chosen.index(5) < chosen.index(4) < chosen.index(3) < chosen.index(1) < chosen.index(2) < chosen.index(0)
    assert 6 not in chosen


def test_the_heat_map_is_equal_bytes_and_drawn_of_few_or_no_attributes_too(tmp_path: Path) -> None:
    train = pictures(["beach"] * 12, [["dog"]] * 11 + [[]])
    table = correlate(train, Judged(probabilities(12), probabilities(12)), settings())
    for name, rows in (("first", table), ("second", table), ("empty", table.slice(0, 0)), ("scene", table.slice(1))):
        heat_map(rows, tmp_path / f"{name}.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    sizes = {path.stem: Image.open(path).size for path in tmp_path.iterdir()}
    assert all(width > 800 for width, _ in sizes.values())
    assert np.asarray(Image.open(tmp_path / "first.png").convert("L")).std() > 5
