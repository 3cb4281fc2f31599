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

from evoke.foreign import pickles
from evoke.foreign.artefacts import attributes, balance, coefficients
from evoke.foreign.pickles import parse, vector
from evoke.foreign.refusal import RefusedError
from tests.evoke.foreign.published import DOUBLED, Calls, little_memory, pickled, probabilities

GOOD = {protocol: pickled({"tree": probabilities(), "beach": probabilities(1)}, protocol) for protocol in (2, 3, 4, 5)}


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
    """Why a table of coefficients is refused."""
    with pytest.raises(RefusedError) as refused:
        coefficients(data, "scene")
    return refused.value.reason


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_of_both_numpys_come_back_under_every_protocol(protocol: int, core: str) -> None:
    values: dict[str, Any] = {dtype: probabilities().astype(dtype) for dtype in ("<f2", "<f4", "<f8", ">f4", ">f8")}
    values["strided"] = np.repeat(probabilities(), 2)[::2]
    others = {"n": None, "yes": True, "half": 0.5, "deep": [(1, -(2**40), "a")]}
    data = pickled(values | others, protocol, core)
    assert f"{core}.".encode() in data
    assert (core == "numpy.core") is (b"numpy._core" not in data)
    loaded = parse(data)
    for name, wanted in values.items():
        values = vector(name, loaded[name], 8)
        assert values.dtype == np.float32
        assert values.dtype.isnative
        np.testing.assert_array_equal(values, wanted.astype(np.float32))
    assert {name: loaded[name] for name in others} == others


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", hostile(Path("x")))
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(name: str, protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert reason(pickle.dumps(hostile(canary)[name], protocol)) == "forbidden_global"
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path: Path) -> None:
    for name in ("shell", "eval", "exec", "nested", "in_an_array"):
        canary = tmp_path / name
        pickle.loads(pickle.dumps(hostile(canary)[name]))
        assert canary.exists()


RECONSTRUCT, NDARRAY, DTYPE = b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "not_a_pickle"),
        (pickle.dumps([1], 0), "not_a_pickle"),
        (pickle.dumps([1], 1), "not_a_pickle"),
        (b"<html>no</html>", "not_a_pickle"),
        (GOOD[4] + b"more", "malformed_pickle"),
        (GOOD[4] + GOOD[4], "malformed_pickle"),
        (GOOD[4][:-20], "malformed_pickle"),
        (GOOD[4][:-1] + GOOD[4], "malformed_pickle"),
        (b"\x80\x04]r\xff\xff\xff\x7f.", "malformed_pickle"),  # a memo of 2^31
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.", "malformed_pickle"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"a.", "malformed_pickle"),  # a bytearray of 2^40
        (b"\x80\x04\x95" + struct.pack("<Q", 2**40) + GOOD[4][2:], "malformed_pickle"),  # a frame of 2^40
        (b"\x80\x02U\x01ai\x01.", "forbidden_opcode"),
        (b"\x80\x02(dK\x00.", "forbidden_opcode"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "forbidden_opcode"),  # persistent id
        (b"\x80\x02(X\x07\x00\x00\x00storageX\x01\x00\x00\x000h\x00tQ.", "malformed_pickle"),
        (b"\x80\x02\x82\x01.", "forbidden_opcode"),  # extension registry
        (pickle.dumps({1, 2}, 4), "forbidden_opcode"),
        (b"\x80\x02s.", "malformed_pickle"),
        (b"\x80\x02h\x07.", "malformed_pickle"),
        (b"\x80\x02\xff.", "malformed_pickle"),
        (b"\x80\x02]Nbq\x00h\x00\x86.", "malformed_pickle"),  # sets the state of a list
        (b"\x80\x02X\x01\x00\x00\x00a)R.", "malformed_pickle"),  # calls a text
        (b"\x80\x02}" + DOUBLED + b"K\x01s.", "wrong_keys"),  # would take for ever to hash
        (b"\x80\x02}N" + b"\x85" * 100_000 + b"K\x01s.", "wrong_keys"),  # would overflow the stack
        (b"\x80\x02}(N" + b"\x85" * 100_000 + b"K\x01u.", "wrong_keys"),
        (b"\x80\x02" + RECONSTRUCT + b"}X\x08\x00\x00\x00functionNsb.", "malformed_pickle"),  # a function's state
        (b"\x80\x02" + RECONSTRUCT + b"N}X\x08\x00\x00\x00functionNs\x86b.", "wrong_type"),
        (b"\x80\x02" + NDARRAY + b"N}X\x06\x00\x00\x00valuesNs\x86b.", "malformed_pickle"),
        (b"\x80\x02" + NDARRAY + b"J\x00\x00\x00\x7f\x85R.", "wrong_type"),  # ndarray(2^31)
        (b"\x80\x02" + DTYPE + b"X\x02\x00\x00\x00O8\x85RN}X\x01\x00\x00\x00aNs\x86b.", "wrong_type"),
    ],
)  # fmt: skip
def test_what_no_honest_pickle_holds_is_refused_by_name_and_takes_little_memory(data: bytes, wanted: str) -> None:
    with little_memory():
        assert reason(data) == wanted
    assert len(coefficients(GOOD[4], "scene")) == 2


def test_what_would_take_for_ever_to_print_is_refused_at_once() -> None:
    laughs: Any = []
    for _ in range(60):
        laughs = [laughs, laughs]
    assert reason(pickle.dumps({"tree": laughs}, 4)) == "wrong_type"
    assert reason(pickle.dumps({"tree": array(shape=(laughs,))}, 4)) == "wrong_shape"
    with pytest.raises(RefusedError, match="wrong_type: found list, expected text"):
        balance(pickle.dumps(laughs, 4), "scene")


def test_text_and_arrays_may_repeat() -> None:
    values = probabilities()
    rows = coefficients(pickled({"tree": values, "beach": values}), "scene")
    np.testing.assert_array_equal(rows[0]["mean"], rows[1]["mean"])
    assert parse(pickled(["a" * 9] * 3)) == ["a" * 9] * 3


def test_more_opcodes_than_an_honest_file_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_OPCODES", 100)
    assert parse(pickle.dumps(["a"] * 20, 4)) == ["a"] * 20
    with pytest.raises(RefusedError, match="too_many_opcodes"):
        parse(pickle.dumps([str(number) for number in range(60)], 4))


def array(**lies: Any) -> Any:
    """Return an object that pickles as an array whose parts may lie."""
    parts = {"shape": (8,), "dtype": np.dtype("f4"), "data": probabilities().tobytes()} | lies
    empty = np.empty(0, np.float32).__reduce__()
    state = lies.get("state", (1, parts["shape"], parts["dtype"], False, parts["data"]))
    return Calls(empty[0], *empty[1], state=state)


@pytest.mark.parametrize(
    ("liar", "wanted"),
    [
        (array(data=b"\0" * 28), "malformed_pickle"),
        (array(data=b"\0" * 33), "malformed_pickle"),
        (array(data=b"\0" * 64), "malformed_pickle"),
        (array(data="text"), "malformed_pickle"),
        (array(data=[0] * 8), "malformed_pickle"),
        (array(data=None), "malformed_pickle"),
        (array(dtype=None), "malformed_pickle"),
        (array(state=(8,)), "malformed_pickle"),
        (array(state="text"), "malformed_pickle"),
        (array(shape=8), "malformed_pickle"),
        (array(shape=(9,)), "wrong_shape"),
        (array(shape=(2**40,)), "wrong_shape"),
        (array(shape=(-8,)), "wrong_shape"),
        (array(shape=(-1,)), "wrong_shape"),
        (array(shape=(8.0,)), "wrong_shape"),
        (array(shape=()), "wrong_shape"),
        (array(shape=(1, 8)), "wrong_shape"),
        (array(shape=(1,) * 100), "wrong_shape"),
        (array(dtype=np.dtype("i4")), "wrong_type"),
        (array(dtype=np.dtype("O")), "wrong_type"),
        (array(dtype=np.dtype("S4")), "wrong_type"),
        (array(dtype=np.dtype([("a", "f4")])), "wrong_type"),
        (array(dtype=Calls(np.dtype, "f4", state=(3, "|", None, None, None, -1, -1, 0))), "wrong_type"),
        (np.float32(0.5), "forbidden_global"),
        (np.ones((2, 4), np.float32), "wrong_shape"),
        (np.asfortranarray(np.ones((2, 4), np.float32)), "wrong_shape"),
    ],
)
def test_an_array_of_another_kind_or_whose_state_lies_is_refused(liar: Any, wanted: str) -> None:
    assert reason(pickle.dumps({"tree": liar}, 4)) == wanted
    assert reason(pickle.dumps({"tree": liar}, 2)) == wanted


def test_an_array_is_no_name() -> None:
    with pytest.raises(RefusedError, match="wrong_type: found Call, expected text"):
        balance(pickle.dumps([np.ones(8)], 4), "scene")
    with pytest.raises(RefusedError, match="wrong_type: found Call, expected dict"):
        attributes(pickle.dumps(np.ones(8), 4), "scene")


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
        rows = coefficients(bytes(changed), "scene")
    except RefusedError:
        return
    assert all(row["mean"].shape == (8,) and abs(row["mean"].sum() - 1) < 1e-2 for row in rows)
