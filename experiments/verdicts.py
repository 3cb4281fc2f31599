"""Rows of a finished grid against its first row: differences with intervals, and whether they say what the paper says.

Images of two rows with one seed start from the same noise, so they are compared pair by pair. A difference has two
sources of chance: images, drawn with replacement within each seed, and trainings, of which each seed is one (Student's
t over seeds). The interval is the hull of both, so that it is never narrower than either allows. A row `agrees` if the
paper's direction has the whole interval and every seed, `disagrees` if the other has, and else is `unresolved`; fewer
than three seeds have none. Three seeds resolve little: `resolves` is the difference that would be found in four of five
such experiments.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.run import RESULTS, Cell, cells, named, of_row, read_grid
from pipeline.artifacts import read_shards
from pipeline.metrics.emotion_accuracy import JUDGES, right
from pipeline.params import read_yaml
from pipeline.runtime import numpy_generator

NUM_SAMPLES = 2000
MIN_SEEDS = 3
SHARES = (0.0, 1.0)  # the range of what is told of each image
Values = dict[str, NDArray[np.float64]]


def per_image(cell: Cell, images: str) -> Values:
    """What is compared, of each image of a cell in the order of their ids: right by each judge, clarity."""
    scores: pa.Table = read_shards(cell.folder / images)
    judged = {f"emo_a/{judge}": right(scores, judge).astype(np.float64) for judge in JUDGES}
    return {**judged, "sem_c": scores["clarity"].to_numpy().astype(np.float64)}


def compare(
    row: list[NDArray[np.float64]], whole: list[NDArray[np.float64]], direction: int | None, shared: bool = False
) -> dict[str, Any]:
    """Differences of a row, by seed and in all; direction: the paper's, 1 better, -1 worse, None where it is silent.

    shared: all seeds are of the same pictures, so that these are drawn once and more seeds are not more pictures.
    """
    generator = numpy_generator("verdicts")
    pairs = [one - other for one, other in zip(row, whole, strict=True)]
    drawn = [np.mean(pairs, 0)] if shared else pairs
    draws = np.mean([resampled(each, generator) for each in drawn], 0)
    low, high = np.quantile(draws, [0.025, 0.975])
    found = over_seeds([float(each.mean()) for each in pairs], direction)
    return judged(found, low, high, float(2.8 * draws.std()), direction)


def over_seeds(seeds: list[float], direction: int | None = None) -> dict[str, Any]:
    """Differences by seed -> their mean with the interval of Student's t; one seed alone has none."""
    mean, spread = float(np.mean(seeds)), t_errors(seeds)
    found = {"difference": mean, "low": mean - spread, "high": mean + spread, "by_seed": seeds, "resolves": 0.0}
    return judged(found, mean, mean, t_errors(seeds, power=0.8), direction)


def judged(found: dict[str, Any], low: float, high: float, resolves: float, direction: int | None) -> dict[str, Any]:
    """The same with its interval widened to hold low and high, and the verdict on it."""
    low, high = float(min(low, found["low"])), float(max(high, found["high"]))
    widened = {"low": low, "high": high, "resolves": max(resolves, found["resolves"])}
    return found | widened | {"verdict": verdict(found["by_seed"], low, high, direction)}


def t_errors(seeds: list[float], power: float = 0.5) -> float:
    """Half of the 95 % interval of the mean over seeds; with a power the difference that is found so often."""
    if len(seeds) < MIN_SEEDS - 1:
        return 0.0
    from scipy.stats import t

    quantiles = t.ppf([0.975, power], len(seeds) - 1).sum()
    return float(quantiles * np.std(seeds, ddof=1) / len(seeds) ** 0.5)


def resampled(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Means of NUM_SAMPLES draws of N with replacement."""
    means: NDArray[np.float64] = values[generator.integers(len(values), size=(NUM_SAMPLES, len(values)))].mean(1)
    return means


def verdict(seeds: list[float], low: float, high: float, direction: int | None) -> str:
    """agrees, disagrees or unresolved; lower, higher or unresolved where the paper says nothing; none for few seeds."""
    if len(seeds) < MIN_SEEDS:
        return f"none: {len(seeds)} of {MIN_SEEDS} seeds"
    sign = 1 if low > 0 and min(seeds) > 0 else -1 if high < 0 and max(seeds) < 0 else 0
    if not sign:
        return "unresolved"
    if direction is None:
        return "higher" if sign > 0 else "lower"
    return "agrees" if sign == direction else "disagrees"


def direction(grid: Mapping[str, Any], row: str, metric: str) -> int | None:
    """What the paper says of a metric of a row; `paper` has a number for all metrics of a row, or one each."""
    said = grid.get("paper", {}).get(row)
    found: int | None = said.get(metric.split("/")[0]) if isinstance(said, dict) else said
    return found


def table(name: str, grid: Mapping[str, Any]) -> dict[str, Any]:
    """Means of each row and its comparison with the first, over the seeds of which every row is finished."""
    finished = [cell for cell in cells(name, grid) if (cell.folder / "finished.json").is_file()]
    seeds = [seed for seed in grid["seeds"] if sum(cell.seed == seed for cell in finished) == len(grid["rows"])]
    if not seeds:
        raise click.ClickException(f"{name}: no seed is finished in every row; run `python -m experiments.run {name}`")
    values = {
        (cell.row, cell.seed): per_image(cell, of_row(grid, "images", cell.row))
        for cell in finished
        if cell.seed in seeds
    }
    first, rows = next(iter(grid["rows"])), {}
    for row in grid["rows"]:
        found = [values[row, seed] for seed in seeds]
        whole = [values[first, seed] for seed in seeds]
        if any(len(one["sem_c"]) != len(other["sem_c"]) for one, other in zip(found, whole, strict=True)):
            raise click.ClickException(f"{name}: {row} has images of other emotions than {first}: they make no pairs")
        rows[row] = {
            metric: mean_over([float(each[metric].mean()) for each in found], SHARES)
            | ({} if row == first else compare([each[metric] for each in found], [each[metric] for each in whole],
                                               direction(grid, row, metric)))
            for metric in found[0]
        }  # fmt: skip
        for metric in grid.get("reported", ()):
            key, ours = reported(grid, row, metric, finished, seeds)
            _, first_ones = reported(grid, first, metric, finished, seeds)
            differences = [one - other for one, other in zip(ours, first_ones, strict=True)]
            rows[row][key] = mean_over(ours) | ({} if row == first else over_seeds(differences))
    num = len(values[first, seeds[0]]["sem_c"])
    data = read_yaml(finished[0].folder / "params.yaml")["emoset"]["folder"]
    return {"grid": name, "data": data, "seeds": seeds, "images_per_seed": num, "base": grid.get("base", {}),
            "rows": rows}  # fmt: skip


def mean_over(values: list[float], ends: tuple[float, float] = (-math.inf, math.inf)) -> dict[str, Any]:
    """Of seeds, with the interval of Student's t, but no farther than the ends of the metric's range."""
    mean, spread = float(np.mean(values)), t_errors(values)
    return {"mean": mean, "mean_low": max(mean - spread, ends[0]), "mean_high": min(mean + spread, ends[1])}


def reported(
    grid: Mapping[str, Any], row: str, metric: str, finished: list[Cell], seeds: list[int]
) -> tuple[str, list[float]]:
    """The key of a metric of `reported`, and its value in each seed of a row."""
    file, _, key = metric.rpartition(":")
    told = [json.loads((cell.folder / "finished.json").read_text()) for cell in finished
            if cell.row == row and cell.seed in seeds]  # fmt: skip
    return key, [each[f"{named(grid, file or grid['measure'], row)}:{key}"] for each in told]


def rounded(value: Any) -> Any:
    """Floats to four digits, within anything."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Compare the rows of experiments/NAME.yaml, print them, and write experiments/results/NAME.json."""
    found = rounded(table(name, read_grid(name)))
    RESULTS.mkdir(exist_ok=True)
    path: Path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(f"{name}: {found['images_per_seed']} images, seeds {found['seeds']}")
    for row, metrics in found["rows"].items():
        for metric, each in metrics.items():
            versus = f"{each['difference']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}] {each['verdict']}" if (
                "difference" in each) else ""  # fmt: skip
            click.echo(f"  {row:36s} {metric:18s} {each['mean']:.3f}  {versus}")


if __name__ == "__main__":
    main()
