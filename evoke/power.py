"""Write what the n behind a paper's table can carry, as text, CSV or Markdown (`evoke table --power`)."""

import csv
import io
from collections.abc import Iterator, Sequence

from pipeline.report.referee import Ruling, Spread
from pipeline.report.tables import TITLES, number

COLUMNS = (
    "table", "row", "metric", "paper", "n", "images", "n_stated", "half_width", "against", "claimed", "difference",
    "difference_low", "difference_high", "verdict", "needs_n", "paired_below", "trainings", "training_grid",
    "training_seeds", "training_resolves", "training_verdict",
)  # fmt: skip
HEAD = ("row", "metric", "paper", "n", "half-width", "difference", "verdict by n", "with trainings")
WORDS = {"resolved": "resolved", "unresolved": "unresolved", "opposite": "resolved against the claim"}
ONE_TRAINING = "one, as far as stated"
NOTES = (
    "Half-width: of the 95 % interval of the printed number (Wilson); differences are of independent images "
    "(Newcombe). Emotions are fixed shares of the images, which makes the intervals rather wide; the 608 images of "
    "EmoCtrl are of 76 contents, which makes its intervals too narrow. Sem-C is a mean of values in [0, 1]: its "
    "interval is at most this wide, so an unresolved difference may still be real. FID, LPIPS and Sem-D: nothing can "
    "be said from n alone, because no spread is printed.",
    "Accuracies are of one set of images that all rows read. A paired test could resolve a smaller difference: "
    "`paired` is the share of images on which exactly one of the two rows may be right for that. The papers do not "
    "print it.",
    "Each row is one training, as far as the papers state, and n does not carry the chance of trainings. `With "
    "trainings` asks that the difference also exceed what chance makes of two single trainings in an experiment of "
    "this project. That is the miniature's spread, not the papers': it shows what several seeds would be needed for.",
)


def to_text(title: str, found: Sequence[Ruling]) -> str:
    """Return the rulings on a table as text, one paragraph per row and one line per metric of which n says something.

    Numbers are in the unit that the paper prints: percent, and shares for Sem-C.
    """
    heads = f"  {'':<13}{'paper':>8}{'+/-':>7}{'n':>8}{'difference':>12}{'95 % interval':>18}  verdict by n"
    lines = [f"{title}: what n can carry", "", heads]
    for row in dict.fromkeys(ruling.row for ruling in found):
        own = [ruling for ruling in found if ruling.row == row]
        lines += [row, *(_line(ruling) for ruling in own if ruling.half_width is not None), *_silent(own)]
    return "\n".join([*lines, "", *NOTES, *assumptions(found), *spreads(found)])


def to_csv(found: Sequence[Ruling]) -> str:
    """Return rulings as CSV, one line per printed number; what n says nothing of is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_record(ruling) for ruling in found)
    return out.getvalue().removesuffix("\n")


def to_markdown(found: Sequence[Ruling]) -> str:
    """Return the rulings of which n says something as a Markdown table, with lines on what it rests on below."""
    lines = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    lines += [_row(ruling) for ruling in found if ruling.half_width is not None]
    silent = dict.fromkeys(TITLES[ruling.metric] for ruling in found if ruling.half_width is None)
    notes = [f"{', '.join(silent)}: nothing can be said from n alone."] if silent else []
    return "\n".join([*lines, *(f"\n{note}" for note in (*notes, *assumptions(found), *spreads(found)))])


def assumptions(found: Sequence[Ruling]) -> Iterator[str]:
    """Yield one line per number of images that the paper does not state."""
    samples = {TITLES[ruling.metric]: ruling.sample for ruling in found if not ruling.sample.is_stated}
    for metric, sample in samples.items():
        yield f"{metric}: the paper states no split; n = {sample.n:,} is assumed ({sample.images})."


def spreads(found: Sequence[Ruling]) -> Iterator[str]:
    """Yield one line per experiment whose spread over trainings is used."""
    used = {(ruling.spread.grid, ruling.metric): ruling.spread for ruling in found if ruling.spread}
    for (grid, metric), spread in used.items():
        outdated = f" The experiment is outdated: {spread.outdated}." if spread.outdated else ""
        yield (
            f"{TITLES[metric]}, trainings: in {grid} ({spread.num_rows} differences, {spread.num_seeds} seeds) a "
            f"difference of two trainings varies by {number(spread.deviation, metric)} (standard deviation), so "
            f"{number(spread.resolves, metric)} would be resolved.{outdated}"
        )


def difference(ruling: Ruling) -> str:
    """Return a difference with its interval, such as "+3.90 [+2.62, +5.18]"; empty if there is none."""
    if ruling.difference is None or ruling.low is None or ruling.high is None:
        return ""
    value, low, high = (_signed(each, ruling.metric) for each in (ruling.difference, ruling.low, ruling.high))
    return f"{value} [{low}, {high}]"


def verdict(ruling: Ruling) -> str:
    """Return the verdict by n with the other row, and what would resolve the difference if it is unresolved."""
    if ruling.difference is None:
        return "no row of the table to compare with"
    words = f"{WORDS[ruling.verdict]}, claimed {'better' if ruling.sign > 0 else 'worse'} than {ruling.against}"
    if ruling.verdict != "unresolved":
        return words
    needs = f"needs n {ruling.needs_n:,}" if ruling.needs_n else "equal numbers"
    if ruling.paired_below is not None:
        needs += f", or paired {100 * ruling.paired_below:.2g} %"
    return f"{words}; {needs}"


def with_trainings(ruling: Ruling) -> str:
    """Return the verdict that allows for trainings, or a dash if no experiment has their spread."""
    if ruling.spread is None or ruling.verdict_of_trainings is None:
        return "-"
    return f"{WORDS[ruling.verdict_of_trainings]} ({number(ruling.spread.resolves, ruling.metric)})"


def _line(ruling: Ruling) -> str:
    ends = difference(ruling).partition(" ")
    trained = with_trainings(ruling)
    tail = "" if trained == "-" else f"; with trainings {trained}"
    numbers = f"{number(ruling.number, ruling.metric):>8}{number(ruling.half_width, ruling.metric):>7}"
    start = f"  {TITLES[ruling.metric]:<13}{numbers}{_n(ruling):>8}"
    return f"{start}{ends[0]:>12}{ends[2]:>18}  {verdict(ruling)}{tail}"


def _silent(own: Sequence[Ruling]) -> Iterator[str]:
    """Yield one line that names the metrics of a row of which n says nothing."""
    silent = [TITLES[ruling.metric] for ruling in own if ruling.half_width is None]
    if silent:
        yield f"  {', '.join(silent)}: nothing from n alone"


def _row(ruling: Ruling) -> str:
    cells = (
        ruling.row, TITLES[ruling.metric], number(ruling.number, ruling.metric), _n(ruling),
        number(ruling.half_width, ruling.metric), difference(ruling), verdict(ruling), with_trainings(ruling),
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', '/').replace('*', chr(92) + '*') for cell in cells)} |"


def _n(ruling: Ruling) -> str:
    return f"{ruling.sample.n:,}{'' if ruling.sample.is_stated else '?'}"


def _record(ruling: Ruling) -> list[object]:
    has_other, spread = ruling.difference is not None, ruling.spread
    trainings: list[object] = [ONE_TRAINING, *_trainings(spread), ruling.verdict_of_trainings]
    claimed = {1: "better", -1: "worse"}[ruling.sign] if has_other else None
    values = [
        ruling.table, ruling.row, ruling.metric, ruling.number, ruling.sample.n, ruling.sample.images,
        ruling.sample.is_stated, ruling.half_width, ruling.against or None, claimed, ruling.difference, ruling.low,
        ruling.high, ruling.verdict if has_other or ruling.half_width is None else None, ruling.needs_n,
        ruling.paired_below, *trainings,
    ]  # fmt: skip
    return [round(value, 6) if isinstance(value, float) else value for value in values]


def _trainings(spread: Spread | None) -> tuple[object, object, object]:
    return (spread.grid, spread.num_seeds, spread.resolves) if spread else (None, None, None)


def _signed(value: float, metric: str) -> str:
    text = number(abs(value), metric)
    return f"{'-' if value < 0 else '+'}{text}"
