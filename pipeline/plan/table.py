"""Format the plan as text for people and as CSV for programs, with sums and the basis of its figures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.plan.schedule import Timed

HEAD = ("stage", "number", "of", "GFLOP each", "PFLOP", "written", "hours", "GPUs", "what sets the time")
LEFT = (0, 2, 8)  # columns of words, aligned on the left
COLUMNS = (
    "stage", "number", "of", "gflop_each", "pflop", "bytes", "work_bytes", "download_bytes", "hours", "gpus", "bound",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A plan: `title` names what runs on which device, `notes` state what the figures are based on."""

    title: str
    rows: Sequence[Timed]
    notes: Sequence[str]

    @property
    def hours(self) -> float:
        """Return the hours of all stages, one after the other."""
        return sum(row.hours for row in self.rows)

    @property
    def num_bytes(self) -> float:
        """Return the bytes of the outs of all stages."""
        return sum(row.stage.num_bytes for row in self.rows)

    @property
    def work_bytes(self) -> float:
        """Return the most bytes in .work at a time; the processes of a training share their caches."""
        return max(row.stage.work_bytes for row in self.rows)

    @property
    def corpus_bytes(self) -> float:
        """Return the bytes of corpora to download. Foundation models do not count, because they become outs."""
        return sum(row.stage.download_bytes for row in self.rows if not row.stage.unit.startswith("foundation_"))

    @property
    def download_bytes(self) -> float:
        return sum(row.stage.download_bytes for row in self.rows)


def to_text(plan: Plan) -> str:
    """Return the plan as text: title, table, sums, notes."""
    cells = [HEAD, *(_cells(row) for row in plan.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join([plan.title, "", *lines, "", *sums(plan), "", *(f"- {note}" for note in plan.notes)])


def sums(plan: Plan) -> list[str]:
    """Return the lines that state total hours, disk space and downloads."""
    told = [
        f"total: {_hours(plan.hours)} hours, stages one after the other; "
        f"{sum(row.stage.flops for row in plan.rows) / 1e15:,.1f} PFLOP",
        f"disk: {size(plan.num_bytes)} of outs, {size(plan.corpus_bytes)} of corpora to fetch, up to "
        f"{size(plan.work_bytes)} in .work while a stage runs; DVC's cache holds the outs once more where the file "
        "system cannot share them",
    ]
    fetched = [row.stage for row in plan.rows if row.stage.download_bytes]
    if fetched:
        most = max(fetched, key=lambda stage: stage.download_bytes)
        told.append(
            f"downloads: {size(plan.download_bytes)}, the largest {size(most.download_bytes)} for {most.unit}; corpora "
            "are yours to fetch"
        )
    else:
        told.append("downloads: none")
    return told


def to_csv(plan: Plan) -> str:
    """Return the plan as CSV, one line per stage with sizes in bytes; the notes are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in plan.rows:
        stage = row.stage
        writer.writerow([
            stage.unit, stage.number, stage.of, f"{stage.flops_each / 1e9:.6g}", f"{stage.flops / 1e15:.6g}",
            round(stage.num_bytes), round(stage.work_bytes), round(stage.download_bytes), f"{row.hours:.6g}", row.gpus,
            row.bound,
        ])  # fmt: skip
    return text.getvalue()


def size(num_bytes: float) -> str:
    """Return a number of bytes as text, such as 3.5 GB, or a hyphen for 0."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.3g} {unit}"
    return f"{num_bytes / 1e3:.3g} kB" if num_bytes else "-"


def _cells(row: Timed) -> tuple[str, ...]:
    stage = row.stage
    return (
        stage.unit,
        f"{stage.number:,}" if stage.number else "-",
        stage.of if stage.number else "",
        _number(stage.flops_each / 1e9),
        _number(stage.flops / 1e15),
        size(stage.num_bytes),
        _hours(row.hours),
        str(row.gpus),
        row.bound,
    )


def _number(value: float) -> str:
    if not value:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
