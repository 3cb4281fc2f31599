"""Pickles give values and arrays or are refused by name, and run nothing."""

import builtins
import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.foreign import opcodes
from pipeline.foreign.artefacts import coefficients
from pipeline.foreign.refusal import Refusal, RefusedError
from pipeline.foreign.unpickle import Array, unpickle
from tests.foreign.published import pickled, probabilities

GOOD = {protocol: pickled({"tree": probabilities(), "beach": probabilities(1)}, protocol) for protocol in (2, 3, 4, 5)}


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def hostile(canary: Path) -> dict[str, Any]:
    """Values whose pickles would make the canary, or reach for what could."""
    code = f"open({str(canary)!r}, 'w')"
    shell = Calls(os.system, f"touch {canary}")
    return {
        "shell": shell,
        "eval": Calls(builtins.eval, code),
        "exec": Calls(builtins.exec, code),
        "nested": {"tree": {"deep": [1, (2, shell)]}, "beach": probabilities()},
        "load": Calls(np.load, str(canary), None, True),
        "in_an_array": {"tree": np.array([shell], dtype=object)},
        "ordered": collections.OrderedDict(tree=1),
        "path": {"tree": canary},
    }


def reason(data: bytes) -> Any:
    with pytest.raises(RefusedError) as refused:
        unpickle(data)
    return refused.value.reason


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_of_both_numpys_come_back_under_every_protocol(protocol: int, core: str) -> None:
    matrix = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    value = {"tree": probabilities(), "again": probabilities(), "matrix": matrix, "scalar": np.float32(0.5), "n": None}
    value["big_endian"] = np.arange(4, dtype=">f4")
    data = pickled(value, protocol, core)
    assert f"{core}.multiarray".encode() in data
    assert (core == "numpy.core") is (b"numpy._core" not in data)
    found = unpickle(data)
    assert found["scalar"] == 0.5
    assert found["n"] is None
    for name in ("tree", "again", "matrix", "big_endian"):
        assert type(found[name]) is Array
        assert found[name].values.dtype.isnative
        np.testing.assert_array_equal(found[name].values, value[name])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", hostile(Path("x")))
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(name: str, protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(hostile(canary)[name], protocol)
    assert reason(data) in (Refusal.forbidden_global, Refusal.wrong_type, Refusal.forbidden_opcode)
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path: Path) -> None:
    for name in ("shell", "eval", "exec", "nested", "in_an_array"):
        canary = tmp_path / name
        pickle.loads(pickle.dumps(hostile(canary)[name]))
        assert canary.exists()


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", Refusal.not_a_pickle),
        (pickle.dumps([1], 0), Refusal.not_a_pickle),
        (pickle.dumps([1], 1), Refusal.not_a_pickle),
        (b"<html>no</html>", Refusal.not_a_pickle),
        (pickle.dumps(["a"], 4) + b"more", Refusal.malformed_pickle),
        (pickle.dumps(["abc" * 99], 4)[:-20], Refusal.malformed_pickle),
        (b"\x80\x04]r\xff\xff\xff\x7f.", Refusal.malformed_pickle),  # a memo of 2^31
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.", Refusal.malformed_pickle),
        (b"\x80\x02U\x01ai\x01.", Refusal.forbidden_opcode),
        (b"\x80\x02(dK\x00.", Refusal.forbidden_opcode),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", Refusal.forbidden_opcode),  # persistent id
        (b"\x80\x02\x82\x01.", Refusal.forbidden_opcode),  # extension registry
        (pickle.dumps({1, 2}, 4), Refusal.forbidden_opcode),
        (b"\x80\x02s.", Refusal.malformed_pickle),
        (b"\x80\x02h\x07.", Refusal.malformed_pickle),
        (b"\x80\x02]Nbq\x00h\x00\x86.", Refusal.malformed_pickle),  # a list that hides as the result of a call
    ],
)  # fmt: skip
def test_what_no_honest_pickle_holds_is_refused_by_name(data: bytes, wanted: Refusal) -> None:
    assert reason(data) == wanted


def test_what_would_take_for_ever_to_hash_or_to_print_is_refused_at_once() -> None:
    doubled = b"".join(b"h%c\x86q%c" % (depth, depth + 1) for depth in range(60))  # t = (t, t), sixty times
    assert reason(b"\x80\x02})q\x00" + doubled + b"K\x01s.") == Refusal.repeated_container
    laughs: list[Any] = []
    for _ in range(60):
        laughs = [laughs, laughs]
    assert reason(pickle.dumps({"tree": laughs}, 4)) == Refusal.repeated_container


def test_text_and_arrays_may_repeat() -> None:
    values = probabilities()
    found = unpickle(pickled({"tree": values, "beach": values, "names": ["a" * 9] * 3}))
    assert found["tree"] is found["beach"]
    assert found["names"] == ["a" * 9] * 3


def test_more_opcodes_than_an_honest_file_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcodes, "MAX_OPCODES", 100)
    assert unpickle(pickle.dumps(["a"] * 20, 4)) == ["a"] * 20
    assert reason(pickle.dumps([str(number) for number in range(60)], 4)) == Refusal.too_many_opcodes


@pytest.mark.parametrize(
    "state",
    [
        (1, (9,), np.dtype("f4"), False, b"\0" * 32),
        (1, (2**40,), np.dtype("f4"), False, b"\0" * 32),
        (1, (-8,), np.dtype("f4"), False, b"\0" * 32),
        (1, (8,), None, False, b"\0" * 32),
        (1, (8,), np.dtype("f4"), False, "text"),
        (1, (1, 1, 1, 1, 1, 8), np.dtype("f4"), False, b"\0" * 32),
        (8,),
        "text",
    ],
)
def test_an_array_whose_state_lies_is_refused(state: Any) -> None:
    empty = np.empty(0, np.float32).__reduce__()

    class Liar:
        def __reduce__(self) -> Any:
            return (*empty[:2], state)

    assert reason(pickle.dumps(Liar(), 4)) == Refusal.malformed_pickle


def test_a_pickle_cannot_change_the_stand_ins() -> None:
    function = b"cnumpy._core.multiarray\n_reconstruct\n"
    for state in (b"}X\x05\x00\x00\x00_callNs", b"N}X\x05\x00\x00\x00_callNs\x86"):
        assert reason(b"\x80\x02" + function + state + b"b.") == Refusal.malformed_pickle
    kind = b"cnumpy\nndarray\n"
    assert reason(b"\x80\x02" + kind + b"N}X\x06\x00\x00\x00valuesNs\x86b.") == Refusal.malformed_pickle
    assert reason(b"\x80\x02" + kind + b"J\x00\x00\x00\x7f\x85R.") == Refusal.malformed_pickle  # ndarray(2^31)
    assert set(unpickle(GOOD[4])) == {"tree", "beach"}


@settings(max_examples=250)
@given(data=st.data())
def test_whatever_bytes_are_changed_it_is_a_table_or_refused(data: st.DataObject) -> None:
    changed = bytearray(GOOD[data.draw(st.sampled_from(sorted(GOOD)))])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(changed) - 1))
        change = data.draw(st.sampled_from(["set", "delete", "insert", "cut"]))
        if change == "cut":
            del changed[position + 1 :]
        elif change == "delete" and len(changed) > 1:
            del changed[position]
        elif change == "insert":
            changed.insert(position, data.draw(st.integers(0, 255)))
        else:
            changed[position] = data.draw(st.integers(0, 255))
    try:
        found = coefficients(bytes(changed))
    except RefusedError:
        return
    assert all(values.shape == (8,) and abs(values.sum() - 1) < 1e-2 for values in found.values())
