"""The hash of the drawn world's definition.

Trained weights and metrics carry it, so that none is taken for another world's.
"""

import hashlib
from functools import cache
from pathlib import Path

from pipeline.closure import syntax

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
