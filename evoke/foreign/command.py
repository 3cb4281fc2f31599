"""Define `evoke import-emogen FOLDER --out DIR`.

It converts EmoGen's published classifier, coefficients and lists to files of this project.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from evoke.foreign.emogen import Row


@click.command("import-emogen")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Output folder: data/imports/emogen for the pipeline, or any empty folder to inspect the files.",
)
def import_emogen(folder: Path, out: Path) -> None:
    """Convert what EmoGen published, in a checkout FOLDER of it, to safetensors and Parquet.

    Any file may be absent or a Git LFS pointer. Each artifact is one row of the printed table and of DIR/manifest.json.
    No code in a file is ever run: pickles that call for code are refused, and so are damaged files and files of another
    shape. If one is refused, the others are still converted and the exit status is 1.

    \b
    With DIR data/imports/emogen, in params.yaml:
      emotion_classifier.source: imported   its classifier judges Emo-A
      correlation.source: imported          its coefficients weigh UniEmo's queries
    """
    from evoke.foreign.emogen import import_emogen as convert

    rows = convert(folder, out)
    click.echo(to_text(rows))
    counts = Counter(row.status for row in rows)
    summary = f"{out}: " + ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    if counts["refused"] or not counts["converted"]:
        raise click.ClickException(f"{summary}; some artifacts were not converted, see the list above")
    click.echo(summary)


def to_text(rows: "list[Row]") -> str:
    """Return one line per artifact: status, kind, source, and the file it became or the reason why not."""
    cells = [(row.status, row.kind, row.source or "-", _outcome(row)) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]]) for line in cells
    )


def _outcome(row: "Row") -> str:
    return "; ".join(text for text in (f"-> {row.target}" if row.target else "", row.reason or "") if text)
