"""Define `evoke report`, which shows where the page of all results is, or opens it."""

import webbrowser
from pathlib import Path

import click

PAGE = Path("report/index.html")


@click.command()
@click.option("--open", "opens", is_flag=True, help="Open the page in the default browser.")
def report(opens: bool) -> None:
    """Show the page of all results of the last run: images, numbers, tables, receipts.

    It is one file that needs no network; send it, print it, or keep it as it is. `evoke repro report` makes it again.
    """
    if not PAGE.is_file():
        raise ValueError(f"{PAGE} does not exist; `evoke repro report` makes it and what it shows")
    click.echo(f"{PAGE.resolve()} ({PAGE.stat().st_size / 1e6:.1f} MB)")
    if opens and not webbrowser.open(PAGE.resolve().as_uri()):
        raise ValueError(f"no browser was found; open {PAGE} in one by hand")
