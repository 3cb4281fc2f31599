"""Fit how much trainings differ to the comparisons of all grids that are run, and write experiments/spread.json.

    .venv/bin/python -m experiments.spread

It was fitted once, before the grids that it names as `unseen` had a result of the present weights, and is not fitted
again: their verdicts rest on a spread that none of them has touched. `covered` says how often two seeds foretell the
third: the share of seeds inside the 95 % interval that the other two give, by their own deviation alone and with the
spread fitted to such pairs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from evoke.comparison import MIN_SEEDS
from evoke.spread import fit_spread
from experiments.cell import SPREAD, grid_names, read_grid, read_result
from experiments.results_page import comparisons, state_of

ENOUGH = 20  # comparisons of a metric without which nothing is fitted: fewer share their rows, and so their chance


def by_metric(names: Sequence[str]) -> dict[str, list[tuple[float, ...]]]:
    """Return the differences by seed of every comparison of some grids, by metric; what two grids repeat once.

    Claims on accuracy are left out: they are by other images than the accuracy of the test split.
    """
    found: dict[str, dict[tuple[float, ...], None]] = {}
    for name in names:
        for metric, seeds in _differences(name):
            found.setdefault(metric, {})[seeds] = None
    return {metric: list(each) for metric, each in found.items() if len(each) >= ENOUGH}


def _differences(name: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    result = read_result(name)
    for _, metric, values in comparisons(read_grid(name), result) if "claims" not in result else ():
        if len(seeds := tuple(values["by_seed"])) == MIN_SEEDS:
            yield metric, seeds


def coverage(differences: Sequence[tuple[float, ...]], is_moderated: bool) -> float:
    """Return the share of seeds inside the 95 % interval for one more training that the other two give."""
    from scipy.stats import t

    inside = []
    for left in range(MIN_SEEDS):
        others = np.delete(np.array(differences), left, axis=1)
        variances = others.var(axis=1, ddof=1).tolist()
        spread = fit_spread(variances, 1)
        for seeds, two, variance in zip(differences, others, variances, strict=True):
            moderated, degrees = spread.moderated(variance, 1) if is_moderated else (variance, 1.0)
            half = t.ppf(0.975, degrees) * (moderated * (1 + 1 / len(two))) ** 0.5
            inside.append(abs(seeds[left] - two.mean()) <= half)
    return float(np.mean(inside))


def fit(names: Sequence[str]) -> dict[str, Any]:
    """Return what experiments/spread.json holds, fitted to the comparisons of some grids."""
    metrics = {}
    for metric, differences in by_metric(names).items():
        variances = [float(np.var(seeds, ddof=1)) for seeds in differences]
        spread = asdict(fit_spread(variances, MIN_SEEDS - 1))
        shares = {way: coverage(differences, way == "moderated") for way in ("alone", "moderated")}
        metrics[metric] = {**spread, "comparisons": len(differences), "covered": shares}
    return {"seen": list(names), "unseen": [name for name in grid_names() if name not in names], "metrics": metrics}


@click.command()
def main() -> None:
    """Fit the spread to the grids that are run and write experiments/spread.json; refuse if it stands already."""
    if SPREAD.exists():
        raise click.ClickException(f"{SPREAD.name} is there, and a spread that is fitted again has seen what it judges")
    SPREAD.write_text(
        json.dumps(fit([name for name in grid_names() if state_of(read_result(name)) == "run"]), indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
