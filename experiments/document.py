"""Write a document of docs/ that follows from the experiments, and text into its tables."""

from pathlib import Path

import click


def write_document(path: Path, text: str) -> None:
    """Write a document and say how long it is."""
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path}: {text.count(chr(10))} lines")


def in_table(text: str) -> str:
    """Return text as a cell of a Markdown table shows it."""
    return text.replace("|", "/").replace("*", r"\*")
