"""Read lists, dictionaries, text, numbers and numpy arrays from a pickle, without running anything that it names.

Only the names by which numpy 1 and 2 write arrays are allowed, and each is replaced by a function of our own: not even
numpy's `dtype.__setstate__` sees what the file contains. Object arrays are refused.
"""

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpora.records import shown
from pipeline.foreign.opcodes import scan
from pipeline.foreign.refusal import Refusal, RefusedError

MAX_PICKLE_BYTES = 64 << 20  # EmoGen's largest has about 5 MB
MAX_DIMENSIONS = 4
DTYPES = ("f2", "f4", "f8", "i4", "i8")

# Errors of the unpickler on bytes that pass the scan; a hostile length leads to MemoryError.
LOADER_ERRORS = (
    ArithmeticError, AttributeError, BufferError, EOFError, LookupError, MemoryError, RuntimeError, TypeError,
    ValueError, pickle.UnpicklingError,
)  # fmt: skip


def unpickle(data: bytes) -> Any:
    """Return the value of a pickle of protocol 2 to 5, with arrays as `Array` and numpy's numbers as Python's.

    Raises RefusedError for anything else, and no other error.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise RefusedError(Refusal.malformed_pickle, f"{len(data)} bytes, at most {MAX_PICKLE_BYTES} are read")
    if len(data) < 2 or data[0] != 0x80 or not 2 <= data[1] <= 5:
        raise RefusedError(Refusal.not_a_pickle, f"begins with {data[:8]!r}, not with protocol 2 to 5")
    scan(data)
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except RefusedError:
        raise
    except LOADER_ERRORS as error:
        raise RefusedError(Refusal.malformed_pickle, f"{type(error).__name__}: {shown(str(error))}") from None


class Array:
    """A stand-in for a numpy array in the result of `unpickle`; `values` is a real array of floats or integers."""

    __slots__ = ("values",)

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, is_fortran, data = state
        self.values = _array(dtype, shape, data, "F" if is_fortran is True else "C")


class _Dtype:
    """A stand-in for numpy.dtype, for plain numbers only; its state sets the byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if type(code) is not str or code not in DTYPES:
            name = shown(code) if type(code) is str else type(code).__name__
            raise RefusedError(Refusal.wrong_type, f"array of {name}, not of {', '.join(DTYPES)}")
        self.code = code
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        _version, order, subarray, names, fields, *_ = state
        if order not in ("<", ">", "=") or any(part is not None for part in (subarray, names, fields)):
            raise RefusedError(Refusal.wrong_type, "array of records, or without a byte order")
        self.order = order


class _Function:
    """A callable stand-in whose state a pickle cannot change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise RefusedError(Refusal.malformed_pickle, "it sets the state of a function")


def _array(dtype: Any, shape: Any, data: Any, order: Any) -> NDArray[Any]:
    """Return the values of an array in native byte order. Raises RefusedError if shape and bytes do not agree."""
    if type(dtype) is not _Dtype or type(data) not in (bytes, bytearray) or order not in ("C", "F"):
        raise RefusedError(Refusal.malformed_pickle, "an array without type, bytes or order")
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise RefusedError(Refusal.malformed_pickle, f"an array whose shape is no tuple of up to {MAX_DIMENSIONS}")
    flat = np.frombuffer(bytes(data), np.dtype(dtype.order + dtype.code))
    if flat.size != math.prod(shape):
        raise RefusedError(Refusal.malformed_pickle, f"an array of {flat.size} values has another shape")
    return flat.astype(flat.dtype.newbyteorder("="), copy=False).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> Array:
    """Return an empty array, as numpy's `_reconstruct` does for any file; its state fills it later."""
    if kind is not _NDARRAY or shape != (0,):
        raise RefusedError(Refusal.malformed_pickle, "an array that does not begin empty")
    return Array(np.empty(0, np.float32))


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axis_order: None = None) -> Array:
    """Return the array that protocol 5 writes as bytes, dtype, shape and order."""
    return Array(_array(dtype, shape, data, order))


def _scalar(dtype: Any, data: Any) -> int | float:
    value: int | float = _array(dtype, (), data, "C").item()
    return value


def _encode(text: Any, encoding: Any) -> bytes:
    """Return the bytes that protocol 2 writes as latin1 text."""
    if type(text) is not str or encoding != "latin1":
        raise RefusedError(Refusal.malformed_pickle, "bytes that are no latin1 text")
    return text.encode("latin1")


_NDARRAY = object()
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_Dtype),
    ("_codecs", "encode"): _Function(_encode),
}
for _core in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_core}.multiarray", "_reconstruct"] = _Function(_reconstruct)
    _STAND_INS[f"{_core}.multiarray", "scalar"] = _Function(_scalar)
    _STAND_INS[f"{_core}.numeric", "_frombuffer"] = _Function(_frombuffer)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise RefusedError(Refusal.forbidden_global, f"it calls for {shown(f'{module}.{name}')}; nothing of it ran")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedError(Refusal.forbidden_opcode, "it refers to objects outside itself")
