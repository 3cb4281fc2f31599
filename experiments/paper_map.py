"""Write into docs/PAPER_MAP.md what became of every row of the papers' tables: by which params, run or not.

    .venv/bin/python -m experiments.paper_map

It follows from pipeline/report/papers.yaml, the grids and experiments/results/; a test holds the document to it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from experiments.cell import ROOT, read_grid, read_result
from experiments.document import in_table
from pipeline.report.measured import age_of
from pipeline.report.papers import PaperTable, Row, load_papers

DOCUMENT = ROOT / "docs" / "PAPER_MAP.md"
HEAD = "## Every row of the papers' tables\n"
FIGURES = {
    "UniEmo Fig. 6": "uniemo_figure6", "UniEmo Fig. 7": "uniemo_figure7", "UniEmo Fig. 8": "uniemo_figure8",
}  # fmt: skip
BASELINES = ("textual_inversion", "dreambooth", "emogen")  # not in the default run
DEFAULT = "the default run"
PREFACE = (
    "Written by `python -m experiments.paper_map` and held by tests/experiments/test_paper_map.py. State: `run`, the "
    "grid's result stands in experiments/results/; `stale`, that is of other code, data or weights, or does not say of "
    "which; `not run`, `python -m experiments.run GRID` runs it. Rows that only the papers have give the reason."
)


def section() -> str:
    """Return the section of the document."""
    lines = [HEAD, f"{PREFACE}\n", "| table | row | reachable by | grid: row | state |", "|---|---|---|---|---|"]
    for name, table in load_papers().items():
        lines += [line_of(name, table, row) for row in table.rows]
    for title, grid in FIGURES.items():
        lines += list(lines_of_figure(title, grid))
    return "\n".join(lines) + "\n"


def line_of(name: str, table: PaperTable, row: Row) -> str:
    """Return the line of one row of a table."""
    table_name = f"{table.source.split()[0]} {name}"
    if row.missing:
        return _line(table_name, row.row, f"not reachable: {row.missing}", "", "the paper's alone")
    if row.grid is None or row.grid_row is None:
        return _line(table_name, row.row, shown(row.params) or DEFAULT, "", DEFAULT if not row.params else "not run")
    grid = read_grid(row.grid)
    ways = ", ".join(filter(None, (method_of(grid, row.grid_row), shown(grid["rows"][row.grid_row]))))
    reached_by = ways or shown(row.params) or DEFAULT
    return _line(table_name, row.row, reached_by, f"{row.grid}: {row.grid_row}", state_of(row.grid, row.grid_row))


def lines_of_figure(title: str, name: str) -> Iterator[str]:
    """Yield the lines of a figure, a row of its grid each."""
    grid = read_grid(name)
    for row in grid["rows"]:
        yield _line(title, row, shown(grid["rows"][row]) or DEFAULT, f"{name}: {row}", state_of(name, row))


def method_of(grid: Mapping[str, Any], row: str) -> str:
    """Return which method must be among `methods` for a row, or an empty string if the grid has one method."""
    method = grid.get("methods", {}).get(row)
    how = " (`evoke preset full`)" if method in BASELINES else ""
    return f"`{method}` in `methods`{how}" if method else ""


def state_of(grid: str, row: str) -> str:
    """Return whether a row of a grid is run: "run", "stale" or "not run"."""
    result = read_result(grid)
    if row not in result.get("rows", {}):
        return "not run"
    return "stale" if age_of(result, {}) else "run"


def shown(changes: Mapping[str, Any]) -> str:
    """Return params as `section.key: value`, joined by commas."""
    return ", ".join(f"`{key}: {_value(value)}`" for key, value in changes.items())


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return " or ".join(map(_value, value))
    return (
        f"[{', '.join(value)}]"
        if isinstance(value, list)
        else str(value).lower()
        if value in (True, False)
        else str(value)
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(map(in_table, cells))} |"


def written(text: str) -> str:
    """Return the text of the document with the section in its place, the last one."""
    return f"{text.partition(HEAD)[0].rstrip()}\n\n{section()}"


@click.command()
def main() -> None:
    """Write the section into docs/PAPER_MAP.md."""
    path: Path = DOCUMENT
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    click.echo(f"{path}: {section().count(chr(10)) - 6} rows")


if __name__ == "__main__":
    main()
