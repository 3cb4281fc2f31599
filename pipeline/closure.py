"""Find the code that a stage consists of: the files that it imports, directly or not, with a hash of each one's syntax.

The imports are read from the syntax tree, so imports inside functions count and nothing is executed; imports under
TYPE_CHECKING do not count. The plumbing does not count either, because it runs stages without changing what they
compute, nor does an __init__.py that holds only a docstring. Comments, docstrings and layout are not part of the
syntax, so an edit of prose reruns nothing.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.emotion_set import FILE as EMOTIONS_FILE
from pipeline.emotion_set import read_emotions

EMOTIONS_CODE = "pipeline/emotion_set.py"
PLUMBING = frozenset(
    f"pipeline/{name}.py"
    for name in ("ahead", "artifacts", "closure", "engine", "engine_ray", "params", "schemas", "stage", "warm", "work")
)


def code_of(root: Path, *paths: Path) -> str:
    """Return one line for each given file and each file that it imports: 16 hex digits and the path relative to root.

    The given paths are relative to root, too. Code that knows the emotions has a line for the set that emotions.yaml
    names, so that another set reruns what it reaches.
    """
    files = sorted({file for path in paths for file in (path, *import_closure(path, root))})
    return "".join(line for file in files for line in _lines(file, root))


def _lines(file: Path, root: Path) -> Iterator[str]:
    """Yield the line of a file of code and, for the one that reads the emotions, a line for the set in use."""
    yield f"{syntax_hash(root / file)} {file.as_posix()}\n"
    if file.as_posix() == EMOTIONS_CODE:
        text = json.dumps(list(read_emotions(root).items()))
        yield f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {EMOTIONS_FILE}\n"


def syntax_hash(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 over the syntax of a file."""
    return hashlib.sha256(syntax(path.read_text(encoding="utf-8")).encode()).hexdigest()[:16]


@cache
def syntax(source: str) -> str:
    """Return source code without comments, docstrings and layout.

    Unlike `ast.dump`, the result is the same in every version of Python.
    """
    return str(_plain(_parsed(source)))


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


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
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        fields["body"] = body[1:]
    kept = [[name, _plain(value)] for name, value in fields.items() if value is not None and value != []]
    return [type(node).__name__, *kept]


def import_closure(path: Path, root: Path) -> list[Path]:
    """Return the files, relative to root and sorted, that `path` imports directly or not.

    The file itself and the plumbing are left out.
    """
    closure: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        new = {file for file in imported_files(current, root) if file.as_posix() not in PLUMBING} - closure
        closure |= new
        waiting.extend(new)
    return sorted(file for file in closure - {path} if not _only_docstring(root / file))


def imported_files(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files of the modules that one file imports, and of the packages that contain them."""
    for module in _modules(path, root):
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            file = _file_of(".".join(parts[:depth]), root)
            if file is not None:
                yield file


def _modules(path: Path, root: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports. `from a import b` gives a.b if that is a module, else a."""
    try:
        nodes = _imports((root / path).read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise ValueError(
            f"{path}, line {error.lineno}: invalid Python: {error.msg}; correct it and run again"
        ) from None
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            package = list(path.parent.parts[: len(path.parent.parts) - node.level + 1]) if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if _file_of(inner, root) else base


@cache
def _imports(source: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return the import statements that are executed."""
    return tuple(node for node in _executed(_parsed(source)) if isinstance(node, ast.Import | ast.ImportFrom))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node except those under `if TYPE_CHECKING`, which do not matter when a stage runs."""
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
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in _parsed(path.read_text(encoding="utf-8")).body
    )
