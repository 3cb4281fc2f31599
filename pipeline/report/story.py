"""Tell what came out and how sure it is: every method's Emo-A, and how far it is from plain Stable Diffusion's."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.params import Params
from pipeline.report.measured import Measured
from pipeline.report.referee import difference_ends
from pipeline.report.tables import Cell, of_method

BASELINE, JUDGED = "stable_diffusion", "emo_a_judge"  # Emo-A by the judge that no method learns from


@dataclass(frozen=True)
class Gain:
    """The Emo-A of a method by the judge, in percent, and its difference from the baseline's with a 95 % interval.

    The interval is for independent images of one training each (Newcombe).
    """

    cell: Cell
    difference: float
    low: float
    high: float

    @property
    def is_resolved(self) -> bool:
        return self.low > 0 or self.high < 0


def told(params: Params) -> list[str]:
    """Return the methods that the story shows: the baseline and those that the params draw every sheet of."""
    names = [BASELINE, *params.grids.methods]
    return [name for name in dict.fromkeys(names) if name in params.methods]


def gains(measured: Measured, methods: Sequence[str]) -> list[Gain]:
    """Return the gain of each method over the baseline, of those with as many images as the baseline has."""
    base = of_method(measured, BASELINE, JUDGED).ours
    results = []
    for name in methods:
        cell = of_method(measured, name, JUDGED)
        value, n = cell.ours.value, cell.ours.n
        if name != BASELINE and value is not None and base.value is not None and n and n == base.n:
            low, high = difference_ends(value / 100, base.value / 100, n)
            results.append(Gain(cell, value - base.value, 100 * low, 100 * high))
    return results
