"""Estimate the hours of each stage on one or several devices, from computing, launching and decoding.

Stages run one after the other, as in `dvc repro`, each on as many of the GPUs as can share it: shards under Ray,
batches under accelerate. Decoding overlaps with computing if there are processes for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.plan.costs import Cost
from pipeline.plan.rates import Device
from pipeline.plan.work import Part, Stage

HOUR_S = 3600.0


@dataclass(frozen=True)
class Timed:
    """A stage with its hours, the number of GPUs that it uses, and what determines its time."""

    stage: Stage
    hours: float
    gpus: int
    bound: str


def timed(stage: Stage, device: Device, gpus: int = 1) -> Timed:
    """Return a stage with its hours on up to `gpus` devices.

    If images are decoded ahead, the longer of computing and decoding counts, otherwise their sum.
    """
    shared = min(gpus, stage.pieces) if stage.spread == "shards" else _divisor(stage, gpus)
    found = [_part_s(part, stage, device, shared) for part in stage.parts]
    busy = sum(seconds for seconds, _ in found)
    bound = max(found, default=(0.0, ""))[1]
    waiting = stage.core_s / max(device.workers, 1) / (shared if stage.spread == "shards" else 1)
    seconds = max(busy, waiting) if device.workers else busy + waiting
    if waiting > busy:
        bound = "decoding and drawing on processor cores, measured"
    if seconds < device.startup_s:
        bound = "start of the stage, assumed"
    return Timed(stage, (seconds + device.startup_s) / HOUR_S, shared, bound)


def schedule(stages: Iterable[Stage], device: Device, gpus: int = 1) -> list[Timed]:
    """Return every stage with its hours. Raises ValueError if `gpus` is below 1, or above 1 with a CPU."""
    if gpus < 1 or (gpus > 1 and not device.kernel_s):
        raise ValueError(f"--gpus {gpus}: allowed is a number >= 1, and 1 with --device cpu")
    return [timed(stage, device, gpus) for stage in stages]


def _part_s(part: Part, stage: Stage, device: Device, shared: int) -> tuple[float, str]:
    """Return the seconds of a part on `shared` GPUs, and what determines them.

    Each process of a training launches as many kernels as a single process would.
    """
    cost = part.cost
    if stage.spread == "processes" and part.effort == "train":
        cost = Cost(cost.convolutions / shared, cost.products / shared, cost.kernels)
        each, bound = device.seconds(cost, part.effort, part.precision)
        return each * part.number, bound
    each, bound = device.seconds(cost, part.effort, part.precision)
    return each * part.number / (shared if stage.spread == "shards" else 1), bound


def _divisor(stage: Stage, gpus: int) -> int:
    """Return the largest number of processes, up to `gpus`, that divides the batch; 1 for a stage of one process."""
    if stage.spread == "one":
        return 1
    return max(number for number in range(1, gpus + 1) if stage.pieces % number == 0)
