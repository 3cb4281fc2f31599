"""The hash of the drawn world's definition: what trained weights and metrics carry, so that none is taken for another world's."""

import ast
import hashlib
from functools import cache
from pathlib import Path

AROUND = ("__init__", "identity", "layouts", "stream")  # they store or number pictures and define none


@cache
def world_hash() -> str:
    """Sixteen hex digits over the syntax of every file that defines the world; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in AROUND:
            digest.update(path.stem.encode() + syntax(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def syntax(source: str) -> str:
    """A source without comments, docstrings and layout, the same on every version of Python."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return ast.unparse(tree)
