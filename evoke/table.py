"""`evoke table NAME`: ours beside the papers' numbers, with intervals, verdicts, and why they are not comparable."""

from pathlib import Path

import click

METRICS, RESULTS, PARAMS = Path("metrics"), Path("experiments/results"), Path("params.yaml")


@click.command()
@click.argument("name", metavar="1|2a|2b|2c|I|II|III|IV|V|VI|VII|VIII")
@click.option("--csv", "as_csv", is_flag=True, help="One line a number, for other programs.")
def table(name: str, as_csv: bool) -> None:
    """Print a table of CoEmoGen (1, 2a, 2b, 2c) or of UniEmo (I to VIII) with ours beside the paper's numbers.

    \b
    evoke table 1
    evoke table VI --csv > table.csv

    Ours come from metrics/, while params.yaml says what the row says, and from experiments/results/, which has the
    verdicts too. What nobody measured is - with the command that makes it.
    """
    from pipeline.params import load_params
    from pipeline.report.measured import Measured
    from pipeline.report.papers import load_papers
    from pipeline.report.tables import compare, to_csv, to_text

    papers = {str(key): value for key, value in load_papers().items()}
    if name not in papers:
        raise ValueError(f"there is no table {name!r}; these are: {', '.join(papers)}")
    compared = compare(name, papers[name], Measured.of(METRICS, RESULTS, load_params(PARAMS)))
    click.echo(to_csv([compared]) if as_csv else to_text(compared), nl=not as_csv)
