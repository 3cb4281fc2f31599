"""Define `evoke table NAME`, which prints this project's numbers beside the papers'.

It adds intervals, verdicts, and the reasons why numbers are not comparable.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.report.measured import Measured
    from pipeline.report.papers import PaperTable
    from pipeline.report.tables import Compared

METRICS, RESULTS, PARAMS, LOCK = Path("metrics"), Path("experiments/results"), Path("params.yaml"), Path("dvc.lock")
NOT_A_LOCK = f"{LOCK} is not as DVC writes it; `git checkout {LOCK}` brings it back"
Lock = Mapping[str, Any]


@click.command()
@click.argument("name", metavar="1|2a|2b|2c|I|II|III|IV|V|VI|VII|VIII|EC")
@click.option("--csv", is_flag=True, help="Print one CSV line per number, for other programs.")
@click.option("--latex", is_flag=True, help="Print one row per method in LaTeX; needs the package booktabs.")
@click.option("--markdown", is_flag=True, help="Print one row per method in GitHub's Markdown.")
@click.option("--power", is_flag=True, help="Print instead what the n behind the paper's own numbers can carry.")
def table(name: str, power: bool, **formats: bool) -> None:
    """Print a table of CoEmoGen (1, 2a, 2b, 2c), UniEmo (I to VIII) or EmoCtrl (EC), our numbers beside the paper's.

    \b
    evoke table 1
    evoke table VI --csv > table.csv
    evoke table 2b --latex > table.tex
    evoke table 1 --power                 is the paper's own difference resolved by its n?

    This project's numbers come from experiments/results/, which has means over seeds, differences and verdicts, or,
    where it has none, from metrics/ if params.yaml agrees with the row. A number that has not been measured is shown as
    - with the command that measures it; --latex and --markdown, which have one row per method, leave the command out. A
    line on standard error says which sections of params.yaml have changed since the last run.

    --power gives the n of images behind each number that the paper prints, half the 95 % interval of that number, and a
    verdict on the difference from the row that the paper calls better or worse; all tables are in docs/REFEREE.md.
    """
    from pipeline.params import load_params
    from pipeline.report.measured import Measured
    from pipeline.report.names import is_drawn
    from pipeline.report.papers import load_papers
    from pipeline.report.tables import compare

    chosen = [option for option, is_chosen in formats.items() if is_chosen]
    if len(chosen) > 1:
        raise ValueError(f"--{' and --'.join(chosen)} exclude each other; give one of them, or none for plain text")
    papers = {str(key): value for key, value in load_papers().items()}
    if name not in papers:
        raise ValueError(f"unknown table {name!r}; allowed are {', '.join(papers)}")
    params = load_params(PARAMS)
    lock = _lock()
    measured = Measured.of(METRICS, RESULTS, params, recorded(lock))
    if power:
        click.echo(_ruled(name, papers[name], measured, chosen[0] if chosen else "text"))
        return
    compared = compare(name, papers[name], measured)
    if changed := _changed(lock):
        message = (
            f"params.yaml has changed since the last run in {', '.join(changed)}; the metrics are from the old values"
        )
        click.echo(f"{message}; run `dvc repro` to update them", err=True)
    click.echo(_written(compared, chosen[0] if chosen else "text", on_miniature=is_drawn(params)))


def _written(table: "Compared", form: str, on_miniature: bool) -> str:
    """Return a table in one of the forms; pandas is imported only for LaTeX and Markdown."""
    from pipeline.report.tables import to_csv, to_text

    if form in ("text", "csv"):
        return to_text(table) if form == "text" else to_csv([table]).removesuffix("\n")
    from evoke.wide import to_latex, to_markdown

    return to_latex(table, on_miniature) if form == "latex" else to_markdown(table, on_miniature)


def _ruled(name: str, paper: "PaperTable", measured: "Measured", form: str) -> str:
    """Return what n says of a paper's table in one of the forms."""
    from evoke.power import to_csv, to_markdown, to_text
    from pipeline.report.referee import rulings

    if form == "latex":
        raise ValueError("--power has no form for --latex; give --csv or --markdown, or neither for plain text")
    claims = rulings(name, paper, measured.grids)
    if form == "csv":
        return to_csv(claims)
    return to_markdown(claims) if form == "markdown" else to_text(paper.title, claims)


def _lock() -> Lock:
    """Return the entries of dvc.lock by unit; empty without the file."""
    from pipeline.params import read_yaml

    entries = read_yaml(LOCK) if LOCK.exists() else {"stages": {}}
    if not isinstance(entries, Mapping) or not isinstance(entries.get("stages"), Mapping):
        raise ValueError(NOT_A_LOCK)
    return entries["stages"]


def recorded(lock: Lock) -> dict[str, str]:
    """Return the MD5 of each input in dvc.lock by path."""
    try:
        return {dep["path"]: dep["md5"] for entry in lock.values() for dep in entry.get("deps", ())}
    except (AttributeError, KeyError, TypeError):
        raise ValueError(NOT_A_LOCK) from None


def _changed(lock: Lock) -> list[str]:
    """Return the sections of params.yaml that have changed since DVC recorded them.

    Only stages that are still in the DAG count.
    """
    from pipeline.params import read_yaml

    values = read_yaml(PARAMS)
    items = {"", *values["corpora"], *values["methods"], *values["miniature"]["layouts"]}
    try:
        noted = [
            section
            for unit, entry in lock.items()
            if unit.partition("@")[2] in items
            for section in entry.get("params", {}).get(PARAMS.name, {}).items()
        ]
    except (AttributeError, KeyError, TypeError):
        raise ValueError(NOT_A_LOCK) from None
    return sorted({key for key, value in noted if values.get(key) != value})
