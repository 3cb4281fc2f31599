"""Torch checkpoints give checked tensors on the CPU or are refused by name, and run nothing."""

import io
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoke.foreign import checkpoint
from evoke.foreign.artefacts import classifier
from evoke.foreign.checkpoint import checked, load_state_dict, load_tensor
from evoke.foreign.refusal import RefusedError
from tests.evoke.foreign.published import (
    DOUBLED,
    Calls,
    archived,
    entries_of,
    little_memory,
    rewritten,
    saved,
    state_dict,
)

GOOD = saved(state_dict())
NAMES = {info.filename: content for info, content in entries_of(GOOD)}
PICKLE = "archive/data.pkl"


def reason(data: bytes, load: Callable[[bytes], Any] = load_state_dict) -> Any:
    with pytest.raises(RefusedError) as refused:
        load(data)
    return refused.value.reason


@pytest.mark.skipif(torch.cuda.device_count() > 4, reason="this machine has a cuda:4")
def test_storages_of_a_device_that_is_not_here_come_to_the_cpu() -> None:
    data = saved(state_dict(), "cuda:4")
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(io.BytesIO(data), weights_only=True)
    loaded = load_state_dict(data)
    for name, tensor in state_dict().items():
        assert loaded[name].device.type == "cpu"
        assert torch.equal(loaded[name], tensor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype) -> None:
    values = checked("x", load_tensor(saved(torch.arange(4).to(dtype))), (4,))
    assert values.dtype == torch.float32
    assert values.tolist() == [0, 1, 2, 3]


def test_a_view_of_a_larger_storage_and_a_parameter_are_tensors_of_their_own() -> None:
    wide = torch.arange(12.0).reshape(3, 4)
    loaded = load_state_dict(saved({"column": wide[:, 1], "grown": wide.clone().requires_grad_()}))
    assert loaded["column"].tolist() == [1, 5, 9]
    assert loaded["column"].is_contiguous()
    assert not loaded["grown"].requires_grad


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_data_pkl_is_refused_and_nothing_of_it_runs(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(OrderedDict({"fc.weight": Calls(os.system, f"touch {canary}")}), protocol)
    wanted = {2: "forbidden_global", 4: "malformed_pickle"}[protocol]
    assert reason(archived(NAMES | {PICKLE: data})) == wanted
    assert reason(archived({PICKLE: data})) == wanted
    assert not canary.exists()
    pickle.loads(data)
    assert canary.exists()


def test_a_state_dict_of_a_module_is_read_with_its_metadata() -> None:
    linear = torch.nn.Linear(768, 8)
    assert "_metadata" in vars(linear.state_dict())
    data = saved(OrderedDict((f"fc.{name}", tensor) for name, tensor in linear.state_dict().items()))
    assert torch.equal(classifier(data)["weight"], linear.weight)
    assert load_state_dict(saved(linear.state_dict())).keys() == {"weight", "bias"}


@pytest.mark.parametrize(
    "value",
    [torch.eye(3).to_sparse(), torch.Size([3]), torch.nn.Parameter(torch.ones(1)), {1}],
    ids=lambda value: type(value).__name__,
)
def test_globals_that_torch_itself_would_allow_are_refused_too(value: Any) -> None:
    assert reason(saved({"value": value})) == "forbidden_global"


STORAGE = b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nh\x3cX\x03\x00\x00\x00cpuK\x01"


@pytest.mark.parametrize(
    ("pickled", "wanted"),
    [
        (b"}" + DOUBLED + b"K\x01s.", "wrong_keys"),
        (b"ccollections\nOrderedDict\n" + DOUBLED + b"K\x01\x86\x85\x85R.", "malformed_pickle"),
        (b"ccollections\nOrderedDict\n)R" + DOUBLED + b"K\x01\x86\x85b.", "malformed_pickle"),
        (DOUBLED + b"(" + STORAGE + b"tQ.", "forbidden_opcode"),
    ],
    ids=["key", "argument", "state", "storage"],
)
def test_what_would_take_for_ever_to_hash_is_refused_at_once(pickled: bytes, wanted: str) -> None:
    assert reason(archived(NAMES | {PICKLE: b"\x80\x02" + pickled})) == wanted


def test_the_state_of_a_dictionary_does_not_hide_its_entries() -> None:
    hidden = OrderedDict(state_dict())
    vars(hidden).update(itemz=1)
    data = rewritten(saved(hidden), b"itemz", b"items")
    assert classifier(data).keys() == {"weight", "bias"}


def test_views_that_together_are_larger_than_any_checkpoint_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.ones(100, 90)
    data = saved({str(index): matrix.T for index in range(20)})
    assert len(load_state_dict(data)) == 20
    monkeypatch.setattr(checkpoint, "MAX_CHECKPOINT_BYTES", 500_000)
    assert reason(data) == "wrong_shape"


def lying(old: bytes, new: bytes) -> bytes:
    return rewritten(GOOD, old, new)


def legacy() -> bytes:
    buffer = io.BytesIO()
    torch.save(state_dict(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def repeated() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for content in (NAMES[PICKLE], b"other"):
            archive.writestr(PICKLE, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        pytest.param(b"", "not_a_torch_zip", id="empty"),
        pytest.param(b"PK\x03\x04", "malformed_archive", id="signature_only"),
        pytest.param(legacy(), "not_a_torch_zip", id="legacy"),
        pytest.param(tarred(), "not_a_torch_zip", id="tar"),
        pytest.param(scripted(), "malformed_archive", id="torchscript"),
        pytest.param(pickle.dumps(1), "not_a_torch_zip", id="pickle"),
        pytest.param(GOOD[: len(GOOD) // 2], "malformed_archive", id="truncated"),
        pytest.param(GOOD[:-1], "malformed_archive", id="truncated_by_one"),
        pytest.param(archived({}), "not_a_torch_zip", id="no_entries"),
        pytest.param(archived({"archive/version": b"3"}), "malformed_archive", id="no_pickle"),
        pytest.param(archived(NAMES | {"../evil": b""}), "malformed_archive", id="parent"),
        pytest.param(archived(NAMES | {"/etc/passwd": b""}), "malformed_archive", id="absolute"),
        pytest.param(archived(NAMES | {"../data.pkl": b""}), "malformed_archive", id="parent_pickle"),
        pytest.param(archived(NAMES | {"archive/data/../x": b""}), "malformed_archive", id="parent_inside"),
        pytest.param(archived(NAMES | {"other/data/0": b""}), "malformed_archive", id="two_roots"),
        pytest.param(archived(NAMES | {"archive/code/x.py": b""}), "malformed_archive", id="code"),
        pytest.param(archived(NAMES, zipfile.ZIP_DEFLATED), "malformed_archive", id="compressed"),
        pytest.param(archived({**NAMES, PICKLE: b""}), "malformed_pickle", id="empty_pickle"),
        pytest.param(repeated(), "malformed_archive", id="repeated"),
        pytest.param(archived({**NAMES, "archive/data/0": b"\0" * 8}), "malformed_archive", id="short_storage"),
        pytest.param(lying(struct.pack("<H", 6144), b"\xff\xff"), "malformed_archive", id="storage_lies"),
        pytest.param(lying(b"\x08M\x00\x03\x86", b"\xffM\xff\xff\x86"), "malformed_archive", id="size_lies"),
        pytest.param(lying(b"\x08M\x00\x03\x86", b"\x08Mcd\x86"), "malformed_archive", id="beyond_storage"),
        pytest.param(
            archived(NAMES | {"archive/data/1": bytes(2**27)}, zipfile.ZIP_DEFLATED), "malformed_archive", id="bomb"
        ),
        pytest.param(saved({"a": Calls(bytearray, 2**33)}), "forbidden_global", id="bytearray"),
        pytest.param(saved({"a": torch.ones(1).expand(2**33)}), "wrong_shape", id="much_expanded"),
        pytest.param(saved([torch.ones(2)]), "wrong_type", id="list"),
        pytest.param(saved({"a": 1}), "wrong_type", id="numbers"),
        pytest.param(saved(torch.ones(2)), "wrong_type", id="tensor"),
        pytest.param(saved({"a": torch.ones(1).expand(9, 2**20)}), "wrong_shape", id="expanded"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused_by_name_and_takes_little_memory(data: bytes, wanted: str) -> None:
    with little_memory():
        assert reason(data) == wanted


def test_too_many_entries_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_ENTRIES", 3)
    assert reason(GOOD) == "malformed_archive"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"fc.weight": torch.ones(8, 512)}, "wrong_shape"),
        ({"fc.weight": torch.ones(768, 8).T.reshape(8, 768)[:7]}, "wrong_shape"),
        ({"fc.bias": torch.ones(())}, "wrong_shape"),
        ({"fc.bias": torch.full((8,), torch.nan)}, "not_finite"),
        ({"fc.weight": torch.full((8, 768), -torch.inf)}, "not_finite"),
        ({"fc.bias": torch.ones(8, dtype=torch.int64)}, "wrong_type"),
        ({"extra": torch.ones(1)}, "wrong_keys"),
    ],
)
def test_a_classifier_of_another_make_is_refused_by_name(changes: dict[str, Any], wanted: str) -> None:
    assert reason(saved(state_dict() | changes), classifier) == wanted
    assert reason(saved({"fc.weight": torch.ones(8, 768)}), classifier) == "wrong_keys"


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_bytes_are_changed_it_is_a_classifier_or_refused(data: st.DataObject) -> None:
    in_pickle = data.draw(st.booleans())
    changed = bytearray(NAMES[PICKLE] if in_pickle else GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        layer = classifier(archived(NAMES | {PICKLE: bytes(changed)}) if in_pickle else bytes(changed))
    except RefusedError:
        return
    weight, bias = layer["weight"], layer["bias"]
    assert (weight.shape, bias.shape) == ((8, 768), (8,))
    assert bool(weight.isfinite().all() and bias.isfinite().all())
