"""The conditionals in closed form are those that the world draws and annotates, and coefficients are ranked by them."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from pipeline.emotions import INDEX
from pipeline.miniature import distributions as d
from pipeline.miniature.annotation import detected_objects
from pipeline.miniature.checks import (
    LEAST_IMAGES,
    annotated_objects,
    correlation_checks,
    drawn_objects,
    label_given_attribute,
    rank_correlation,
)
from pipeline.miniature.world import OBJECT_NAMES, SCENE_NAMES, World


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=0)


@pytest.mark.parametrize("scene", ["cemetery", "street"])
def test_objects_are_drawn_as_often_as_the_worlds_own_likelihood_says(world: World, scene: str) -> None:
    index = SCENE_NAMES.index(scene)
    for number, expected in zip(d.NUM_OBJECTS, drawn_objects(world)[:, index], strict=True):
        chances = np.zeros((8, len(OBJECT_NAMES)))
        allowed = np.flatnonzero(~world.impossible[index]).tolist()
        for objects in itertools.combinations(allowed, number):
            chances[:, objects] += world._p_objects(index, objects)[:, None]
        assert np.allclose(chances, expected)
        assert np.allclose(expected.sum(-1), number)


def test_objects_are_annotated_as_often_as_the_annotator_reports_them(world: World) -> None:
    rng, repeats = np.random.default_rng(0), 10
    truths = [world.truth("oracle", index) for index in range(1000)]
    counts = np.zeros((2, len(OBJECT_NAMES)))
    for truth in truths:
        happy = int(INDEX[str(truth.emotion)] < 4)
        for _ in range(repeats):
            counts[happy, [OBJECT_NAMES.index(name) for name in detected_objects(truth, rng)]] += 1
    expected = d.DETECTOR_RATE * d.PRIOR[:, None] * annotated_objects(world) * len(truths) * repeats
    deviation = np.sqrt(5 * np.stack([expected[4:].sum(0), expected[:4].sum(0)]))  # one picture gives 4.2 reports of 10
    scores = (counts - [expected[4:].sum(0), expected[:4].sum(0)]) / deviation
    assert np.abs(scores).max() < 4
    assert np.abs(counts.sum() / expected.sum() - 1) < 0.05


def test_conditionals_average_to_the_labels_and_are_flatter_than_what_is_drawn(world: World) -> None:
    table = label_given_attribute(world)
    assert set(table) == {f"scene/{name}" for name in SCENE_NAMES} | {f"object/{name}" for name in OBJECT_NAMES}
    assert all(row.sum() == pytest.approx(1) for row in table.values())
    assert table["scene/cemetery"].argmax() == INDEX["sadness"]
    assert d.OBJECT_SHARES["skull"][1][INDEX["fear"]] / 100 > table["object/skull"].max() > 0.4
    scenes = np.stack([table[f"scene/{name}"] for name in SCENE_NAMES])
    assert np.allclose(d.PRIOR @ world.scene_given_emotion[1] @ scenes, d.PRIOR @ world.label_given_emotion)
    elsewhere = label_given_attribute(World(seed=5, polarity_share=0.0))
    assert all(np.array_equal(table[name], elsewhere[name]) for name in table)


def coefficients(world: World, **columns: np.ndarray) -> pa.Table:
    """A correlation table of the whole vocabulary; columns that are not given are the true conditionals."""
    table = label_given_attribute(world)
    names = sorted(table)
    true = np.stack([table[name] for name in names])
    vectors = {name: columns.get(name, true).tolist() for name in ("coefficient", "mean", "in_sample")}
    return pa.table({"attribute": names, "num_images": columns.get("num_images", np.full(len(names), 50)), **vectors})


def test_true_coefficients_rank_perfectly_and_noisy_ones_do_not(world: World) -> None:
    noise = np.random.default_rng(0).dirichlet(np.ones(8), 39)
    numbers = correlation_checks(coefficients(world, in_sample=noise))
    assert numbers["correlation_num_attributes"] == 39
    assert numbers["correlation_rank"] == numbers["correlation_rank_by_emotion"] == pytest.approx(1)
    assert numbers["correlation_rank_fear"] == pytest.approx(1)
    assert numbers["correlation_error"] == pytest.approx(0, abs=1e-9)
    assert numbers["correlation_rank_in_sample"] < 0.3
    assert numbers["correlation_error_in_sample"] > 0.05
    assert 0 < numbers["correlation_rank_prior"] < 0.5


def test_rare_and_unknown_attributes_are_not_compared(world: World) -> None:
    table = coefficients(world)
    counts = np.where(np.arange(len(table)) < 5, LEAST_IMAGES - 1, LEAST_IMAGES)
    assert correlation_checks(coefficients(world, num_images=counts))["correlation_num_attributes"] == 34
    known = table.set_column(0, "attribute", [pa.array(["object/unicorn", *table["attribute"].to_pylist()[1:]])])
    assert correlation_checks(known)["correlation_num_attributes"] == 38
    assert correlation_checks(table.slice(0, 0)) == {"correlation_num_attributes": 0}


def test_logarithms_are_ranked_and_have_no_error(world: World) -> None:
    true = np.array(coefficients(world)["mean"].to_pylist())
    numbers = correlation_checks(coefficients(world, coefficient=np.log(true)))
    assert numbers["correlation_rank"] == pytest.approx(1)
    assert "correlation_error" not in numbers
    assert "correlation_error_out_of_fold" in numbers


def test_rank_correlation_is_spearmans_with_ties() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, (5, 8)), rng.integers(0, 6, (5, 8))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4.0)))
