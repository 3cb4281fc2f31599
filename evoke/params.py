"""Define `evoke params`, which checks params.yaml as a whole. `make repro` calls it before anything runs."""

from pathlib import Path

import click

from pipeline.params import load_params


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("params.yaml"))
def params(path: Path) -> None:
    """Check every key of params.yaml, or of PATH, and list all problems."""
    load_params(path)
    click.echo(f"{path}: valid")
