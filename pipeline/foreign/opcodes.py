"""Check all opcodes of a pickle before any of them is executed.

This stops what a restricted `find_class` cannot: a memo index of 2^31, for which an unpickler allocates as many
entries, and containers nested sixty levels deep, each in several places, which take forever to hash or print.
"""

import pickletools
from typing import NoReturn

from pipeline.foreign.refusal import Refusal, RefusedError

MAX_OPCODES = 2_000_000  # EmoGen's longest list, 69,912 paths, has 140,000; each takes about 1 us to check

# Opcodes that protocols 2 to 5 need for lists, dictionaries, text, numbers and arrays.
_LITERALS = (
    "NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINBYTES BINBYTES BYTEARRAY8 SHORT_BINUNICODE "
    "BINUNICODE EMPTY_TUPLE EMPTY_LIST EMPTY_DICT"
)
_CONTAINERS = "MARK TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM SETITEMS"
_OBJECTS = "GLOBAL STACK_GLOBAL REDUCE BUILD"
_MEMO = "BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
PLAIN = frozenset(f"PROTO FRAME STOP {_LITERALS} {_CONTAINERS} {_OBJECTS} {_MEMO}".split())
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_SILENT = frozenset({"PROTO", "FRAME"})  # leave the top of the stack unchanged
_TOPS = {"REDUCE": "call", "BUILD": ""}  # BUILD may leave anything on top, but no pickler memoizes it


def scan(data: bytes, allowed: frozenset[str] = PLAIN, calls_may_repeat: bool = True) -> frozenset[str]:
    """Check all opcodes of a pickle, and return the "module name" of every GLOBAL (not of STACK_GLOBAL).

    Raises RefusedError for opcodes that are not allowed, memo indices that no pickler writes, containers that occur
    more than once, and bytes after the end. The result of a call may occur more than once only if `calls_may_repeat`,
    which is safe if such results cannot hold other objects.
    """
    memo: dict[int, str] = {}
    names = set()
    top, end = "", 0
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(data), start=1):
            if opcode.name not in allowed:
                raise RefusedError(Refusal.forbidden_opcode, f"{opcode.name} at byte {position}")
            if count > MAX_OPCODES:
                raise RefusedError(Refusal.too_many_opcodes, f"more than {MAX_OPCODES}")
            if opcode.name == "PROTO" and count > 1:
                _misfit(f"a second beginning at byte {position}")
            if opcode.name == "GLOBAL":
                names.add(str(argument))
            if opcode.name in _PUTS:
                _put(memo, len(memo) if argument is None else argument, top, count)
            elif opcode.name in _GETS:
                top = _got(memo, int(argument or 0), calls_may_repeat)
            elif opcode.name not in _SILENT:
                top = _TOPS.get(opcode.name, _kind(opcode))
            end = (position or 0) + 1
    except RefusedError:
        raise
    except ValueError as error:
        raise RefusedError(Refusal.malformed_pickle, str(error)[:200]) from None
    if end != len(data):
        raise RefusedError(Refusal.malformed_pickle, f"{len(data) - end} bytes after its end")
    return frozenset(names)


def _kind(opcode: pickletools.OpcodeInfo) -> str:
    """Return the type that an opcode leaves on top of the stack: tuple, list, dict, str ..., mark, or empty."""
    return opcode.stack_after[-1].name if opcode.stack_after else ""


def _put(memo: dict[int, str], index: int, top: str, count: int) -> None:
    if index > count or top in ("", "mark"):
        _misfit(f"memo index {index} at opcode {count}")
    memo[index] = top


def _got(memo: dict[int, str], index: int, calls_may_repeat: bool) -> str:
    if index not in memo:
        _misfit(f"nothing in the memo at {index}")
    if memo[index] in ("tuple", "list", "dict") or (memo[index] == "call" and not calls_may_repeat):
        raise RefusedError(Refusal.repeated_container, f"one {memo[index]} is in several places")
    return memo[index]


def _misfit(detail: str) -> NoReturn:
    raise RefusedError(Refusal.malformed_pickle, detail)
