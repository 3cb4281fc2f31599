"""Look up experiment results for a row of the papers' tables: means over seeds, and verdicts.

There are two kinds of results: grids of images (experiments/verdicts.py), whose rows are compared with their first row,
and accuracies on images outside every corpus (experiments/uniemo_oracle.py), whose claims name both sides.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.report.ours import CONTENT, EMO_A, Comparison, Ours, keys_of, preference
from pipeline.report.papers import Row

Results = Mapping[str, Mapping[str, Any]]
ORACLE, ACCURACY = "uniemo_understanding", "accuracy_emoset"
PER_IMAGE = {**EMO_A, "sem_c": "sem_c"}  # keys of the metrics that are compared image by image
TEST_SPLIT = "accuracy"


def from_grids(results: Results, row: Row, metric: str) -> Ours:
    """Return the number of a row from the experiment that it names; without a value if no result has it."""
    if metric == ACCURACY and row.claim in results.get(ORACLE, {}).get("claims", {}):
        return _by_oracle(results[ORACLE], str(row.claim))
    grid = results.get(row.grid or "", {})
    figures = grid.get("rows", {}).get(row.grid_row, {})
    reported = min(keys_of(metric, figures), key=preference, default="")
    key = TEST_SPLIT if metric == ACCURACY else CONTENT.get(metric) or PER_IMAGE.get(metric, reported)
    return _by_seeds(grid, row, key) if key in figures else Ours()


def remedies_of(row: Row, metric: str) -> list[str]:
    """Return the commands that produce a row's metric by experiment; empty if the row names no experiment."""
    if metric == ACCURACY and row.claim:
        return [_ran(ORACLE, "experiments.uniemo_oracle")]
    return [_ran(row.grid, f"experiments.verdicts {row.grid}")] if row.grid else []


def _by_oracle(result: Mapping[str, Any], claim: str) -> Ours:
    name, _, other = claim.partition(" - ")
    num = result["num_pictures"]
    measure = f"{name}: accuracy on {num:,} drawn images, not the test split; {_seeds(result)} of {ORACLE}"
    compared = _comparison(result["claims"][claim], other)
    age = result.get("outdated", "")
    return Ours(
        result["accuracy"][name]["mean"], n=num, measure=measure, grid=ORACLE, outdated=age, comparison=compared
    )


def _by_seeds(grid: Mapping[str, Any], row: Row, key: str) -> Ours:
    """Return a row's mean over seeds.

    `n` counts the images of all seeds; None for metrics outside PER_IMAGE, because FID depends on the images of each
    seed.
    """
    result, num = grid["rows"][row.grid_row][key], grid["images_per_seed"]
    measure = f"{key}, {_seeds(grid)} of {row.grid}, " + ("test split" if key == TEST_SPLIT else f"{num:,} images each")
    other = result.get("against") or next(iter(grid["rows"]))
    compared = _comparison(result, other) if "difference" in result else None
    all_images = num * len(grid["seeds"]) if key in PER_IMAGE.values() else None
    ends = result.get("mean_low"), result.get("mean_high")
    age = grid.get("outdated", "")
    return Ours(
        result["mean"], *ends, n=all_images, measure=measure, grid=row.grid or "", outdated=age, comparison=compared
    )


def _comparison(result: Mapping[str, Any], against: str) -> Comparison:
    return Comparison(
        result["difference"], result["low"], result["high"], result["verdict"], against, result["resolves"]
    )  # fmt: skip


def _seeds(grid: Mapping[str, Any]) -> str:
    num = len(grid["seeds"])
    return f"mean over {num} seeds" if num > 1 else "one seed"


def _ran(grid: str, then: str) -> str:
    return f"`python -m experiments.run {grid}`, then `python -m {then}`"
