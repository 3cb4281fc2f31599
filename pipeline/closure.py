"""Which files of this repository a Python file imports, directly or not: the code dependencies of a stage.

Read from the syntax tree, so imports inside functions count and nothing is executed; imports for type checkers
do not count. The plumbing does not count, as it carries stages and does not change what they compute; nor does an
__init__.py that is only a docstring.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

PLUMBING = frozenset(f"pipeline/{name}.py" for name in ("artifacts", "closure", "params", "schemas", "stage", "work"))


def import_closure(path: Path, root: Path) -> list[Path]:
    """The files, relative to root and sorted, that `path` (relative too) imports; without itself and the plumbing."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        new = {file for file in _imported(current, root) if file.as_posix() not in PLUMBING} - found
        found |= new
        waiting.extend(new)
    return sorted(file for file in found - {path} if not _only_docstring(root / file))


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """The files of the modules that one file imports, and of the packages that these lie in."""
    for module in _modules(path, root):
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            file = _file_of(".".join(parts[:depth]), root)
            if file is not None:
                yield file


def _modules(path: Path, root: Path) -> Iterator[str]:
    """Dotted names that a file imports; `from a import b` is a.b where that is a module and a otherwise."""
    for node in _executed(ast.parse((root / path).read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = list(path.parent.parts[: len(path.parent.parts) - node.level + 1]) if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if _file_of(inner, root) else base


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`, which change nothing when a stage runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def _file_of(module: str, root: Path) -> Path | None:
    base = Path(*module.split("."))
    choices = (base.with_suffix(".py"), base / "__init__.py")
    return next((choice for choice in choices if (root / choice).is_file()), None)


def _only_docstring(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body
    )
