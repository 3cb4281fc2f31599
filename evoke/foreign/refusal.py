"""Define the error for a foreign file that is refused: one word for tests and scripts, and a detail for people."""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pipeline.corpora.records import shown

Refusal = Literal[
    "html_page", "not_a_pickle", "malformed_pickle", "forbidden_opcode", "forbidden_global", "too_many_opcodes",
    "not_a_torch_zip", "malformed_archive", "wrong_type", "wrong_keys", "wrong_shape", "not_finite", "out_of_range",
    "ambiguous", "incomplete",
]  # fmt: skip

# Errors of parsers on damaged or hostile bytes; a hostile length leads to MemoryError.
_PARSER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class RefusedError(ValueError):
    """Raised for one foreign file; the importer records it and continues with the next."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@contextmanager
def refused_as(reason: Refusal) -> Iterator[None]:
    """Raise RefusedError in place of the errors of a parser."""
    try:
        yield
    except RefusedError:
        raise
    except _PARSER_ERRORS as error:
        raise RefusedError(reason, f"damaged, {type(error).__name__}: {shown(str(error))}") from None
