"""Compare the rows of a finished grid with its first row, or as `against` says, with verdicts on the paper's claims.

Images of two rows with one seed start from the same noise, so they are compared pair by pair. A difference varies for
two reasons: the images, drawn with replacement within each seed, and the trainings, of which each seed is one
(Student's t over seeds, moderated by the spread of experiments/spread.json where the metric has one). The interval is
the hull of both intervals, so it is never narrower than either. A row `agrees` if the whole interval and every seed
have the paper's direction, `disagrees` if they have the opposite direction, and is `unresolved` otherwise; with fewer
than three seeds there is no verdict. Three seeds resolve little: `resolves` is the difference that would be found in
four of five such experiments.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import Any

import click
import numpy as np

from evoke.comparison import compare, over_seeds, t_errors
from evoke.spread import read_spreads
from experiments import cell as layout
from experiments.cell import Cell, cells, is_miniature, params_of, read_grid, write_result
from experiments.kept import JUDGED, Values, per_image, processor_of, reported, result_of
from experiments.key import Finished, hash_of, key_of, merged
from pipeline.params import parse_params
from pipeline.report.names import labelled_data
from pipeline.report.verdicts import PAIR

SHARES = (0.0, 1.0)  # range of the values per image


def direction(grid: Mapping[str, Any], row: str, metric: str, of_all: bool = True) -> int | None:
    """Return the paper's direction for a metric of a row or of a pair of rows, or None if it says nothing.

    `paper` in the grid has one number for each metric of a row, or one number for all that are compared per image, and
    so has `pairs`, by names such as "UniEmo - EmoGen". of_all: whether the metric is compared per image.
    """
    said = grid.get("paper", {}).get(row, grid.get("pairs", {}).get(row))
    sign: int | None = said.get(metric.split("/")[0]) if isinstance(said, dict) else said if of_all else None
    return sign


@dataclass(frozen=True)
class Complete:
    """The cells of the seeds that every row has finished, with their results."""

    seeds: list[int]
    finished: Mapping[Cell, Finished]

    def of(self, row: str) -> list[Cell]:
        """Return the cells of a row, seed by seed."""
        return [cell for seed in self.seeds for cell in self.finished if (cell.row, cell.seed) == (row, seed)]


def complete(name: str, grid: Mapping[str, Any], rows: int | None = None) -> Complete:
    """Return the cells to compare: those of the seeds for which every row has a result of the present key.

    With `rows`, so many rows of a seed are enough. Stale results are reported and left out. Raises ClickException if no
    seed is left.
    """
    finished: dict[Cell, Finished] = {}
    for cell in cells(name, grid):
        result = result_of(cell)
        age = result.age(key_of(cell)) if result else ""
        if age:
            click.echo(f"{cell.row}, seed {cell.seed} is stale and left out: {age}", err=True)
        elif result:
            finished[cell] = result
    needed = rows or len(grid["rows"])
    seeds = [seed for seed in grid["seeds"] if sum(cell.seed == seed for cell in finished) >= needed]
    if not seeds:
        raise click.ClickException(f"{name}: no seed is finished in every row; run `python -m experiments.run {name}`")
    return Complete(seeds, {cell: result for cell, result in finished.items() if cell.seed in seeds})


def table(name: str, grid: Mapping[str, Any]) -> dict[str, Any]:
    """Return the means of each row and its comparison with the row that it is held against.

    That is the first row, or the one in `against` of the grid; `pairs` of the grid names further comparisons.
    """
    comparable = complete(name, grid)
    values = {cell: per_image(cell, grid) for cell in comparable.finished if "images" in grid}
    rows = {row: compared(grid, row, against(grid, row), row, comparable, values) for row in grid["rows"]}
    sides = {pair: pair.partition(PAIR) for pair in grid.get("pairs", ())}
    pairs = {pair: compared(grid, row, other, pair, comparable, values) for pair, (row, _, other) in sides.items()}
    cell = next(iter(comparable.finished))
    num = len(values[cell][JUDGED]) if values else 0
    changes = grid.get("common", {}) | (grid.get("base", {}) if is_miniature() else {})
    keys = (result.key for result in comparable.finished.values() if result.key)
    processors = sorted({processor for cell in comparable.finished if (processor := processor_of(cell))})
    return {"grid": name, "data": labelled_data(parse_params(params_of(cell))), "seeds": comparable.seeds,
            "images_per_seed": num, "base": changes, "key": merged(keys), "comparisons": comparisons_hash(grid),
            "processors": processors, "rows": rows, **({"pairs": pairs} if pairs else {})}  # fmt: skip


def comparisons_hash(grid: Mapping[str, Any]) -> str:
    """Return a hash of what a grid compares and how: rows' opponents, pairs, directions, reported metrics, spreads."""
    of_grid = {name: grid.get(name) for name in ("against", "pairs", "paper", "reported")}
    spreads = read_spreads(layout.SPREAD)
    return hash_of(of_grid | {"spreads": {name: asdict(each) for name, each in spreads.items()}})


def compared(
    grid: Mapping[str, Any], row: str, other: str, name: str, comparable: Complete, values: Mapping[Cell, Values]
) -> dict[str, Any]:
    """Return the metrics of a row, compared with another: per image where the grid has images, then `reported`.

    name: that of the row or of the pair, by which the grid has the paper's direction.
    """
    ours, theirs = ([values[cell] for cell in comparable.of(each)] if values else [] for each in (row, other))
    if any(len(one[JUDGED]) != len(two[JUDGED]) for one, two in zip(ours, theirs, strict=True)):
        raise click.ClickException(f"{row} has images of other emotions than {other}: they make no pairs")
    metrics: dict[str, Any] = {}
    spreads = read_spreads(layout.SPREAD)
    for metric in ours[0] if ours else ():
        metrics[metric] = mean_over([float(each[metric].mean()) for each in ours], SHARES)
        if row != other:
            pair = [each[metric] for each in ours], [each[metric] for each in theirs]
            found = compare(*pair, direction(grid, name, metric), spread=spreads.get(metric))
            metrics[metric] |= found | {"against": other}
    for key, means in over_trainings(grid, row, comparable).items():
        others = over_trainings(grid, other, comparable)
        metrics[key] = mean_over(means)
        if row != other and key in others:
            differences = [one - two for one, two in zip(means, others[key], strict=True)]
            found = over_seeds(differences, direction(grid, name, key, of_all=False), spreads.get(key))
            metrics[key] |= found | {"against": other}
    return metrics


def against(grid: Mapping[str, Any], row: str) -> str:
    """Return the row that a row is compared with; the first row is compared with itself, that is with none."""
    other: str = grid.get("against", {}).get(row) or next(iter(grid["rows"]))
    return other


def mean_over(values: list[float], ends: tuple[float, float] = (-math.inf, math.inf)) -> dict[str, Any]:
    """Return the mean over seeds with the interval of Student's t, cut at the ends of the metric's range, and each."""
    mean, spread = float(np.mean(values)), t_errors(values)
    low, high = max(mean - spread, ends[0]), min(mean + spread, ends[1])
    return {"mean": mean, "mean_low": low, "mean_high": high, "trainings": values}


def over_trainings(grid: Mapping[str, Any], row: str, comparable: Complete) -> dict[str, list[float]]:
    """Return the metrics in `reported` of the grid by key, each with its value for each seed of a row.

    Keys are patterns, such as fid/*/clean, because the names of the backbones differ between scales.
    """
    results = [comparable.finished[cell].metrics for cell in comparable.of(row)]
    wanted = [
        (f"{file}:", key.removeprefix(f"{file}:"))
        for file, pattern in reported(grid, row)
        for key in results[0]
        if fnmatch(key, f"{file}:{pattern}")
    ]
    return {key: [each[f"{prefix}{key}"] for each in results] for prefix, key in wanted
            if all(isinstance(each.get(f"{prefix}{key}"), int | float) for each in results)}  # fmt: skip


def rows_and_pairs(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of every row of a result, then those of every pair of rows, by name."""
    return {**result.get("rows", {}), **result.get("pairs", {})}


def rounded(value: Any) -> Any:
    """Return a nested value with all floats rounded to four digits."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Compare the rows of experiments/NAME.yaml, print them, and write experiments/results/NAME.json."""
    result = rounded(table(name, read_grid(name)))
    write_result(name, result)
    click.echo(f"{name}: {result['images_per_seed']} images, seeds {result['seeds']}")
    for row, metrics in rows_and_pairs(result).items():
        for metric, each in metrics.items():
            versus = f"{each['difference']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}] {each['verdict']}" if (
                "difference" in each) else ""  # fmt: skip
            click.echo(f"  {row:36s} {metric:18s} {each['mean']:.3f}  {versus}")


if __name__ == "__main__":
    main()
