"""Show our numbers beside the papers': cells, caveats on what they can show, and output as text or CSV.

The numbers of the present run have tables of their own, beside no paper: methods, and readers of emotions.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.metrics.result import clip_name
from pipeline.params import Params
from pipeline.report.measured import ALONE, Measured, unit_of
from pipeline.report.names import is_drawn, labelled_data, readable
from pipeline.report.ours import CONTENT, Ours
from pipeline.report.papers import SHARES, PaperTable, Row

TITLES = {
    "fid": "FID", "lpips": "LPIPS", "emo_a": "Emo-A", "emo_a_judge": "Emo-A (judge)", "sem_c": "Sem-C",
    "sem_d": "Sem-D", "accuracy_emoset": "EmoSet", "accuracy_fi": "FI", "accuracy_emotionroi": "EmotionROI",
    "accuracy_twitter_i": "Twitter I", "accuracy_twitter_ii": "Twitter II", "zero_shot_fi": "FI, zero-shot",
    "ec_emo_a": "Emo-A", "ec_content": "CLIP-A", "ec_a": "EC-A",
}  # fmt: skip
COLUMNS = ("table", "row", "metric", "ours", "low", "high", "n", "real", "measure", "as_published", "difference",
           "difference_low", "difference_high", "resolves", "verdict", "against", "paper", "source",
           "remedy")  # fmt: skip
WIDTHS = (15, 9, 20, 7, 9, 9)  # columns of a text line: metric, ours, interval, n, real, paper

METRICS = ("emo_a_judge", "emo_a", "fid", "lpips", "sem_c", "sem_d", "ec_content", "ec_a")
CROPPED = "FID by clean is of center crops, which is not the package clean-fid: that squashes whole images."


@dataclass(frozen=True)
class Cell:
    """One metric (a key of TITLES) of one row: our number, in the paper's unit, and the paper's number.

    `unit` is the unit of the pipeline, or the experiment, that our number is from.
    """

    row: str
    metric: str
    ours: Ours
    paper: float | None
    unit: str = ""


@dataclass(frozen=True)
class Compared:
    """A table of a paper with our numbers beside it; `caveat` states why the two are not the same quantity."""

    name: str
    title: str
    source: str
    metrics: tuple[str, ...]
    cells: tuple[Cell, ...]
    caveat: str

    def rows(self) -> dict[str, list[Cell]]:
        """Return the cells by row, each row in the order of the metrics."""
        cells_of: dict[str, list[Cell]] = {}
        for cell in self.cells:
            cells_of.setdefault(cell.row, []).append(cell)
        return cells_of


def compare(name: str, table: PaperTable, measured: Measured) -> Compared:
    """Return every cell of a table; Emo-A also by the independent judge, which the papers do not have."""
    cells = []
    for row in table.rows:
        for metric, paper in zip(table.metrics, row.numbers, strict=True):
            cells.append(_cell(table, measured, row.row, metric, paper))
            if metric == "emo_a":
                cells.append(_cell(table, measured, row.row, "emo_a_judge", None))
    metrics = tuple(dict.fromkeys(cell.metric for cell in cells))
    caveat = caveat_of(cells, measured.params)
    notes = " ".join(filter(None, (caveat, table.note)))
    return Compared(name, table.title, table.source, metrics, tuple(cells), notes)


def to_text(table: Compared) -> str:
    """Return a table as text: one line per metric, one paragraph per row.

    A missing number is shown as -, and the command that produces it is given below the row.
    """
    heads = ("ours", "95 % interval", "n", "real", "paper")
    lines = [table.title, "", f"{'':<{WIDTHS[0]}}" + _aligned(heads) + "  measured by; difference, verdict"]
    for row, cells in table.rows().items():
        lines.append(row if cells[0].ours.remedy != ALONE else f"{row}: {ALONE}")
        lines += [f"  {title(cell):<{WIDTHS[0] - 2}}" + _line(cell) for cell in cells]
        lines += [f"    {remedy}" for remedy in remedies(cells)]
    return "\n".join([*lines, "", table.caveat, f"Source of the paper's numbers: {table.source}."])


def to_csv(tables: Sequence[Compared]) -> str:
    """Return tables as CSV: one line per cell, floats with at most six decimals, missing values empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for table in tables:
        writer.writerows(_record(table, cell) for cell in table.cells)
    return out.getvalue()


def number(value: float | None, metric: str) -> str:
    """Return a number as the papers print it: percent and FID with 2 decimals, shares with 3, Sem-D with 4."""
    digits = 4 if metric == "sem_d" else 3 if metric in SHARES else 2
    return "-" if value is None else f"{value:.{digits}f}"


def title(cell: Cell) -> str:
    """Return the title of a number; a distance without LPIPS' calibrated heads is not called LPIPS."""
    uncalibrated = cell.metric == "lpips" and cell.ours.measure.startswith("feature_distance")
    return "not LPIPS" if uncalibrated else TITLES[cell.metric]


def interval(cell: Cell) -> str:
    if cell.ours.low is None or cell.ours.high is None:
        return "-"
    return f"{number(cell.ours.low, cell.metric)} to {number(cell.ours.high, cell.metric)}"


def versus(cell: Cell) -> str:
    """Return the comparison, such as "-1.76 [-3.22, -0.39] unresolved, against whole"; empty if there is none."""
    comparison = cell.ours.comparison
    if comparison is None:
        return ""
    digits = 4 if cell.metric == "sem_d" else 3 if cell.metric in SHARES else 2
    ends = f"[{comparison.low:+.{digits}f}, {comparison.high:+.{digits}f}]"
    text = f"{comparison.difference:+.{digits}f} {ends} {comparison.verdict}, against {comparison.against}"
    return f"{text}; detectable difference {comparison.resolves:.{digits}f}"


def remedies(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield each command that produces missing numbers of a row once, with its metrics."""
    ways: dict[str, list[str]] = {}
    for cell in cells:
        if cell.ours.remedy not in ("", ALONE):
            ways.setdefault(cell.ours.remedy, []).append(TITLES[cell.metric])
    for remedy, metrics in ways.items():
        yield f"missing: {remedy}" if len(metrics) == len(cells) else f"missing {', '.join(metrics)}: {remedy}"


def _cell(table: PaperTable, measured: Measured, name: str, metric: str, paper: float | None) -> Cell:
    row = next(row for row in table.rows if row.row == name)
    ours = measured.ours(table, row, metric)
    return Cell(name, metric, in_unit(ours, metric), paper, unit_of(row, metric, ours))


def in_unit(ours: Ours, metric: str) -> Ours:
    """Return our number in the unit that the papers print: percent, but for FID and shares."""
    return ours if metric == "fid" or metric in SHARES else _percent(ours)


def _percent(ours: Ours) -> Ours:
    """Return shares as percent, including the differences."""
    comparison = ours.comparison
    scaled = comparison and replace(
        comparison, difference=100 * comparison.difference, low=100 * comparison.low, high=100 * comparison.high,
        resolves=100 * comparison.resolves,
    )  # fmt: skip
    value, low, high, real = (
        None if share is None else 100 * share for share in (ours.value, ours.low, ours.high, ours.real)
    )
    return replace(ours, value=value, low=low, high=high, real=real, comparison=scaled)


def caveat_of(given: Sequence[Cell], params: Params) -> str:
    """Return why our numbers are not the paper's quantities. Emo-A never is: its classifier is trained here."""
    cells = [cell for cell in given if cell.ours.value is not None]
    if not cells:
        return "No number of this table has been measured yet."
    grids = {grid: list(dict.fromkeys(cell.row for cell in cells if cell.ours.grid == grid))
             for grid in sorted({cell.ours.grid for cell in cells} - {""})}  # fmt: skip
    comparable = list(dict.fromkeys(TITLES[cell.metric] for cell in cells if cell.ours.as_published))
    others = list(dict.fromkeys(TITLES[cell.metric] for cell in cells if not cell.ours.as_published))
    data = "the drawn miniature" if is_drawn(params) else labelled_data(params)
    clip = clip_name(params.foundation_clip) or "the bundled miniature CLIP"
    sentences = []
    if others:
        sentences.append(
            f"Not the same quantity as the paper's number: {', '.join(others)}. Our numbers use other backbones or "
            f"another protocol ({clip} on {data}); compare our rows with each other, never with the paper's."
        )
    if any(cell.metric == "fid" and cell.ours.measure.partition(",")[0].endswith("/clean") for cell in cells):
        sentences.append(CROPPED)
    if aged := sorted({f"{cell.ours.grid} {cell.ours.outdated}" for cell in cells if cell.ours.outdated}):
        sentences.append(f"Outdated: {'; '.join(aged)}.")
    if grids:
        named = "; ".join(f"{grid} ({', '.join(rows)})" for grid, rows in grids.items())
        sentences.append(
            f"From experiments, each with its own steps and images: {named}. Compare only rows of the same "
            "experiment; a difference is from the row named after it."
        )
    if comparable:
        sentences.append(f"Computed with the papers' own backbone and protocol, on {data}: {', '.join(comparable)}.")
    return " ".join(sentences)


def _line(cell: Cell) -> str:
    ours = cell.ours
    values = (
        number(ours.value, cell.metric), interval(cell), "-" if ours.n is None else str(ours.n),
        number(ours.real, cell.metric), number(cell.paper, cell.metric),
    )  # fmt: skip
    text = "; ".join(filter(None, (ours.measure, versus(cell))))
    return _aligned(values) + (f"  {text}" if text else "")


def _aligned(values: Sequence[str]) -> str:
    return "".join(f"{value:>{width}}" for value, width in zip(values, WIDTHS[1:], strict=True))


def _record(table: Compared, cell: Cell) -> list[object]:
    ours, comparison = cell.ours, cell.ours.comparison
    compared = (
        (comparison.difference, comparison.low, comparison.high, comparison.resolves, comparison.verdict,
         comparison.against)
        if comparison else (None,) * 6
    )  # fmt: skip
    measured = (ours.value, ours.low, ours.high, ours.n, ours.real)
    values = [round(value, 6) if isinstance(value, float) else value for value in (*measured, *compared)]
    as_published = None if ours.value is None else ours.as_published
    return [
        table.name, cell.row, cell.metric, *values[:5], ours.measure, as_published, *values[5:], cell.paper,
        table.source, ours.remedy,
    ]  # fmt: skip


def of_method(measured: Measured, method: str, metric: str) -> Cell:
    """Return a number of a method, or of "real" images, in the present run, beside no paper."""
    is_real = method == "real"
    ours = measured.real(metric) if is_real else measured.of_method(method, metric)
    unit = "real_scores" if is_real else f"{'content' if metric in CONTENT else 'scores'}@{method}"
    return Cell(readable(method), metric, in_unit(ours, metric), None, unit)


def of_methods(measured: Measured, methods: Sequence[str]) -> Compared:
    """Return every metric of real images and of methods in the present run."""
    cells = [of_method(measured, name, metric) for name in ("real", *methods) for metric in METRICS]
    return _of_run("methods", "Every method of this run", cells, measured.params)


def of_readers(measured: Measured) -> Compared:
    """Return the accuracy of every reader in the present run on every data set, beside no paper."""
    cells = [Cell(readable(name), metric, in_unit(ours, metric), None, unit_of(Row(row=name, numbers=()), metric, ours))
             for name in measured.readers for metric in TITLES if metric.startswith(("accuracy_", "zero_shot_"))
             for ours in [measured.of_reader(name, metric)]]  # fmt: skip
    return _of_run("readers", "Who reads emotions how well", cells, measured.params)


def _of_run(name: str, heading: str, cells: Sequence[Cell], params: Params) -> Compared:
    """Return cells of the present run without the metrics that nothing has."""
    metrics = tuple(dict.fromkeys(cell.metric for cell in cells if cell.ours.value is not None))
    kept = tuple(cell for cell in cells if cell.metric in metrics)
    return Compared(name, heading, "", metrics, kept, caveat_of(kept, params))
