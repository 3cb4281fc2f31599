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

from pipeline.foreign import checkpoint
from pipeline.foreign.artefacts import classifier
from pipeline.foreign.checkpoint import checked, load_state_dict, load_tensor
from pipeline.foreign.refusal import Refusal, RefusedError
from tests.foreign.published import archived, entries_of, rewritten, saved, state_dict

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

    class Shell:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {canary}",)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pickle.dumps(OrderedDict({"fc.weight": Shell()}), protocol)
    wanted = {2: Refusal.forbidden_global, 4: Refusal.malformed_pickle}[protocol]
    assert reason(archived(NAMES | {PICKLE: data})) == wanted
    assert reason(archived({PICKLE: data})) == wanted
    assert not canary.exists()
    pickle.loads(data)
    assert canary.exists()


def test_globals_that_torch_itself_would_allow_are_refused_too() -> None:
    assert reason(saved({"sparse": torch.eye(3).to_sparse()})) == Refusal.forbidden_global
    assert reason(saved({"size": torch.Size([3])})) == Refusal.forbidden_global


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
        pytest.param(b"", Refusal.not_a_torch_zip, id="empty"),
        pytest.param(b"PK\x03\x04", Refusal.malformed_archive, id="signature_only"),
        pytest.param(legacy(), Refusal.not_a_torch_zip, id="legacy"),
        pytest.param(tarred(), Refusal.not_a_torch_zip, id="tar"),
        pytest.param(scripted(), Refusal.malformed_archive, id="torchscript"),
        pytest.param(pickle.dumps(1), Refusal.not_a_torch_zip, id="pickle"),
        pytest.param(GOOD[: len(GOOD) // 2], Refusal.malformed_archive, id="truncated"),
        pytest.param(GOOD[:-1], Refusal.malformed_archive, id="truncated_by_one"),
        pytest.param(archived({}), Refusal.not_a_torch_zip, id="no_entries"),
        pytest.param(archived({"archive/version": b"3"}), Refusal.malformed_archive, id="no_pickle"),
        pytest.param(archived(NAMES | {"../evil": b""}), Refusal.malformed_archive, id="parent"),
        pytest.param(archived(NAMES | {"/etc/passwd": b""}), Refusal.malformed_archive, id="absolute"),
        pytest.param(archived(NAMES | {"../data.pkl": b""}), Refusal.malformed_archive, id="parent_pickle"),
        pytest.param(archived(NAMES | {"archive/data/../x": b""}), Refusal.malformed_archive, id="parent_inside"),
        pytest.param(archived(NAMES | {"other/data/0": b""}), Refusal.malformed_archive, id="two_roots"),
        pytest.param(archived(NAMES | {"archive/code/x.py": b""}), Refusal.malformed_archive, id="code"),
        pytest.param(archived(NAMES, zipfile.ZIP_DEFLATED), Refusal.malformed_archive, id="compressed"),
        pytest.param(archived({**NAMES, PICKLE: b""}), Refusal.malformed_pickle, id="empty_pickle"),
        pytest.param(repeated(), Refusal.malformed_archive, id="repeated"),
        pytest.param(archived({**NAMES, "archive/data/0": b"\0" * 8}), Refusal.malformed_archive, id="short_storage"),
        pytest.param(lying(struct.pack("<H", 6144), b"\xff\xff"), Refusal.malformed_archive, id="storage_lies"),
        pytest.param(lying(b"\x08M\x00\x03\x86", b"\xffM\xff\xff\x86"), Refusal.malformed_archive, id="size_lies"),
        pytest.param(lying(b"\x08M\x00\x03\x86", b"\x08Mcd\x86"), Refusal.malformed_archive, id="beyond_storage"),
        pytest.param(saved([torch.ones(2)]), Refusal.wrong_type, id="list"),
        pytest.param(saved({"a": 1}), Refusal.wrong_type, id="numbers"),
        pytest.param(saved(torch.ones(2)), Refusal.wrong_type, id="tensor"),
        pytest.param(saved({"a": torch.ones(1).expand(9, 2**20)}), Refusal.wrong_shape, id="expanded"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused_by_name(data: bytes, wanted: Refusal) -> None:
    assert reason(data) == wanted


def test_too_many_entries_and_too_many_bytes_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_ENTRIES", 3)
    assert reason(GOOD) == Refusal.malformed_archive
    monkeypatch.setattr(checkpoint, "MAX_CHECKPOINT_BYTES", 100)
    assert reason(GOOD) == Refusal.malformed_archive


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"fc.weight": torch.ones(8, 512)}, Refusal.wrong_shape),
        ({"fc.weight": torch.ones(768, 8).T.reshape(8, 768)[:7]}, Refusal.wrong_shape),
        ({"fc.bias": torch.ones(())}, Refusal.wrong_shape),
        ({"fc.bias": torch.full((8,), torch.nan)}, Refusal.not_finite),
        ({"fc.weight": torch.full((8, 768), -torch.inf)}, Refusal.not_finite),
        ({"fc.bias": torch.ones(8, dtype=torch.int64)}, Refusal.wrong_type),
        ({"extra": torch.ones(1)}, Refusal.wrong_keys),
    ],
)
def test_a_classifier_of_another_make_is_refused_by_name(changes: dict[str, Any], wanted: Refusal) -> None:
    assert reason(saved(state_dict() | changes), classifier) == wanted
    assert reason(saved({"fc.weight": torch.ones(8, 768)}), classifier) == Refusal.wrong_keys


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_bytes_are_changed_it_is_a_classifier_or_refused(data: st.DataObject) -> None:
    in_pickle = data.draw(st.booleans())
    changed = bytearray(NAMES[PICKLE] if in_pickle else GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        weight, bias = classifier(archived(NAMES | {PICKLE: bytes(changed)}) if in_pickle else bytes(changed))
    except RefusedError:
        return
    assert (weight.shape, bias.shape) == ((8, 768), (8,))
    assert bool(weight.isfinite().all() and bias.isfinite().all())
