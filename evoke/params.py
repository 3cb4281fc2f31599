"""Define `evoke params`, which checks params.yaml as a whole, and with --fix completes it and writes its comments.

`make repro` calls the check before anything runs.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from evoke.corpus.params import check_made
from evoke.params_text import Comments, default_comments, params_text, read_comments, shown
from pipeline.params import default_values, load_params, parse_params, read_yaml
from pipeline.work import written_aside

Change = tuple[str, Any, Any]  # dotted key, old value, new value


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("params.yaml"))
@click.option("--fix", is_flag=True, help="Complete missing keys and write order, layout and comments anew.")
def params(path: Path, fix: bool) -> None:
    """Check every key of params.yaml, or of PATH, and list all problems; own corpora must be in data/corpora.

    With --fix, missing keys get their defaults, and the file is written in one layout (lists on one line, as `dvc exp
    run -S` does not leave them) with the comments of pipeline/params.py beside the keys. Values stay as they are, and
    so do comments on lines of their own. Each change is printed. If a key is unknown or a value is not allowed,
    nothing is written.
    """
    if fix:
        for line in fixed(path):
            click.echo(line)
    check_made(load_params(path).corpora)
    click.echo(f"{path}: valid")


def fixed(path: Path) -> list[str]:
    """Complete a params file, write its comments anew, and return a line for each change.

    Raises ParamsError if a key is unknown or a value is not allowed; the file is then unchanged.
    """
    old = read_yaml(path)
    values = completed(old, default_values())
    parse_params(values, path.name)
    before = path.read_text(encoding="utf-8")
    comments = read_comments(before) if old else Comments()
    rewritten = default_comments(comments)
    text = params_text(values, rewritten)
    lines = [f"{key}: missing -> {shown(value)}" for key, _, value in changed_keys(old or {}, values)]
    lines += [*_replaced(comments.beside, rewritten.beside)]
    if text == before:
        return lines
    replace(path, values, text)
    unified = difflib.unified_diff(before.split("\n"), text.split("\n"), n=0)
    num_lines = sum(line.startswith("+") for line in unified) - 1
    return [*lines, f"{path}: {num_lines} line(s) written anew"]


def completed(old: Any, defaults: Mapping[str, Any]) -> Any:
    """Return plain values with the default of each missing key, in the order of the defaults, unknown keys last.

    An empty file has no value; anything else that is not a mapping is returned as it is.
    """
    old = {} if old is None else old
    if not isinstance(old, Mapping):
        return old
    values = {
        key: completed(old[key], default) if key in old and isinstance(default, Mapping) else old.get(key, default)
        for key, default in defaults.items()
    }
    return values | {key: value for key, value in old.items() if key not in values}


def replace(path: Path, values: Mapping[str, Any], text: str) -> None:
    """Replace a params file in one rename by a text that must read as `values`."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
        assert read_yaml(aside) == values, "params.yaml would not read as the values that were written"


def changed_keys(old: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> Iterator[Change]:
    """Yield (dotted key, old, new) of the keys that differ; old is None for a key that was missing."""
    for key, value in values.items():
        before = old.get(key)
        if isinstance(value, Mapping):
            yield from changed_keys(before if isinstance(before, Mapping) else {}, value, f"{prefix}{key}.")
        elif key not in old or before != value:
            yield f"{prefix}{key}", before, value


def _replaced(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each comment beside a key that is replaced by another."""
    for key, comment in old.items():
        if comment != new.get(key):
            yield f"{key}: comment replaced: {comment}"
