"""What the experiments measured for a row of the papers' tables: means over seeds, and the verdicts.

Two kinds of results: grids of images (experiments/verdicts.py), whose rows are held against their first one, and the
accuracies on pictures that no corpus has (experiments/uniemo_oracle.py), whose claims name both sides.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.report.ours import Comparison, Ours
from pipeline.report.papers import Row

Results = Mapping[str, Mapping[str, Any]]
ORACLE, ACCURACY = "uniemo_understanding", "accuracy_emoset"
GRID_KEYS = {"emo_a": "emo_a/classifier", "emo_a_judge": "emo_a/judge", "sem_c": "sem_c"}


def from_grids(results: Results, row: Row, metric: str) -> Ours:
    """The number of a row by the experiment that it names; without a value where no result has it."""
    if metric == ACCURACY and row.claim in results.get(ORACLE, {}).get("claims", {}):
        return _by_oracle(results[ORACLE], str(row.claim))
    grid, key = results.get(row.grid or "", {}), GRID_KEYS.get(metric, "")
    return _by_seeds(grid, row, key) if key in grid.get("rows", {}).get(row.grid_row, {}) else Ours()


def remedies_of(row: Row, metric: str) -> list[str]:
    """What makes the results that have the metric of a row."""
    ways = []
    if metric == ACCURACY and row.claim:
        ways.append(_ran(ORACLE, "experiments.uniemo_oracle"))
    if row.grid and metric in GRID_KEYS:
        ways.append(_ran(row.grid, f"experiments.verdicts {row.grid}"))
    return ways


def _by_oracle(found: Mapping[str, Any], claim: str) -> Ours:
    one, _, other = claim.partition(" - ")
    num = found["num_pictures"]
    said = f"{one}: accuracy on {num:,} drawn pictures, not the test split; {_seeds(found)} of {ORACLE}"
    compared = _comparison(found["claims"][claim], other)
    return Ours(found["accuracy"][one]["mean"], n=num, measure=said, grid=ORACLE, comparison=compared)


def _by_seeds(grid: Mapping[str, Any], row: Row, key: str) -> Ours:
    found = grid["rows"][row.grid_row][key]
    said = f"{key}, {_seeds(grid)} of {row.grid}"
    num = grid["images_per_seed"] * len(grid["seeds"])
    compared = _comparison(found, next(iter(grid["rows"]))) if "difference" in found else None
    return Ours(found["mean"], n=num, measure=said, grid=row.grid or "", comparison=compared)


def _comparison(found: Mapping[str, Any], against: str) -> Comparison:
    return Comparison(found["difference"], found["low"], found["high"], found["verdict"], against)


def _seeds(found: Mapping[str, Any]) -> str:
    num = len(found["seeds"])
    return f"mean over {num} seeds" if num > 1 else "one seed"


def _ran(grid: str, then: str) -> str:
    return f"`python -m experiments.run {grid}`, then `python -m {then}`"
