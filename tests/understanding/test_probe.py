"""Linear probes: folds are disjoint and complete, nothing is judged that was fitted on, length does not matter."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.understanding.probe import fit_probe, judged, scaled, stratified_folds

RNG = np.random.default_rng(0)
TARGETS = np.repeat([0, 1, 3], [20, 11, 7])
FEATURES = RNG.normal(size=(38, 6)) + 2 * np.eye(6)[TARGETS]


def test_folds_are_disjoint_judge_every_row_once_and_keep_the_shares() -> None:
    folds = stratified_folds(TARGETS, 5, np.random.default_rng(1))
    assert sorted(np.concatenate([judge for _, judge in folds])) == list(range(38))
    assert all(not set(fit) & set(judge) and len(fit) + len(judge) == 38 for fit, judge in folds)
    assert {int((TARGETS[judge] == 0).sum()) for _, judge in folds} == {4}


def test_folds_are_drawn_by_the_generator_alone() -> None:
    first, again, other = (stratified_folds(TARGETS, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(list(a[1]) != list(b[1]) for a, b in zip(first, other, strict=True))


def test_a_class_with_fewer_rows_than_folds_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="a class has 7 images, too few for 8 folds"):
        stratified_folds(TARGETS, 8, np.random.default_rng(0))


def test_a_class_that_was_never_seen_has_probability_zero() -> None:
    found = fit_probe(FEATURES, TARGETS, 5, 1.0).probabilities(FEATURES)
    assert found.shape == (38, 5)
    assert (found[:, [2, 4]] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


def test_the_probe_is_scikit_learns_on_rows_of_mean_square_one() -> None:
    found = fit_probe(FEATURES, TARGETS, 4, 0.3).probabilities(FEATURES)
    wanted = LogisticRegression(C=0.3, max_iter=2000).fit(scaled(FEATURES), TARGETS)
    np.testing.assert_array_equal(found[:, [0, 1, 3]], wanted.predict_proba(scaled(FEATURES)))
    np.testing.assert_allclose((scaled(FEATURES) ** 2).mean(1), 1)
    np.testing.assert_allclose(scaled(7 * FEATURES), scaled(FEATURES))


def test_features_that_tell_nothing_but_the_row_are_judged_as_chance() -> None:
    """Where a row was fitted on, its own feature would tell its class."""
    targets = np.tile([0, 1], 40)
    said, right = judged(np.eye(80), targets, 2, stratified_folds(targets, 5, np.random.default_rng(0)), 1e6)
    assert len(said) == 80
    assert (said == right).mean() < 0.7
