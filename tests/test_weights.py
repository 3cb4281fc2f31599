"""Weights files: the same bytes for the same input, with any number of metadata keys."""

import hashlib
from pathlib import Path

import pytest
import torch

from pipeline.weights import load_safetensors, save_safetensors

TENSORS = {
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "half": torch.ones(3, dtype=torch.float16),
    "brain": torch.full((2,), -0.5, dtype=torch.bfloat16),
    "scalar": torch.tensor(3),
    "empty": torch.zeros(0, 4),
    "flags": torch.tensor([True, False, True]),
}
METADATA = {f"key_{index}": "é" * index for index in range(20)}


def test_bytes_depend_on_the_input_alone(tmp_path: Path) -> None:
    hashes = set()
    for turn in range(8):
        names = list(TENSORS) if turn % 2 else list(reversed(TENSORS))
        path = tmp_path / f"{turn}.safetensors"
        save_safetensors(path, {name: TENSORS[name] for name in names}, dict(reversed(METADATA.items())))
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "weights.safetensors"
    save_safetensors(path, TENSORS, METADATA)
    loaded, metadata = load_safetensors(path)
    assert metadata == METADATA
    for name, tensor in TENSORS.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
        assert torch.equal(load_file(path)[name], tensor)


def test_no_metadata_and_no_tensors_are_fine(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "a.safetensors", {})
    assert load_safetensors(tmp_path / "a.safetensors") == ({}, {})


def test_wrong_metadata_and_wrong_files_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be strings"):
        save_safetensors(tmp_path / "a.safetensors", TENSORS, {"steps": 3})  # type: ignore[dict-item]
    path = tmp_path / "b.safetensors"
    for content in (b"", b"\x80\x04pickle", (2**60).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"b\.safetensors: not a safetensors file"):
            load_safetensors(path)
    with pytest.raises(ValueError, match=r"the weights file .* does not exist"):
        load_safetensors(tmp_path / "none.safetensors")
