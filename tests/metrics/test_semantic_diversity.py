"""Sem-D by hand: both distances, over pairs of one emotion."""

import numpy as np
import pytest

from pipeline.metrics.pairs import Pairs, pairs_within_emotions
from pipeline.metrics.semantic_diversity import cosine_diversity, mse_diversity

FEATURES = np.array([[3, 0], [0, 4], [1, 1], [2, 2]], np.float32)
PAIRS = Pairs(np.array([0, 2]), np.array([1, 3]), np.array([0, 4]))


def test_distances_are_those_computed_by_hand() -> None:
    cosine, mse = cosine_diversity(FEATURES, PAIRS, "clip"), mse_diversity(FEATURES, PAIRS, "clip")
    assert [result.value for result in cosine] == pytest.approx([0.5, 1, 0])  # at right angles; in line
    assert [result.value for result in mse] == pytest.approx([6.75, 12.5, 1])  # (9 + 16) / 2; (1 + 1) / 2
    assert [result.measure.key for result in (*cosine[:1], *mse[:1])] == [
        "sem_d_cosine/clip/clean", "sem_d_mse/clip/clean",
    ]  # fmt: skip


def test_all_pairs_give_what_sums_give() -> None:
    features, emotions = np.random.default_rng(0).standard_normal((20, 6)), np.zeros(20, int)
    pairs = pairs_within_emotions(emotions, 10_000, np.random.default_rng(0))
    assert len(pairs) == 190
    assert mse_diversity(features, pairs, "x")[0].value == pytest.approx(2 * features.var(0, ddof=1).mean())
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    wanted = 1 - (np.square(units.sum(0)).sum() - 20) / (20 * 19)
    assert cosine_diversity(features, pairs, "x")[0].value == pytest.approx(wanted)
