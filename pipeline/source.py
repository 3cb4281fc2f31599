"""Read a file of Python as its parts: what each defines, imports and refers to, and its syntax.

Nothing is executed. Comments, docstrings and layout are not part of the syntax. This module is plumbing: it is left out
of every stage's code hash (pipeline/closure.py).
"""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

OURS = ("pipeline", "stages", "evoke")
Name = tuple[str, ...]  # a dotted name: ("np", "linalg", "norm")


class Import(NamedTuple):
    """A name that an import statement binds.

    `from a.b import c as d` binds d to the name a.b.c and executes the module a.b; `import a.b` binds a to the name a
    and executes a.b.
    """

    bound: str
    origin: Name
    module: Name


@dataclass(frozen=True)
class Part:
    """A part of a file: a definition, one name of an import, or any other statement at the top level.

    names: what it binds. lines: the numbers of its first and last line. code: its syntax. imports: the imports in it.
    uses: the names that it refers to.
    """

    kind: Literal["definition", "import", "statement"]
    names: tuple[str, ...]
    lines: tuple[int, int]
    code: str
    imports: tuple[Import, ...]
    uses: tuple[Name, ...] = ()


class Source(NamedTuple):
    """The parts of a file in order, and the numbers of those that bind a name."""

    parts: tuple[Part, ...]
    binding: Mapping[str, tuple[int, ...]]


@cache
def source_of(text: str, path: Path) -> Source:
    """Return the parts of a file. path is relative to the repository.

    Raises ValueError if it is not valid Python.
    """
    try:
        body = [node for node in _parsed(text).body if not _is_for_types(node) and not _is_docstring(node)]
    except SyntaxError as error:
        raise ValueError(
            f"{path}, line {error.lineno}: invalid Python: {error.msg}; correct it and run again"
        ) from None
    parts = [part for node in body for part in _parts(node, path, frozenset(_foreign(body, path)))]
    binding = defaultdict(list)
    for number, part in enumerate(parts):
        for name in part.names:
            binding[name].append(number)
    return Source(tuple(parts), {name: tuple(numbers) for name, numbers in binding.items()})


def _foreign(body: list[ast.stmt], path: Path) -> Iterator[str]:
    """Yield the names that a file has from Python and from other projects."""
    yield from dir(builtins)
    yield from (one.bound for node in body for one in _imports(node, path) if one.module[0] not in OURS)


def _parts(node: ast.stmt, path: Path, foreign: frozenset[str]) -> Iterator[Part]:
    """Yield the parts of a statement: one, or one for each name of an import."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for one in _imports(node, path):
            code = f"import {'.'.join(one.origin)} as {one.bound}"
            yield Part("import", (one.bound,), (node.lineno, node.end_lineno or node.lineno), code, (one,))
        return
    inner = list(_executed(node))
    imports = tuple(one for each in inner for one in _imports(each, path))
    uses = tuple(dict.fromkeys(_uses(node)))
    first = min(one.lineno for one in (node, *getattr(node, "decorator_list", ())))
    lines = (first, node.end_lineno or node.lineno)
    if names := _defined(node, foreign):
        yield Part("definition", names, lines, str(_plain(node)), imports, uses)
    else:
        names = (*(one.bound for one in imports), *(name for each in inner for name in _bound(each)))
        yield Part("statement", tuple(dict.fromkeys(names)), lines, str(_plain(node)), imports, uses)


def _defined(node: ast.stmt, foreign: frozenset[str]) -> tuple[str, ...]:
    """Return what a statement defines, or nothing if it may do more: a decorator of ours may register a function."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        decorators = [next(_uses(decorator), ("",))[0] for decorator in node.decorator_list]
        return (node.name,) if foreign.issuperset(decorators) else ()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    single = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = tuple(one.id for one in single if isinstance(one, ast.Name))
    return names if len(names) == len(single) else ()


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the name that a node binds, if it binds one."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name


def _imports(node: ast.AST, path: Path) -> Iterator[Import]:
    """Yield the names that a node binds if it is an import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = tuple(alias.name.split("."))
            yield Import(alias.asname or module[0], module if alias.asname else module[:1], module)
    elif isinstance(node, ast.ImportFrom):
        package = path.parent.parts[: len(path.parent.parts) - node.level + 1] if node.level else ()
        module = (*package, *(node.module.split(".") if node.module else ()))
        for alias in node.names:
            yield Import(alias.asname or alias.name, module if alias.name == "*" else (*module, alias.name), module)


def _uses(node: ast.AST) -> Iterator[Name]:
    """Yield the names that a node refers to; of a dotted name the whole."""
    names: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield (inner.id, *reversed(names))
    else:
        for child in _children(inner):
            yield from _uses(child)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and every node in it that is executed."""
    yield node
    for child in _children(node):
        yield from _executed(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes directly in a node, annotations that are text among them, except what is for type checkers."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name in ("annotation", "returns") and isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield ast.parse(child.value, mode="eval")
            elif isinstance(child, ast.AST) and not _is_for_types(child):
                yield child


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@cache
def syntax(text: str) -> str:
    """Return source code without comments, docstrings and layout.

    Unlike `ast.dump`, the result is the same in every version of Python.
    """
    return str(_plain(_parsed(text)))


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _plain(node: object) -> object:
    """Return a syntax tree as nested lists.

    Docstrings, contexts, empty fields and fields that not all Python versions have are left out.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_params")}
    body = fields.get("body")
    if isinstance(body, list) and body and _is_docstring(body[0]):
        fields["body"] = body[1:]
    kept = [[name, _plain(value)] for name, value in fields.items() if value is not None and value != []]
    return [type(node).__name__, *kept]
