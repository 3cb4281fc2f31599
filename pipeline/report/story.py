"""Tell what came out and how sure it is: every method's Emo-A, and how far it is from plain Stable Diffusion's."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.params import Params
from pipeline.report.measured import Measured, unit_of
from pipeline.report.names import readable
from pipeline.report.papers import Row
from pipeline.report.referee import difference_ends
from pipeline.report.tables import Cell, in_unit

BASELINE, JUDGED = "stable_diffusion", "emo_a_judge"  # Emo-A by the judge that no method learns from


@dataclass(frozen=True)
class Gain:
    """The Emo-A of a method by the judge, in percent, and its difference from the baseline's with a 95 % interval.

    The interval is for independent images of one training each (Newcombe).
    """

    name: str
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
    """Return the gain of each method over the baseline that has a score; empty if the baseline has none."""
    base = measured.of_method(BASELINE, JUDGED)
    found = []
    for name in methods:
        ours = measured.of_method(name, JUDGED)
        if name == BASELINE or None in (base.value, ours.value, ours.n):
            continue
        ends = difference_ends(ours.value, base.value, ours.n)  # type: ignore[arg-type]
        cell = Cell(
            readable(name),
            JUDGED,
            in_unit(ours, JUDGED),
            None,
            unit_of(Row(row=name, numbers=(), method=name), JUDGED, ours),
        )
        found.append(Gain(readable(name), cell, 100 * (ours.value - base.value), *(100 * end for end in ends)))  # type: ignore[operator]
    return found
