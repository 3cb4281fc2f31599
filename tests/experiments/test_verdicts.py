"""Verdicts: the paper's direction in the whole interval and in every seed, or nothing is said."""

import numpy as np
import pytest
from ruamel.yaml import YAML

from experiments.run import ROOT, cells, read_grid
from experiments.verdicts import compare, verdict
from pipeline.params import parse_params, read_yaml

GRIDS = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))


@pytest.mark.parametrize(
    ("seeds", "low", "high", "direction", "wanted"),
    [
        ([-0.1, -0.2, -0.1], -0.2, -0.05, -1, "agrees"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, -1, "disagrees"),
        ([-0.1, 0.02, -0.1], -0.2, -0.05, -1, "unresolved"),
        ([-0.1, -0.2, -0.1], -0.2, 0.01, -1, "unresolved"),
        ([0.1, 0.2, 0.1], 0.05, 0.2, None, "higher"),
        ([-0.1, -0.2], -0.2, -0.05, -1, "none: 2 of 3 seeds"),
    ],
)
def test_a_verdict_needs_the_interval_and_every_seed(
    seeds: list[float], low: float, high: float, direction: int | None, wanted: str
) -> None:
    assert verdict(seeds, low, high, direction) == wanted


def test_a_real_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    whole = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    worse = [each * (rng.random(1000) < 0.9) for each in whole]
    found = compare(worse, whole, -1)
    assert found["verdict"] == "agrees"
    assert found["low"] < found["difference"] < found["high"] < 0
    other = [(rng.random(1000) < 0.8).astype(float) for _ in range(3)]
    assert compare(other, whole, -1)["verdict"] == "unresolved"


@pytest.mark.parametrize("name", GRIDS)
def test_every_row_of_every_grid_is_valid_params(name: str) -> None:
    grid, defaults = read_grid(name), ROOT / "params.yaml"
    assert set(grid.get("paper", {})) <= set(grid["rows"])
    for cell in cells(name, grid):
        values = read_yaml(defaults)
        for key, value in cell.changes.items():
            *sections, last = key.split(".")
            holder = values
            for section in sections:
                holder = holder[section]
            assert last in holder, key
            holder[last] = value
        parse_params(values)
    assert YAML().load((ROOT / "experiments" / f"{name}.yaml").read_text())["seeds"]
