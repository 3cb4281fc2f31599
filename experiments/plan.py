"""Predict the hours of every grid on a device, from the plan of its cells (`evoke plan --experiments`).

Cells share the DVC cache: a unit runs once for all cells in which its params, its inputs and all that leads to them are
the same. Grids are planned in the order of experiments/queue.yaml, each after those before it. Cells that are finished
count as made, and so does what they need. Nothing of the default run counts as made, whether or not it is.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass

import click

from evoke.plan.command import setting_of, this_device
from evoke.plan.inputs import Setting
from evoke.plan.rates import Device, device_of
from evoke.plan.stages import STAGES
from evoke.plan.table import aligned, timed
from experiments.cell import ROOT, Cell, cells, params_of, read_grid, repository_params, stages_of
from experiments.inputs import Unit, needs_of, units_above
from experiments.queue import JOBS, missing, read_queue
from experiments.run import age_of
from pipeline.params import parse_params
from pipeline.runtime import forbid_downloads

HEAD = ("grid", "cells", "to run", "units", "not before", "hours alone", "hours", "longest cell")
NOTES = (
    "units: stages of all cells, those alike in params and inputs counted once; not before: in no grid above, and "
    "`hours` are of these",
    "two cells that begin together may make a unit that they share twice, which is not counted, nor are verdicts",
)
COLUMNS = ("grid", "cells", "to_run", "units", "new_units", "hours_alone", "hours", "longest_cell_hours", "reason")


@dataclass(frozen=True)
class GridPlan:
    """Hold a grid's cost: `num_new` of its `num_units` are in no grid before it, and `hours` are of these alone."""

    name: str
    reason: str
    num_cells: int
    num_wanted: int
    num_units: int
    num_new: int
    hours_alone: float
    hours: float
    longest_cell: float


def plans(device: Device, made: dict[str, float]) -> list[GridPlan]:
    """Return the plan of every grid in the order of the queue.

    made: the hours of each unit that is made, by digest; all units of the grids are added to it.
    """
    return [plan_of(entry.grid, entry.reason, device, made) for entry in read_queue()]


def plan_of(name: str, reason: str, device: Device, made: dict[str, float]) -> GridPlan:
    """Return the plan of a grid after what is made, to which its units are added."""
    of_grid = list(cells(name, read_grid(name)))
    wanted = missing(name, of_grid)
    for cell in of_grid:
        if not age_of(cell):
            made |= dict.fromkeys(digests(cell), 0.0)
    before, costs, longest = set(made), dict[str, float](), 0.0
    for cell in wanted:
        hours = hours_of(cell, device)
        costs |= hours
        longest = max(longest, sum(hours.values()))
    made |= costs
    new = [hours for digest, hours in costs.items() if digest not in before]
    return GridPlan(
        name, reason, len(of_grid), len(wanted), len(costs), len(new), sum(costs.values()), sum(new), longest
    )


def hours_of(cell: Cell, device: Device) -> dict[str, float]:
    """Return the hours of each unit of a cell by its digest."""
    setting = setting_of_cell(cell)
    units = digests(cell)
    return {digest: timed(STAGES[unit.stage](setting, unit.item), device).hours for digest, unit in units.items()}


def setting_of_cell(cell: Cell) -> Setting:
    """Return the models and corpora of a cell.

    A folder that a module writes before the grid runs may not be there yet: it has as many images as that of
    params.yaml, or a model of the shapes of the one there.
    """
    values, own = params_of(cell), repository_params()
    if not (ROOT / values["emoset"]["folder"]).is_dir():
        values["emoset"]["folder"] = own["emoset"]["folder"]
    if not (ROOT / values["foundation_folders"]["diffusion"]).is_dir():
        values |= {section: own[section] for section in ("foundation_folders", "foundation_diffusion")}
    return setting_of(parse_params(values))


def digests(cell: Cell) -> dict[str, Unit]:
    """Return the units that a cell needs by digest: equal ones do the same work on the same inputs."""
    values = params_of(cell)
    units = {unit.name: unit for unit in units_above(cell.target, stages_of(ROOT), values)}
    needs, by_name = needs_of(units.values()), dict[str, str]()

    def digest_of(name: str) -> str:
        if name not in by_name:
            params = {section: values[section] for section in units[name].sections}
            inputs = sorted(digest_of(need) for need in needs[name])
            text = json.dumps([name, params, units[name].deps, inputs], sort_keys=True)
            by_name[name] = hashlib.sha256(text.encode()).hexdigest()
        return by_name[name]

    return {digest_of(name): unit for name, unit in units.items()}


def to_text(title: str, found: Iterable[GridPlan]) -> str:
    """Return the plans as text, with the sums and what they rest on."""
    rows = list(found)
    lines = aligned([HEAD, *map(_cells, rows)], left={0})
    hours = sum(row.hours for row in rows)
    together = f"{hours / JOBS:.1f} if {JOBS} at a time do not slow each other"
    total = f"total: {hours:.1f} hours one cell after another, {together}"
    return "\n".join([title, "", *lines, "", total, "", *(f"- {note}" for note in NOTES)])


def _cells(row: GridPlan) -> tuple[str, ...]:
    counts = (row.num_cells, row.num_wanted, row.num_units, row.num_new)
    hours = (f"{row.hours_alone:.1f}", f"{row.hours:.1f}", f"{60 * row.longest_cell:.0f} min")
    return (row.name, *map(str, counts), *hours)


def to_csv(found: Iterable[GridPlan]) -> str:
    """Return the plans as CSV, one line per grid."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in found:
        numbers = (f"{hours:.6g}" for hours in (row.hours_alone, row.hours, row.longest_cell))
        writer.writerow([row.name, row.num_cells, row.num_wanted, row.num_units, row.num_new, *numbers, row.reason])
    return out.getvalue()


@click.command()
@click.option("--device", help="A device of `evoke plan`.  [this machine's]")
@click.option("--csv", "as_csv", is_flag=True, help="Print one CSV line per grid.")
def main(device: str | None, as_csv: bool) -> None:
    """Predict the hours of every grid; `evoke plan --experiments` is the same."""
    forbid_downloads()
    try:
        hardware = device_of(device or this_device())
        grid_plans = plans(hardware, {})
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if as_csv:
        click.echo(to_csv(grid_plans), nl=False)
        return
    notes = [f"- {note}" for note in hardware.notes]
    click.echo("\n".join([to_text(f"experiments, on one {hardware.name}", grid_plans), *notes]))


if __name__ == "__main__":
    main()
