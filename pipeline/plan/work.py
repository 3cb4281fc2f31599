"""What a stage has to do, as numbers: computing, decoding by processor cores, bytes that stay and bytes meanwhile."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.plan.costs import Cost, Costs
from pipeline.plan.counts import Counts
from pipeline.plan.rates import Effort
from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.params import Params

FP16, FP32 = 2, 4  # bytes of a number
ROW_BYTES = 40  # of a row beside its vectors: an id and a few words
Spread = Literal["shards", "processes", "one"]


@dataclass(frozen=True)
class Setting:
    """What every stage's work follows from."""

    params: "Params"
    counts: Counts
    costs: Costs


@dataclass(frozen=True)
class Part:
    """`number` times this cost, one after the other, in the precision that the code runs it in."""

    number: float
    cost: Cost
    effort: Effort
    precision: Precision


@dataclass(frozen=True)
class Stage:
    """The work of one unit of dvc.yaml.

    number, of: how many pictures, captions, images or steps. core_s: seconds of one core for pictures that other
    processes may decode ahead. num_bytes: of all outs; work_bytes: of what lies in .work while it runs. download_bytes:
    of what comes from elsewhere. spread: over what several GPUs can share it; pieces: into how many at most.
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
        """Of the whole stage."""
        return sum(part.number * part.cost.flops for part in self.parts)

    @property
    def flops_each(self) -> float:
        """Of one picture, caption, image or step, with its share of all that comes beside."""
        return self.flops / self.number if self.number else 0.0


def per_item(cost: Cost, batch_size: int) -> Cost:
    """Of one item that goes through in a batch, whose kernels are launched once for all of it."""
    return Cost(cost.convolutions, cost.products, cost.kernels / batch_size)


def shards_of(number: int, shard_items: int) -> int:
    """How many shards hold so many items."""
    return max(1, -(-number // shard_items))
