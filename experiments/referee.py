"""Write docs/REFEREE.md: for every number that the papers print, what the n behind it can carry.

    .venv/bin/python -m experiments.referee

It follows from pipeline/report/papers.yaml and experiments/results/ (pipeline/report/referee.py); a test holds the
document to it. `evoke table NAME --power` prints one table of it.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from evoke.power import NOTES, difference, to_markdown, verdict
from experiments.cell import RESULTS, ROOT
from experiments.document import write_document
from pipeline.params import parse_params, read_yaml
from pipeline.report.measured import Measured
from pipeline.report.papers import load_papers
from pipeline.report.referee import Ruling, across, rulings
from pipeline.report.tables import TITLES

DOCUMENT = ROOT / "docs" / "REFEREE.md"
HEAD = "# The referee: what the papers' own numbers can carry\n"
PREFACE = (
    "Written by `python -m experiments.referee` and held by tests/experiments/test_referee_page.py; "
    "`evoke table NAME --power` prints one table, with `--csv` for other programs. A verdict is on a difference that a "
    "paper prints, by the n behind it: it says what the printed numbers show, not whether the claim is true."
)
NO_METRICS = Path("no metrics")  # rulings are on the papers' numbers; of ours, only spreads over seeds


def document() -> str:
    """Return the whole document."""
    papers, grids = load_papers(), Measured.of(NO_METRICS, RESULTS, parse_params(read_yaml(ROOT / "params.yaml"))).grids
    by_table = {name: rulings(name, table, grids) for name, table in papers.items()}
    beyond = across(papers, grids)
    lines = [HEAD, *(f"{note}\n" for note in (PREFACE, *NOTES))]
    lines += summary([ruling for found in by_table.values() for ruling in found] + beyond)
    for name, found in by_table.items():
        lines.append(f"## {papers[name].title}\n\n{to_markdown(found)}\n")
    lines.append("## Across the papers\n\nBoth papers take the same protocol for Emo-A; neither prints these "
                 f"differences.\n\n{to_markdown(beyond)}\n")  # fmt: skip
    return "\n".join(lines)


def summary(found: Sequence[Ruling]) -> list[str]:
    """Return the lines that count the differences by verdict and name the unresolved ones, each pair of rows once."""
    pairs = {(frozenset((ruling.row, ruling.against)), ruling.table, ruling.metric): ruling
             for ruling in reversed(found) if ruling.difference is not None}  # fmt: skip
    own = list(reversed(pairs.values()))
    lines = [
        "## In short\n",
        "| metric | differences | resolved by n | and with trainings, of those known |",
        "|---|---|---|---|",
    ]
    for metric in dict.fromkeys(ruling.metric for ruling in own):
        of_metric = [ruling for ruling in own if ruling.metric == metric]
        resolved = sum(ruling.verdict != "unresolved" for ruling in of_metric)
        with_spread = [ruling for ruling in of_metric if ruling.spread]
        trained = sum(ruling.verdict_of_trainings != "unresolved" for ruling in with_spread)
        title = metric_title(metric)
        of_trainings = f"{trained} of {len(with_spread)}" if with_spread else "-"
        lines.append(f"| {title} | {len(of_metric)} | {resolved} | {of_trainings} |")
    lines.append("\nShares that n leaves unresolved (Sem-C, of which n gives a bound alone, is in the tables):\n")
    for each in own:
        if each.verdict == "unresolved" and each.sample.kind == "share":
            start = f"- {each.table}, {metric_title(each.metric)}: {each.row}, {difference(each)}"
            lines.append(f"{start}: {verdict(each)}".replace("*", r"\*"))
    return [*lines, ""]


def metric_title(metric: str) -> str:
    """Return the title of a metric, with the benchmark where it has its own."""
    return f"{TITLES[metric]} of EmoCtrl" if metric.startswith("ec_") else TITLES[metric]


@click.command()
def main() -> None:
    """Write docs/REFEREE.md."""
    write_document(DOCUMENT, document())


if __name__ == "__main__":
    main()
