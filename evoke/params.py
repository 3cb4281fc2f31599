"""`evoke params`: is params.yaml right as a whole? Asked by `make repro` before anything runs."""

from pathlib import Path

import click

from pipeline.params import load_params


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("params.yaml"))
def params(path: Path) -> None:
    """Checks every key of params.yaml, or of PATH, and lists all that is wrong."""
    load_params(path)
    click.echo(f"{path}: valid")
