"""Parse pickles without running anything that they name.

`parse` records the calls that a pickle asks for and makes none of them; `vector` reads the recorded calls by which
numpy 1 and 2 write arrays. The unpickler is the one that pickle has in Python: the one in C makes the calls itself, and
allocates gigabytes for a memo index of 2^31.
"""

import io
import pickle
import pickletools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evoke.foreign.refusal import RefusedError, refused_as
from pipeline.corpora.records import shown

MAX_PICKLE_BYTES = 64 << 20  # EmoGen's largest has about 5 MB
MAX_OPCODES = 2_000_000  # EmoGen's longest list, 69,912 paths, has 140,000; each takes up to 200 bytes of memory

# What protocols 2 to 5 need for lists, dictionaries, text, numbers and arrays, and torch for its storages (BINPERSID).
_OPCODES = (
    "PROTO FRAME STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINBYTES BINBYTES BYTEARRAY8 "
    "SHORT_BINUNICODE BINUNICODE EMPTY_TUPLE EMPTY_LIST EMPTY_DICT MARK TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS "
    "SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET BINPERSID"
)
ORDERED_DICT = "collections.OrderedDict"
NUMPY_NAMES = frozenset(
    f"{core}.{name}"
    for core in ("numpy.core", "numpy._core")
    for name in ("multiarray._reconstruct", "numeric._frombuffer")
) | {"numpy.ndarray", "numpy.dtype", "_codecs.encode"}  # the last writes bytes in protocol 2


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for and that is not made. Without arguments it is the function itself."""

    function: str
    arguments: Any = None
    state: Any = None


class Dictionary(dict[str, Any]):
    """A dictionary whose keys are text: to hash nested tuples can take forever or overflow the stack."""

    state: Any = None

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(key) is not str:
            raise RefusedError("wrong_keys", f"a key is {type(key).__name__}, expected text")
        super().__setitem__(key, value)


def parse(data: bytes, names: frozenset[str] = NUMPY_NAMES) -> Any:
    """Return the value of a pickle of protocol 2 to 5, with `Call` for each call and `Dictionary` for dict.

    names: the functions that may be called, as module.name. Raises RefusedError for anything else, and no other error.
    """
    if len(data) < 2 or data[0] != 0x80 or not 2 <= data[1] <= 5:
        raise RefusedError("not_a_pickle", f"the file begins with {data[:8]!r}, expected a pickle of protocol 2 to 5")
    with refused_as("malformed_pickle"):
        _check_opcodes(data)
        return _Unpickler(io.BytesIO(data), names).load()


def vector(name: str, value: Any, width: int) -> NDArray[np.float32]:
    """Return an array of `width` floating-point numbers from the calls by which numpy writes it.

    Raises RefusedError for anything else, and for an array whose shape and bytes do not agree.
    """
    match value:
        case Call("_reconstruct", (Call("ndarray", None), (0,), _), (_, tuple(shape), Call("dtype") as dtype, _, data)):
            pass
        case Call("_frombuffer", (data, Call("dtype") as dtype, tuple(shape), "C" | "F", *_)):
            pass
        case Call():
            raise RefusedError("malformed_pickle", f"{shown(name)} is not an array as numpy writes it")
        case _:
            raise RefusedError(
                "wrong_type", f"{shown(name)} has type {type(value).__name__}, expected floating-point numbers"
            )
    match dtype:
        case Call(_, ("f2" | "f4" | "f8" as code, *_), (_, "<" | ">" | "=" as order, None, None, None, *_)):
            pass
        case _:
            raise RefusedError("wrong_type", f"{shown(name)} is an array of another type than floating-point numbers")
    if len(shape) != 1 or type(shape[0]) is not int or shape[0] != width:
        sizes = ", ".join(str(size) if type(size) is int else type(size).__name__ for size in shape[:9])
        raise RefusedError("wrong_shape", f"{shown(name)} has shape [{shown(sizes)[1:-1]}], expected [{width}]")
    with refused_as("malformed_pickle"):
        match data:
            case Call("encode", (str(text), "latin1")):
                data = text.encode("latin1")
        values = np.frombuffer(data, np.dtype(order + code))
    if len(values) != width:
        raise RefusedError("malformed_pickle", f"{shown(name)} has {len(values)} values, but its shape gives {width}")
    return values.astype(np.float32)


def _check_opcodes(data: bytes) -> None:
    """Raise RefusedError for a pickle with other opcodes, too many of them, or bytes after its end."""
    allowed = frozenset(_OPCODES.split())
    end = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(data), start=1):
        if opcode.name not in allowed:
            raise RefusedError("forbidden_opcode", f"{opcode.name} at byte {position}")
        if count > MAX_OPCODES:
            raise RefusedError("too_many_opcodes", f"the pickle has more than {MAX_OPCODES} opcodes")
        end = (position or 0) + 1
        limits = {"PROTO": 5 if count == 1 else -1, "FRAME": len(data) - end - 8, "BINPUT": count, "LONG_BINPUT": count}
        if opcode.name in limits and int(argument or 0) > limits[opcode.name]:
            raise RefusedError("malformed_pickle", f"{opcode.name} {argument} at byte {position}")
    if end != len(data):
        raise RefusedError("malformed_pickle", f"the file has {len(data) - end} bytes after the end of the pickle")


class _Unpickler(pickle._Unpickler):
    stack: list[Any]

    def __init__(self, stream: io.BytesIO, names: frozenset[str]) -> None:
        super().__init__(stream)
        self._names = names

    def find_class(self, module: str, name: str) -> Call:
        if f"{module}.{name}" not in self._names:
            raise RefusedError("forbidden_global", f"it requests {shown(f'{module}.{name}')}; nothing was executed")
        return Call(name)

    def persistent_load(self, pid: Any) -> Call:
        match pid:
            case ("storage", Call(function), str(), str(), int()) if function.endswith("Storage"):
                return Call("storage", pid)
        raise RefusedError("forbidden_opcode", "it refers to objects outside the pickle")

    def record_call(self) -> None:
        arguments = self.stack.pop()
        match self.stack.pop(), arguments:
            case Call("OrderedDict", None), ():
                self.begin_dictionary()
            case Call(function, None), tuple() if function != "OrderedDict":
                self.stack.append(Call(function, arguments))
            case called, _:
                raise RefusedError("malformed_pickle", f"it calls a {type(called).__name__}; nothing was executed")

    def record_state(self) -> None:
        state = self.stack.pop()
        match self.stack[-1], state:
            case (Dictionary() as target, Dictionary()) | (Call("_reconstruct" | "dtype") as target, tuple()):
                target.state = state
            case target, _:
                raise RefusedError("malformed_pickle", f"it sets the state of a {type(target).__name__}")

    def begin_dictionary(self) -> None:
        self.stack.append(Dictionary())

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: record_call,
        pickle.BUILD[0]: record_state,
        pickle.EMPTY_DICT[0]: begin_dictionary,
    }
