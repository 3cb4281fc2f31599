"""Write params.yaml: every key in the order of its class, one line each, with the comment that its class gives it.

A comment beside a key is its description in pipeline/params.py with the choices or the range of its type. A comment on
a line of its own belongs to the user: it stays above the key that it stood above.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import CommentToken

from pipeline.params import Params, optional_section_of, schema_of, section_of

HEADER = (
    "# All settings. The defaults are the miniature; `evoke preset paper` sets the papers' setting. `evoke params`",
    "# checks every key. A changed value reruns the stages that use its section and those below. Comments beside keys",
    "# are written from pipeline/params.py by `evoke params --fix`; write your own on lines of their own.",
)
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+- ")


@dataclass(frozen=True)
class Comments:
    """The comments of a params file: beside a dotted key, on the lines above it, and after the last key."""

    beside: Mapping[str, str] = field(default_factory=dict)
    above: Mapping[str, list[str]] = field(default_factory=dict)
    end: list[str] = field(default_factory=list)


def params_text(values: Mapping[str, Any], comments: Comments) -> str:
    """Return the text of params.yaml with every key of `values`, which must be valid."""
    lines: list[str] = []
    for name, model_field in Params.model_fields.items():
        if section_of(model_field) is not None:
            lines.append("")
        lines += _lines(Params, name, values[name], name, comments)
    return "\n".join([*lines, *comments.end]) + "\n"


def default_comments(kept: Comments) -> Comments:
    """Return the comments of the classes beside every key, with those of `kept` on lines of their own.

    Keys of a section that may be null have none; what `kept` has beside them stays.
    """
    first = next(iter(Params.model_fields))
    own = "\n".join(line for line in kept.above.get(first, ()) if line not in HEADER).strip("\n")
    header = [*HEADER, "", *([*own.split("\n"), ""] if own else [])]
    return Comments({**kept.beside, **descriptions()}, {**kept.above, first: header}, kept.end)


@cache
def descriptions() -> dict[str, str]:
    """Return the comment of every dotted key: choices or range, and the description of its field."""
    return dict(_descriptions(Params, ()))


def read_comments(text: str) -> Comments:
    """Return the comments of a YAML file that holds valid params."""
    document, lines = YAML().load(text), text.split("\n")
    starts = sorted(_starts(document, ""))
    beside: dict[str, str] = {}
    for token in _comment_tokens(document, set()):
        line, column = token.start_mark.line, token.start_mark.column
        if lines[line][:column].strip():
            key = _key_at(starts, line)
            beside[key] = "; ".join(filter(None, [beside.get(key, ""), lines[line][column:].strip("# \r")]))
    above: dict[str, list[str]] = {}
    for number, text_line in enumerate(map(str.strip, lines)):
        key = next((key for start, key in starts if start > number), "")
        if text_line.startswith("#") or (not text_line and key in above and above[key][-1]):
            above.setdefault(key, []).append(text_line)
    return Comments(beside, above, _without_last_blank(above.pop("", [])))


def shown(value: Any) -> str:
    """Return a value as YAML writes it on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return str(np.format_float_positional(value, trim="0"))  # YAML 1.1 reads 1e-05 as text
        case list() | tuple():
            return f"[{', '.join(map(shown, value))}]"
        case str():
            return value if _is_plain(value) else _quoted(value)
    return str(value)


def _lines(model: type[BaseModel], name: str, value: Any, key: str, comments: Comments) -> Iterator[str]:
    """Yield the lines of a key and, if it is a section, of the keys in it."""
    indent = "  " * key.count(".")
    section = optional_section_of(model.model_fields[name]) if isinstance(value, Mapping) else None
    comment = comments.beside.get(key, "")
    yield from (indent + line if line else "" for line in comments.above.get(key, ()))
    yield f"{indent}{name}:{'' if section else ' ' + shown(value)}{'  # ' + comment if comment else ''}"
    if section is not None:
        for inner in section.model_fields:
            yield from _lines(section, inner, value[inner], f"{key}.{inner}", comments)


def _descriptions(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, model_field in model.model_fields.items():
        names, section = (*above, name), section_of(model_field)
        if section is None:
            yield ".".join(names), _comment(model_field.description or "", schema_of(list(names)))
        else:
            first = re.split(r"\.(?:\s+(?=[A-Z])|\s*$)", (section.__doc__ or "").split("\n\n")[0])[0]
            yield ".".join(names), model_field.description or first
            yield from _descriptions(section, names)


def _comment(description: str, schema: Mapping[str, Any]) -> str:
    """Return a description with the choices before it, or the range or the items of a list behind it."""
    limits = _limits(schema)
    if " | " not in limits:
        return "; ".join(filter(None, (description, limits)))
    return f"{description}; from {limits}" if schema.get("type") == "array" else f"{limits}: {description}"


def _limits(schema: Mapping[str, Any]) -> str:
    """Return the choices of a key as `a | b`, or its range as `>= 1` or `in [0, 1)`; "" if it has neither."""
    for choice in schema.get("anyOf", [schema]):
        choice = choice.get("items", choice)
        if len(words := choice.get("enum") or choice.get("examples", [])) > 1:
            return " | ".join(words)
        low, high = choice.get("minimum"), choice.get("maximum", choice.get("exclusiveMaximum"))
        if low is None and "exclusiveMinimum" not in choice:
            continue
        least = f"{low:g}" if low is not None else f"{choice['exclusiveMinimum']:g}"
        if high is None or high > 10**9:
            return f"{'>' if low is None else '>='} {least}"
        return f"in {'(' if low is None else '['}{least}, {high:g}{')' if 'exclusiveMaximum' in choice else ']'}"
    return ""


def _without_last_blank(lines: list[str]) -> list[str]:
    return lines[:-1] if lines and not lines[-1] else lines


def _starts(node: CommentedMap, prefix: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the dotted name of every key."""
    for name, value in node.items():
        if name in (node.lc.data or {}):
            yield node.lc.key(name)[0], f"{prefix}{name}"
        if isinstance(value, CommentedMap):
            yield from _starts(value, f"{prefix}{name}.")


def _key_at(starts: list[tuple[int, str]], line: int) -> str:
    """Return the outermost key that starts on a line, else the last key before it."""
    start = max(start for start, _ in starts if start <= line)
    return min((key for number, key in starts if number == start), key=lambda key: key.count("."))


def _comment_tokens(node: Any, seen: set[int]) -> Iterator[CommentToken]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, CommentToken):
        yield node
    elif isinstance(node, CommentedMap | CommentedSeq):
        values = node.values() if isinstance(node, CommentedMap) else node
        for part in chain([node.ca.comment, node.ca.end], node.ca.items.values(), values):
            yield from _comment_tokens(part, seen)
    elif isinstance(node, list):
        for part in node:
            yield from _comment_tokens(part, seen)


def _is_plain(text: str) -> bool:
    """Return whether YAML reads a text back as the same text without quotes."""
    if not set(text) <= PLAIN or text != text.strip() or text[:1] in ("", "+", "-"):
        return False
    try:
        return bool(YAML(typ="safe", pure=True).load(text) == text)
    except (YAMLError, ValueError):
        return False


def _quoted(text: str) -> str:
    """Return a text in double quotes, with escapes for what is not printable ASCII."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    parts = (named.get(char) or (char if char.isprintable() else f"\\U{ord(char):08x}") for char in text)
    return f'"{"".join(parts)}"'
