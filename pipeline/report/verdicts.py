"""List the verdicts of the experiments, as they stand in experiments/results/."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PAIR = " - "  # between the rows of a pair or a claim
SHARES = ("emo_a/", "sem_c", "accuracy", "content/", "ec_a/")  # begin metrics that are shown in percent


@dataclass(frozen=True)
class Verdict:
    """One comparison of an experiment: a row's mean, its difference from `against`, and what follows."""

    row: str
    metric: str
    mean: float
    difference: float
    low: float
    high: float
    resolves: float
    verdict: str
    against: str


@dataclass(frozen=True)
class Experiment:
    """The verdicts of one experiment; `outdated` says why they no longer hold, "" if they do."""

    name: str
    outdated: str
    num_seeds: int
    images: str
    verdicts: tuple[Verdict, ...]

    @property
    def title(self) -> str:
        """Return the name as people read it: "CoEmoGen table 2b"."""
        words = self.name.replace("_", " ").replace("table", "table ")
        return words.replace("coemogen", "CoEmoGen").replace("uniemo", "UniEmo")

    def count(self, verdict: str) -> int:
        return sum(one.verdict == verdict for one in self.verdicts)


def experiments(grids: Mapping[str, Mapping[str, Any]]) -> list[Experiment]:
    """Return every experiment with a comparison, the present ones first."""
    all_experiments = [_experiment(name, grid) for name, grid in grids.items()]
    return sorted((one for one in all_experiments if one.verdicts), key=lambda one: (bool(one.outdated), one.name))


def _experiment(name: str, grid: Mapping[str, Any]) -> Experiment:
    images = f"{grid['images_per_seed']:,} images per seed" if "images_per_seed" in grid else ""
    if "num_pictures" in grid:
        images = f"{grid['num_pictures']:,} drawn images"
    verdicts = (*_rows(grid), *_claims(grid))
    return Experiment(name, str(grid.get("outdated", "")), len(grid.get("seeds", ())), images, verdicts)


def _rows(grid: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield the verdicts on rows, then those on pairs of rows, such as "UniEmo - EmoGen"."""
    rows = grid.get("rows", {})
    for name, metrics in (rows | grid.get("pairs", {})).items():
        for metric, cell in metrics.items():
            if "difference" in cell:
                row, _, _ = name.partition(PAIR)
                yield _verdict(row, metric, cell["mean"], cell, cell.get("against") or next(iter(rows)))


def _claims(grid: Mapping[str, Any]) -> Iterator[Verdict]:
    for claim, cell in grid.get("claims", {}).items():
        row, _, against = claim.partition(PAIR)
        yield _verdict(row, "accuracy", grid["accuracy"][row]["mean"], cell, against)


def _verdict(row: str, metric: str, mean: float, cell: Mapping[str, Any], against: str) -> Verdict:
    scale = 100.0 if metric.startswith(SHARES) else 1.0
    difference, low, high, resolves = (scale * cell[key] for key in ("difference", "low", "high", "resolves"))
    return Verdict(row, metric, scale * mean, difference, low, high, resolves, cell["verdict"], against)
