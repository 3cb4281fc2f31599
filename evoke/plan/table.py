"""Time the work of each stage on a device, and format the plan as text for people or as CSV for programs.

Stages run one after the other, as in `dvc repro`, each on as many of the GPUs as can share it: shards under Ray,
batches under accelerate. Decoding overlaps with computing if there are processes for it.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from evoke.plan.costs import Cost
from evoke.plan.rates import Device, Effort, figure
from pipeline.runtime import Precision

HEAD = ("stage", "number", "of", "GFLOP each", "PFLOP", "output", "GPU memory", "hours", "GPUs", "bound by")
LEFT = (0, 2, 9)  # columns of words, aligned on the left
COLUMNS = (
    "stage", "number", "of", "gflop_each", "pflop", "bytes", "work_bytes", "download_bytes", "memory_bytes", "hours",
    "gpus", "bound",
)  # fmt: skip
HOUR_S = 3600.0


@dataclass(frozen=True)
class Part:
    """`number` samples of this cost, in batches, in the precision in which the code runs them."""

    number: float
    cost: Cost
    effort: Effort = "infer"
    precision: Precision = "fp32"
    batch_size: float = 1


@dataclass(frozen=True)
class Stage:
    """The work of one unit of dvc.yaml: `number` items (`of` names them) and all parts of their computing.

    `core_s` is the time in seconds on one core for images that other processes may decode ahead. `num_bytes` is the
    size of all outs, `work_bytes` of the files in .work while the stage runs, `download_bytes` of what comes from
    elsewhere. `pieces` is what several GPUs can share: the shards, or the batch of a training.
    """

    number: int
    of: str
    parts: tuple[Part, ...] = ()
    num_bytes: float = 0.0
    work_bytes: float = 0.0
    download_bytes: float = 0.0
    core_s: float = 0.0
    pieces: int = 1
    unit: str = ""

    @property
    def is_training(self) -> bool:
        return self.of == "steps"

    @property
    def flops(self) -> float:
        """Return the FLOPs of the whole stage."""
        return sum(part.number * part.cost.flops for part in self.parts)

    @property
    def flops_each(self) -> float:
        """Return the FLOPs per image, caption or step, with its share of all accompanying work."""
        return self.flops / self.number if self.number else 0.0

    def shared_by(self, gpus: int) -> int:
        """Return how many of the GPUs the stage uses: one per shard at most, or a divisor of a training's batch."""
        if not self.is_training:
            return min(gpus, self.pieces)
        return max(number for number in range(1, gpus + 1) if self.pieces % number == 0)


@dataclass(frozen=True)
class Timed:
    """A stage with its hours, the number of GPUs that it uses, what determines its time, and its GPU memory."""

    stage: Stage
    hours: float
    gpus: int
    bound: str
    memory_bytes: float = 0.0


def schedule(
    stages: Iterable[Stage], device: Device, gpus: int = 1, memory: Callable[[str], float] | None = None
) -> list[Timed]:
    """Return every stage with its hours, and with the GPU memory that `memory` returns for its unit.

    Raises ValueError if `gpus` is below 1, or above 1 with a CPU.
    """
    if gpus < 1 or (gpus > 1 and not device.kernel_s):
        raise ValueError(f"--gpus {gpus}: allowed is a number >= 1, and only 1 with --device cpu")
    rows = [timed(stage, device, gpus) for stage in stages]
    return [replace(row, memory_bytes=memory(row.stage.unit)) for row in rows] if memory else rows


def timed(stage: Stage, device: Device, gpus: int = 1) -> Timed:
    """Return a stage with its hours on up to `gpus` devices.

    If images are decoded ahead, the longer of computing and decoding counts, otherwise their sum.
    """
    shared = stage.shared_by(gpus)
    parts = [_part_s(part, stage, device, shared) for part in stage.parts]
    busy, bound = sum(seconds for seconds, _ in parts), max(parts, default=(0.0, ""))[1]
    waiting = stage.core_s / max(device.workers, 1) / (1 if stage.is_training else shared)
    seconds = max(busy, waiting) if device.workers else busy + waiting
    if waiting > busy:
        bound = f"decoding and drawing on CPU cores, {figure('decoding_ms').status}"
    if seconds < device.startup.value:
        bound = f"startup of the stage, {device.startup.status}"
    return Timed(stage, (seconds + device.startup.value) / HOUR_S, shared, bound)


def _part_s(part: Part, stage: Stage, device: Device, gpus: int) -> tuple[float, str]:
    """Return the seconds of a part on `gpus` GPUs, and what determines them.

    The processes of a training share only its steps, and each launches as many kernels as a single process would.
    """
    speed = device.speeds[part.effort, part.precision]
    busy = part.number * (part.cost.convolutions / speed.convolutions + part.cost.products / speed.products)
    launching = part.number / part.batch_size * part.cost.kernels * device.kernel_s
    if part.effort == "train" or not stage.is_training:
        busy /= gpus
    if not stage.is_training:
        launching /= gpus
    if launching > busy:
        return launching, f"kernel launches, {figure('kernel_us').status}"
    return busy, speed.source


def aligned(cells: Sequence[Sequence[str]], left: Collection[int]) -> list[str]:
    """Return rows of cells as lines of equal columns, those of `left` on the left and the others on the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def to_text(title: str, rows: Sequence[Timed], notes: Sequence[str]) -> str:
    """Return the plan as text: title, table, sums, notes."""
    lines = aligned([HEAD, *(_cells(row) for row in rows)], LEFT)
    return "\n".join([title, "", *lines, "", *sums(rows), "", *(f"- {note}" for note in notes)])


def sums(rows: Sequence[Timed]) -> list[str]:
    """Return the lines that state total hours, disk space, GPU memory and downloads.

    Foundation models are no corpora, because they become outs. The processes of a training share their caches.
    """
    stages = [row.stage for row in rows]
    corpora = sum(stage.download_bytes for stage in stages if not stage.unit.startswith("foundation_"))
    largest = max(stages, key=lambda stage: stage.download_bytes)
    downloads = (
        f"{size(sum(stage.download_bytes for stage in stages))}, of which {size(largest.download_bytes)} for "
        f"{largest.unit}; download the corpora yourself"
    )
    fullest = max(rows, key=lambda row: row.memory_bytes)
    memory = (
        [f"GPU memory: up to {size(fullest.memory_bytes)}, in {fullest.stage.unit}"] if fullest.memory_bytes else []
    )
    return [
        f"total: {_hours(sum(row.hours for row in rows))} hours if stages run one after the other; "
        f"{sum(stage.flops for stage in stages) / 1e15:,.1f} PFLOP",
        f"disk: {size(sum(stage.num_bytes for stage in stages))} of outputs, {size(corpora)} of corpora to download, "
        f"up to {size(max(stage.work_bytes for stage in stages))} in .work while a stage runs; DVC's cache holds the "
        "outputs a second time unless the file system has reflinks",
        *memory,
        f"downloads: {downloads if largest.download_bytes else 'none'}",
    ]


def to_csv(rows: Sequence[Timed]) -> str:
    """Return the plan as CSV, one line per stage with sizes in bytes; the notes are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        stage = row.stage
        writer.writerow([
            stage.unit, stage.number, stage.of, f"{stage.flops_each / 1e9:.6g}", f"{stage.flops / 1e15:.6g}",
            round(stage.num_bytes), round(stage.work_bytes), round(stage.download_bytes),
            round(row.memory_bytes), f"{row.hours:.6g}", row.gpus, row.bound,
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
    count = (f"{stage.number:,}", stage.of) if stage.number else ("-", "")
    flops = _number(stage.flops_each / 1e9), _number(stage.flops / 1e15)
    return (
        stage.unit,
        *count,
        *flops,
        size(stage.num_bytes),
        size(row.memory_bytes),
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
