"""The hash of the drawn world's definition.

Trained weights and metrics carry it, so that none is taken for another world's.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

# They store, number or judge pictures and define none.
AROUND = ("__init__", "checks", "identity", "layouts", "small_sets", "stream", "table")


@cache
def world_hash() -> str:
    """Sixteen hex digits over the syntax of every file that defines the world.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in AROUND:
            digest.update(path.stem.encode() + syntax(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def syntax(source: str) -> str:
    """A source without comments, docstrings and layout; the same on every version of Python, as `ast.dump` is not."""
    return str(plain(ast.parse(source)))


def plain(node: object) -> object:
    """A syntax tree as nested lists, less docstrings, contexts, and fields that are empty or not in all versions."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_params")}
    body = fields.get("body")
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        fields["body"] = body[1:]
    kept = [[name, plain(value)] for name, value in fields.items() if value is not None and value != []]
    return [type(node).__name__, *kept]
