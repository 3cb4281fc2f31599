"""Compute the hash of the drawn world's definition.

Trained weights and metrics carry the hash, so that they cannot be mistaken for those of another world.
"""

import hashlib
from functools import cache
from pathlib import Path

from pipeline.source import syntax

# These modules store, number or check images and do not define them.
AROUND = ("__init__", "checks", "identity", "layouts", "small_sets", "stream", "table")


@cache
def world_hash(folder: Path = Path(__file__).parent) -> str:
    """Return the first 16 hex digits of the SHA-256 over the syntax of all modules of a folder that define the world.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        if path.stem not in AROUND:
            digest.update(path.stem.encode() + syntax(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]
