"""The spread of trainings: a fit finds what variances were drawn from, and what it moderates is seldom wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evoke.comparison import compare, over_seeds
from evoke.spread import Spread, fit_spread, read_spreads

DEVIATION, DEGREES = 0.02, 6.0


def drawn(rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    """Standard deviations of the distribution that is fitted: scaled inverse chi-square."""
    deviations: NDArray[np.float64] = DEVIATION * np.sqrt(DEGREES / rng.chisquare(DEGREES, number))
    return deviations


def test_a_fit_finds_the_distribution_that_variances_were_drawn_from() -> None:
    rng = np.random.default_rng(0)
    seeds = drawn(rng, 4000)[:, None] * rng.standard_normal((4000, 3))
    spread = fit_spread(seeds.var(axis=1, ddof=1).tolist(), 2)
    assert spread.deviation == pytest.approx(DEVIATION, rel=0.1)
    assert spread.degrees == pytest.approx(DEGREES, rel=0.3)
    assert spread.pooled == 8000


def test_variances_that_differ_by_chance_alone_are_taken_for_one() -> None:
    rng = np.random.default_rng(1)
    seeds = DEVIATION * rng.standard_normal((400, 3))
    variances = seeds.var(axis=1, ddof=1)
    spread = fit_spread(variances.tolist(), 2)
    assert spread.degrees > 40
    assert spread.deviation == pytest.approx(DEVIATION, rel=0.1)
    assert fit_spread([0.0, *variances], 2).deviation > 0.8 * DEVIATION  # a variance of nothing does no harm


def test_a_moderated_verdict_is_wrong_as_seldom_as_it_says_and_finds_more() -> None:
    rng = np.random.default_rng(2)
    spread = fit_spread((drawn(rng, 300) ** 2 * rng.chisquare(2, 300) / 2).tolist(), 2)
    chance = [(each * rng.standard_normal(3)).tolist() for each in drawn(rng, 2000)]
    wrong = np.mean([over_seeds(seeds, spread=spread)["verdict"] != "unresolved" for seeds in chance])
    assert 0.01 < wrong < 0.06
    found = [over_seeds((np.array(seeds) + 2 * DEVIATION).tolist(), None, spread) for seeds in chance]
    moderated, alone = (np.mean([one["verdict"] == "higher" for one in each])
                        for each in (found, [one["alone"] for one in found]))  # fmt: skip
    assert moderated > 1.5 * alone


def test_seeds_that_happen_to_agree_get_a_wider_interval_and_the_images_still_count() -> None:
    spread = Spread(DEVIATION, DEGREES, 100)
    lucky = over_seeds([0.010, 0.011, 0.012], None, spread)
    assert (lucky["verdict"], lucky["alone"]["verdict"]) == ("unresolved", "higher")
    rng = np.random.default_rng(3)
    one, other = ([(rng.random(50) < 0.8).astype(float) for _ in range(3)] for _ in range(2))
    sure = compare(one, other, None, spread=Spread(1e-6, 1e6, 10**7))
    assert sure["high"] - sure["low"] > 0.15  # of 150 images, whatever trainings do


def test_spreads_are_read_by_metric_and_none_without_a_file(tmp_path: Path) -> None:
    fit = {"deviation": 0.02, "degrees": 4.0, "pooled": 94, "comparisons": 47}
    (tmp_path / "spread.json").write_text(json.dumps({"metrics": {"emo_a/judge": fit}}))
    assert read_spreads(tmp_path / "spread.json") == {"emo_a/judge": Spread(0.02, 4.0, 94)}
    assert read_spreads(tmp_path / "absent") == {}
