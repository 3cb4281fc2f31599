"""Describe the work of a stage in numbers: FLOPs, decoding on processor cores, bytes kept and bytes used meanwhile."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.plan.costs import Cost, Costs
from pipeline.plan.counts import Counts
from pipeline.plan.rates import Effort
from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.params import Params

FP16, FP32 = 2, 4  # bytes per number
ROW_BYTES = 40  # of a row without its vectors: an id and a few words
Spread = Literal["shards", "processes", "one"]


@dataclass(frozen=True)
class Setting:
    """The params, counts and costs from which the work of every stage follows."""

    params: "Params"
    counts: Counts
    costs: Costs


@dataclass(frozen=True)
class Part:
    """A cost that is incurred `number` times in sequence, in the precision in which the code runs it."""

    number: float
    cost: Cost
    effort: Effort
    precision: Precision


@dataclass(frozen=True)
class Stage:
    """The work of one unit of dvc.yaml.

    `number` is the number of items and `of` their name: pictures, captions, images or steps. `core_s` is the time in
    seconds on one core for images that other processes may decode ahead. `num_bytes` is the size of all outs,
    `work_bytes` of the files in .work while the stage runs, `download_bytes` of what comes from elsewhere. `spread` is
    what several GPUs can share, and `pieces` the largest number of parts it divides into.
    """

    number: int
    of: str
    parts: tuple[Part, ...] = ()
    num_bytes: float = 0.0
    work_bytes: float = 0.0
    download_bytes: float = 0.0
    core_s: float = 0.0
    spread: Spread = "one"
    pieces: int = 1
    unit: str = ""

    def named(self, unit: str) -> "Stage":
        return replace(self, unit=unit)

    @property
    def flops(self) -> float:
        """Return the FLOPs of the whole stage."""
        return sum(part.number * part.cost.flops for part in self.parts)

    @property
    def flops_each(self) -> float:
        """Return the FLOPs per picture, caption, image or step, with its share of all accompanying work."""
        return self.flops / self.number if self.number else 0.0


def per_item(cost: Cost, batch_size: int) -> Cost:
    """Return the cost of one item of a batch, whose kernels are launched once for all its items."""
    return Cost(cost.convolutions, cost.products, cost.kernels / batch_size)


def shards_of(number: int, shard_items: int) -> int:
    """Return the number of shards that hold `number` items, at least 1."""
    return max(1, -(-number // shard_items))
