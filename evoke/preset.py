"""Define `evoke preset NAME`, which merges presets/NAME.yaml into params.yaml and shows what changed.

params.yaml keeps its comments and stays the only source of settings; a preset is a set of edits to it. A hub model
without a revision is pinned when the preset is applied: to --revision, else to the pin that is already there, else to
the hub's current commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import click
import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from pipeline.params import Params, load_params, parse_params, read_yaml
from pipeline.work import written_aside

Change = tuple[str, Any, Any]


class _Representer(RoundTripRepresenter):
    """A representer that writes null as null, where ruamel would write nothing."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))
_Representer.add_representer(float, lambda self, value: self.represent_scalar("tag:yaml.org,2002:float", _plain(value)))


@click.command()
@click.argument("name")
@click.option("--revision", "revisions", multiple=True, metavar="SECTION=HEX", help="Pin a hub model to a commit.")
def preset(name: str, revisions: tuple[str, ...]) -> None:
    """Merge presets/NAME.yaml (paper, smoke or miniature) into params.yaml and print the difference key by key."""
    changes = apply_preset(Path("params.yaml"), preset_values(name), dict(_pair(text) for text in revisions))
    for key, old, new in changes:
        click.echo(f"{key}: {_shown(old)} -> {_shown(new)}")
    click.echo(f"params.yaml: {len(changes)} value(s) changed to the preset {name}")


def preset_values(name: str) -> dict[str, Any]:
    """Return the values of presets/NAME.yaml.

    Raises ValueError, which names the existing presets, if there is none with this name.
    """
    path = Path("presets") / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in Path("presets").glob("*.yaml")))
        raise ValueError(f"there is no preset {name!r}; the presets are {known}")
    values: dict[str, Any] = read_yaml(path)
    return values


def apply_preset(path: Path, values: dict[str, Any], revisions: Mapping[str, str]) -> list[Change]:
    """Merge plain values into a params file and return what changed.

    The file is replaced in one rename, once the whole is valid. Raises ParamsError if the result would be invalid; the
    file is then unchanged.
    """
    for name, read in ((path.name, read_yaml(path)), ("the preset", values)):
        if not isinstance(read, dict):
            raise ValueError(f"{name} holds no sections, such as `seed: 0`; take it again from the repository")
    _pin_hub_models(values, round_trip_yaml().load(path.read_text(encoding="utf-8")), revisions)
    found = merged(path, values)
    if found.changes:
        with written_aside(path) as aside:
            aside.write_text(found.text, encoding="utf-8")
        load_params(path)
    return found.changes


@dataclass(frozen=True)
class Merged:
    """A params file with values merged in: the changes, the text to write, and the parsed params."""

    changes: list[Change]
    text: str
    params: Params


def merged(path: Path, values: Mapping[str, Any]) -> Merged:
    """Return a params file with values merged in, writing nothing. Raises ParamsError if it would be invalid."""
    yaml = round_trip_yaml()
    document = yaml.load(path.read_text(encoding="utf-8"))
    changes = list(_merge(document, values, ""))
    text = StringIO()
    yaml.dump(document, text)
    plain = YAML(typ="safe", pure=True).load(text.getvalue())
    return Merged(changes, text.getvalue(), parse_params(plain, f"{path.name} with the preset"))


def round_trip_yaml() -> YAML:
    """Return a YAML reader and writer that keeps comments, quotes, order and long lines."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def resolve_revision(hub_id: str) -> str:
    """Return the current commit of a hub model, 40 hex digits.

    Raises ValueError if the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HTTPError  # a broken connection is not an OSError

    try:
        return str(huggingface_hub.HfApi().model_info(hub_id).sha)
    except (OSError, ValueError, HTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"cannot ask the hub for the present commit of {hub_id} ({reason})") from None


def _pin_hub_models(values: dict[str, Any], document: Mapping[str, Any], revisions: Mapping[str, str]) -> None:
    """Fill in, in place, the revisions that a preset leaves open."""
    open_sections = [
        name
        for name, section in values.items()
        if isinstance(section, dict) and section.get("source") == "hub" and section.get("hub_id")
    ]
    for name in revisions:
        if name not in open_sections:
            raise ValueError(
                f"--revision {name}: no hub model of this preset; they are {', '.join(open_sections) or 'none'}"
            )
    for name in open_sections:
        section, present = values[name], document.get(name)
        is_same = isinstance(present, Mapping) and present.get("hub_id") == section["hub_id"]
        pinned = document[name].get("hub_revision") if is_same else None
        try:
            section["hub_revision"] = revisions.get(name) or pinned or resolve_revision(section["hub_id"])
        except ValueError as error:
            raise ValueError(f"{error}; give it by --revision {name}=<40 hex digits>") from None


def _merge(document: CommentedMap, values: Mapping[str, Any], prefix: str) -> Iterator[Change]:
    """Set values in a document key by key, and yield (dotted key, old, new) for those that differ."""
    for key, value in values.items():
        old = document.get(key)
        if isinstance(value, Mapping) and isinstance(old, CommentedMap):
            yield from _merge(old, value, f"{prefix}{key}.")
        elif key not in document or old != value:
            document[key] = _flow(value) if isinstance(value, list) else value
            _keep_comment_near(document, key)
            yield f"{prefix}{key}", old, value


def _keep_comment_near(document: CommentedMap, key: str) -> None:
    """Put the comment at the end of a line two spaces after the new value.

    Going back to an earlier preset then gives the same file.
    """
    comment = document.ca.items.get(key, [None] * 3)[2]
    if comment is not None:
        comment.column = document.lc.col + len(f"{key}: {_shown(document[key])}") + 2


def _flow(values: list[Any]) -> CommentedSeq:
    """Return a list that is written as [a, b]."""
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _pair(text: str) -> tuple[str, str]:
    section, equals, revision = text.partition("=")
    if not equals:
        raise ValueError(f"--revision {text}: wanted SECTION=HEX, such as foundation_clip=<40 hex digits>")
    return section, revision


def _plain(value: float) -> str:
    """Return a number without an exponent, such as 0.00001: YAML 1.1 would read 1e-05 as text."""
    return str(np.format_float_positional(value, trim="0"))


def _shown(value: Any) -> str:
    """Return a value as YAML writes it on one line."""
    if value is None:
        return "null"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
