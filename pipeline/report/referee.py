"""Judge the papers' printed differences: which of them can the number of images behind them carry?

A share (Emo-A, accuracy, CLIP-A, EC-A) and its n determine an interval (Wilson 1927), and two of them that of the
difference (Newcombe 1998, method 10, independent images). Sem-C is a mean of values in [0, 1], whose variance is at
most that of a share, so n gives the widest interval that it may have. For FID, LPIPS and Sem-D nothing can be said
from n alone: their spread is not printed.

n does not carry the chance of trainings, and the papers state no more than one training per row. Where an experiment of
this project has differences by seed, a second verdict demands that a difference also exceeds what two single trainings
differ by there. That spread is the miniature's, so it shows what may be missing, not the papers' own interval.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.judges.calibration import QUANTILE_95, wilson_interval
from pipeline.report.ours import CONTENT
from pipeline.report.papers import PaperTable, Row, TableName

Grids = Mapping[str, Mapping[str, Any]]
Kind = Literal["share", "mean", "none"]
Verdict = Literal["resolved", "unresolved", "opposite", "not by n"]

GENERATED = "1,000 images of each of eight emotions"
HALF = 2  # seeds without which there is no spread
KEYS = {"emo_a": "emo_a/classifier", "sem_c": "sem_c", **CONTENT}  # of our experiments, by metric
ACCURACY, ORACLE = "accuracy_emoset", "uniemo_understanding"  # its differences by seed are in `claims`
ACROSS: tuple[tuple[tuple[TableName, str], tuple[TableName, str]], ...] = (  # the first is printed as the better one
    (("1", "CoEmoGen"), ("IV", "UniEmo")),
    (("IV", "UniEmo-XL"), ("1", "CoEmoGen")),
    (("IV", "UniEmo-XL"), ("IV", "UniEmo")),
)


@dataclass(frozen=True)
class Sample:
    """The images behind a metric: their number, what they are, and what the number says of a mean over them.

    `is_stated` is False if the paper does not state the split and the usual one of the data set is taken.
    """

    n: int
    images: str
    kind: Kind = "share"
    is_stated: bool = True
    is_shared: bool = False  # all rows read the same images, so that a paired test would be possible


SAMPLES: dict[str, Sample] = {
    "fid": Sample(8000, GENERATED, "none"),
    "lpips": Sample(8000, f"pairs of {GENERATED}", "none"),
    "emo_a": Sample(8000, GENERATED),
    "sem_c": Sample(8000, GENERATED, "mean"),
    "sem_d": Sample(8000, f"pairs of {GENERATED}", "none"),
    "accuracy_emoset": Sample(17_716, "EmoSet's test split", is_shared=True),
    "accuracy_fi": Sample(3402, "15 % of the 22,683 images of FI", is_stated=False, is_shared=True),
    "accuracy_emotionroi": Sample(594, "EmotionROI's test split", is_stated=False, is_shared=True),
    "accuracy_twitter_i": Sample(1269, "all images of Twitter I, by folds", is_stated=False, is_shared=True),
    "accuracy_twitter_ii": Sample(603, "all images of Twitter II, by folds", is_stated=False, is_shared=True),
    "zero_shot_fi": Sample(22_683, "all images of FI", is_stated=False, is_shared=True),
    "ec_emo_a": Sample(608, "76 contents with each of eight emotions"),
    "ec_content": Sample(608, "76 contents with each of eight emotions"),
    "ec_a": Sample(608, "76 contents with each of eight emotions"),
}


@dataclass(frozen=True)
class Spread:
    """How much a difference of two single trainings varies in an experiment of ours, in the metric's printed unit.

    deviation: the standard deviation over seeds, pooled over `num_rows` differences, each with as many seeds. They
    share the row that they are compared with, so it is rather too sure. It holds the chance of the images, too.
    """

    grid: str
    deviation: float
    num_rows: int
    num_seeds: int
    outdated: str

    @property
    def resolves(self) -> float:
        """Return the difference of two single trainings that chance exceeds in 5 % of cases."""
        from scipy.stats import t

        return float(t.ppf(0.975, self.num_rows * (self.num_seeds - 1)) * self.deviation)


@dataclass(frozen=True)
class Ruling:
    """Hold the verdict of n on one printed number, in its unit, and on its difference from the row `against`.

    sign: 1 if the paper calls this row the better of the two, else -1. half_width: half the 95 % interval of the
    number (at most that, for a mean). low, high: the interval of the difference. needs_n: the images per row that would
    resolve an unresolved difference. paired_below: if both rows read the same images, the share of images on which the
    two may differ in being right so that a paired test resolves the difference.
    """

    table: str
    row: str
    metric: str
    number: float
    sample: Sample
    half_width: float | None = None
    against: str = ""
    sign: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "not by n"
    needs_n: int | None = None
    paired_below: float | None = None
    spread: Spread | None = None
    verdict_of_trainings: Verdict | None = None


def rulings(name: str, table: PaperTable, grids: Grids) -> list[Ruling]:
    """Return a ruling on every number that a table prints, in the order of rows and metrics.

    grids: the results of our experiments by name, with `outdated` (Measured.grids); only their spread is taken.
    """
    results = []
    for row in table.rows:
        sign, others = table.opponents(row)
        for metric, number in zip(table.metrics, row.numbers, strict=True):
            if number is not None:
                other = strongest(table, others, metric) if SAMPLES[metric].kind != "none" else None
                against = None if other is None else (other.row, _number(table, other, metric))
                spread = spread_of((row, *([other] if other else [])), metric, grids)
                results.append(ruling(name, row.row, metric, number, against, sign, spread))
    return results


def across(papers: Mapping[TableName, PaperTable], grids: Grids) -> list[Ruling]:
    """Return rulings on Emo-A of methods that no table sets side by side, though readers do."""
    results = []
    for (name, row_name), (other_name, other_row) in ACROSS:
        row, other = (_row(papers[table], key) for table, key in ((name, row_name), (other_name, other_row)))
        numbers = _number(papers[name], row, "emo_a"), _number(papers[other_name], other, "emo_a")
        spread = spread_of((row, other), "emo_a", grids)
        results.append(
            ruling(name, row.row, "emo_a", numbers[0], (f"{other.row} ({other_name})", numbers[1]), 1, spread)
        )
    return results


def ruling(
    table: str, row: str, metric: str, number: float, against: tuple[str, float] | None, sign: int,
    spread: Spread | None = None,
) -> Ruling:  # fmt: skip
    """Return the ruling on one number and its difference from that of the row `against`, if there is one."""
    sample = SAMPLES[metric]
    if sample.kind == "none":
        return Ruling(table, row, metric, number, sample)
    scale = 1.0 if sample.kind == "mean" else 100.0
    low, high = wilson_ends(number / scale, sample.n)
    half = scale * (high - low) / 2
    if against is None:
        return Ruling(table, row, metric, number, sample, half)
    difference, ends = number - against[1], difference_ends(number / scale, against[1] / scale, sample.n)
    low, high = (scale * end for end in ends)
    verdict = _verdict(difference, low, high, sign)
    by_trainings: Verdict | None = None
    if spread:
        is_hidden = abs(difference) <= spread.resolves
        by_trainings = "unresolved" if is_hidden or verdict == "unresolved" else verdict
    unresolved = verdict == "unresolved"
    return Ruling(
        table, row, metric, number, sample, half, against[0], sign, difference, low, high, verdict,
        needed(number / scale, against[1] / scale) if unresolved else None,
        paired_limit(difference / scale, sample.n) if unresolved and sample.is_shared else None, spread, by_trainings,
    )  # fmt: skip


def wilson_ends(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a printed share of n images."""
    return wilson_interval(round(share * n), n)


def difference_ends(one: float, two: float, n: int) -> tuple[float, float]:
    """Return Newcombe's 95 % interval of the difference of two shares, each of n images of its own."""
    (low_1, high_1), (low_2, high_2) = wilson_ends(one, n), wilson_ends(two, n)
    low, high = math.hypot(one - low_1, high_2 - two), math.hypot(high_1 - one, two - low_2)
    return one - two - low, one - two + high


def needed(one: float, two: float) -> int | None:
    """Return the images per row from which on two printed shares would differ beyond chance; None if they are equal."""
    variance = one * (1 - one) + two * (1 - two)
    return None if one == two else math.ceil(QUANTILE_95**2 * variance / (one - two) ** 2)


def paired_limit(difference: float, n: int) -> float | None:
    """Return the share of n shared images below which McNemar's test resolves a difference of two accuracies.

    It is the share on which exactly one of the two is right, and at least the difference; None if none is low enough.
    """
    limit = n * difference**2 / QUANTILE_95**2
    return limit if limit >= abs(difference) > 0 else None


def spread_of(rows: Sequence[Row], metric: str, grids: Grids) -> Spread | None:
    """Return the spread of the experiment behind the first of the rows that has one."""
    names = [ORACLE] if metric == ACCURACY else [row.grid for row in rows if row.grid]
    for name in names:
        grid = grids.get(name, {})
        seeds = [each for each in _by_seed(grid, metric) if len(each) >= HALF]
        if seeds:
            deviation = math.sqrt(np.mean([np.var(each, ddof=1) for each in seeds]))
            scale = 1.0 if SAMPLES[metric].kind == "mean" else 100.0
            return Spread(name, scale * deviation, len(seeds), len(seeds[0]), str(grid.get("outdated", "")))
    return None


def strongest(table: PaperTable, names: Sequence[str], metric: str) -> Row | None:
    """Return the row with the highest number among those named that have one."""
    column = table.metrics.index(metric)
    rows = [row for row in table.rows if row.row in names and row.numbers[column] is not None]
    return max(rows, key=lambda row: row.numbers[column] or 0.0, default=None)


def _by_seed(grid: Mapping[str, Any], metric: str) -> Iterator[list[float]]:
    """Yield the differences by seed of every comparison in the results of a grid."""
    if metric == ACCURACY:
        yield from (claim["by_seed"] for claim in grid.get("claims", {}).values())
        return
    for cells in grid.get("rows", {}).values():
        if "by_seed" in cells.get(KEYS.get(metric, ""), {}):
            yield cells[KEYS[metric]]["by_seed"]


def _verdict(difference: float, low: float, high: float, sign: int) -> Verdict:
    if low <= 0 <= high:
        return "unresolved"
    return "resolved" if difference * sign > 0 else "opposite"


def _row(table: PaperTable, name: str) -> Row:
    return next(row for row in table.rows if row.row == name)


def _number(table: PaperTable, row: Row, metric: str) -> float:
    number = row.numbers[table.metrics.index(metric)]
    assert number is not None
    return number
