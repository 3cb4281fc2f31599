"""Define `evoke validate FOLDER`, which reports the contents and problems of an EmoSet folder without running DVC."""

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: usable, problems, numbers.")
@click.option("--strict", is_flag=True, help="Exit with status 1 also if the folder is usable but has problems.")
def validate(folder: Path, as_json: bool, strict: bool) -> None:
    """Check a FOLDER in EmoSet's official layout: every row, every image, every annotation.

    The exit status is 1 if the folder is unusable (no such folder, a missing or damaged split file, or a split without
    any usable image), or if it has problems and --strict is given.
    """
    from tqdm import tqdm

    from pipeline.corpora import emoset
    from pipeline.corpora.validate import report, to_text

    try:
        rows, vocabulary = emoset.plan(folder), emoset.vocabulary(folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    stream = tqdm(
        emoset.read(folder, rows), total=len(rows), desc="validate", unit="img", file=sys.stderr, mininterval=1
    )
    counts = report(stream, vocabulary)
    if as_json:
        result = {"usable": counts.is_usable, "problems": counts.problems, "numbers": counts.flat()}
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(to_text(counts))
    if not counts.is_usable or (strict and counts.problems):
        sys.exit(1)
