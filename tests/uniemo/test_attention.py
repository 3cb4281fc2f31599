"""Mass inside boxes, its controls, and overlays."""

import numpy as np
import pytest
from PIL import Image

from pipeline.uniemo.attention import centre_prior, compare_masses, coverage, mass_inside, overlay


def test_coverage_is_the_share_of_each_patch_inside_any_box() -> None:
    found = coverage([(0.0, 0.0, 0.5, 0.25), (0.0, 0.0, 0.25, 0.25), (0.75, 0.5, 2.0, 2.0)], (4, 4))
    wanted = np.zeros((4, 4))
    wanted[0, :2] = wanted[2:, 3] = 1
    assert np.allclose(found, wanted)
    assert coverage([(0.0, 0.0, 0.125, 0.25)], (4, 4))[0, 0] == pytest.approx(0.5)
    assert not coverage([], (2, 3)).any()


def test_mass_is_what_lies_inside_and_an_even_map_has_the_area() -> None:
    boxes = coverage([(0.25, 0.25, 0.75, 0.75)], (8, 8))[None]
    even, pointed = np.full((1, 8, 8), 1 / 64), np.zeros((1, 8, 8))
    pointed[0, 3, 3] = 1
    assert mass_inside(even, boxes) == pytest.approx(boxes.mean())
    assert mass_inside(pointed, boxes) == pytest.approx(1)
    assert centre_prior((8, 8)).sum() == pytest.approx(1)
    assert mass_inside(centre_prior((8, 8))[None], boxes) > boxes.mean() + 0.1


def test_trained_maps_are_told_beside_area_centre_and_untrained_ones() -> None:
    rng = np.random.default_rng(0)
    covered = np.stack([coverage([(x, x, x + 0.3, x + 0.3)], (8, 8)) for x in rng.random(40) * 0.7])
    covered[0] = 0  # a picture without a box
    untrained = rng.dirichlet(np.ones(64), 40).reshape(-1, 8, 8)
    trained = 0.5 * untrained + 0.5 * covered / covered.sum((1, 2), keepdims=True).clip(1e-9)
    found = compare_masses(trained, untrained, covered)
    assert found["n"] == 39
    assert found["mass_area"] == pytest.approx(covered[1:].mean(), rel=1e-3)
    inside = (covered[1:] ** 2).sum((1, 2)) / covered[1:].sum((1, 2))
    assert found["mass"] == pytest.approx(0.5 * inside.mean() + 0.5 * found["mass_untrained"], rel=1e-3)
    assert found["more_than_untrained"] == 1
    assert compare_masses(untrained, untrained, covered)["more_than_untrained"] == 0


def test_an_overlay_is_hot_where_attention_is_and_the_picture_elsewhere() -> None:
    square, attention = Image.new("RGB", (64, 64), (20, 30, 200)), np.zeros((8, 8), np.float32)
    attention[1, 6] = 1
    drawn = np.asarray(overlay(square, attention)).astype(int)
    assert drawn.shape == (64, 64, 3)
    assert np.abs(drawn[40:, :30] - [20, 30, 200]).max() <= 1
    assert drawn[12, 52, 0] > 100
    assert overlay(square, np.zeros((8, 8), np.float32)).size == (64, 64)
