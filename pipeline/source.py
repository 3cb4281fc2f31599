"""Read a file of Python as its parts: what each defines, imports and refers to, and its syntax.

Nothing is executed. Comments, docstrings and layout are not part of the syntax. This module is plumbing: it is left out
of every stage's code hash (pipeline/closure.py).
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

PURE = {  # decorators that only change the function or the class under them
    "cache", "contextmanager", "dataclass", "inference_mode", "lru_cache", "no_grad", "overload", "wraps",
}  # fmt: skip
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
        nodes = _without_types(_parsed(text).body)
    except SyntaxError as error:
        raise ValueError(
            f"{path}, line {error.lineno}: invalid Python: {error.msg}; correct it and run again"
        ) from None
    body = [node for node in nodes if isinstance(node, ast.stmt) and not _is_docstring(node)]
    parts = tuple(part for node in body for part in _parts(node, path))
    binding = defaultdict(list)
    for number, part in enumerate(parts):
        for name in part.names:
            binding[name].append(number)
    return Source(parts, {name: tuple(numbers) for name, numbers in binding.items()})


def _parts(node: ast.stmt, path: Path) -> Iterator[Part]:
    """Yield the parts of a statement: one, or one for each name of an import."""
    first = min(one.lineno for one in (node, *getattr(node, "decorator_list", ())))
    lines = first, node.end_lineno or node.lineno
    if isinstance(node, ast.Import | ast.ImportFrom):
        for one in _imports(node, path):
            yield Part("import", (one.bound,), lines, f"import {'.'.join(one.origin)} as {one.bound}", (one,))
        return
    imports = tuple(one for inner in _executed(node) for one in _imports(inner, path))
    kind: Literal["definition", "statement"] = "definition" if _only_defines(node) else "statement"
    names, uses = dict.fromkeys(_bound(node, path)), dict.fromkeys(_uses(node))
    yield Part(kind, tuple(names), lines, str(_plain(node)), imports, tuple(uses))


def _only_defines(node: ast.stmt) -> bool:
    """Return False if a statement may do more than define names: another decorator might register the function."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return all({name[-1] for name in _uses(decorator)} & PURE for decorator in node.decorator_list)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
    assigns_inside = any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node))
    return bool(names) and all(isinstance(one, ast.Name) for one in names) and not assigns_inside


def _bound(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield the names that a statement binds in its file."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    yield from (one.bound for one in _imports(node, path))
    for child in _children(node):
        yield from _bound(child, path)


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
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield (node.target.id,)
    names: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        for child in _children(inner):
            yield from _uses(child)
    elif not isinstance(inner.ctx, ast.Store):
        yield (inner.id, *reversed(names))


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and every node in it that is executed."""
    yield node
    for child in _children(node):
        yield from _executed(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes directly in a node, annotations that are text among them, except what is for type checkers."""
    for name, value in ast.iter_fields(node):
        nodes = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        if name in ("annotation", "returns"):
            nodes = [read for child in nodes for read in _annotation(child)]
        yield from _without_types(nodes)


def _annotation(node: ast.AST) -> Iterator[ast.AST]:
    """Yield an annotation, and what the texts in it say, except those of a Literal."""
    yield node
    waiting = [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Subscript) and "Literal" in {name[-1] for name in _uses(inner.value)}:
            continue
        waiting += ast.iter_child_nodes(inner)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            with suppress(SyntaxError):  # a text that is not Python, as in Annotated[int, "pixels high"]
                yield from _annotation(ast.parse(inner.value.strip(), mode="eval"))


def _without_types(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield nodes; in place of `if TYPE_CHECKING` what stands under its `else`."""
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in {name[-1] for name in _uses(node.test)}:
            yield from _without_types(node.orelse)
        else:
            yield node


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
