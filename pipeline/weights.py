"""Write and read weights files whose bytes depend only on tensors and metadata.

The writer of safetensors 0.8 puts several metadata keys in random order, so the header is written here, in sorted
order. A trained module's file holds its trained parameters only; frozen weights come from elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from pipeline.work import written_aside

if TYPE_CHECKING:
    import numpy as np


def save_safetensors(
    path: Path, tensors: "Mapping[str, torch.Tensor]", metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors and metadata as safetensors, equal input as equal bytes, and load them back as a check.

    Layout: 8 bytes of header length, sorted JSON padded by spaces to a multiple of 8, then the data, widest type first
    so that all are aligned. Raises ValueError for metadata that is not text.
    """
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"metadata {key!r} = {value!r}: both must be strings; encode numbers with json.dumps")
    header, data = _layout(tensors)
    if metadata:
        header["__metadata__"] = dict(metadata)
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        with aside.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for block in data:
                file.write(block.data)
        _assert_same(aside, tensors)


def load_safetensors(path: Path, device: str = "cpu") -> "tuple[dict[str, torch.Tensor], dict[str, str]]":
    """Return the tensors and the metadata of a file.

    Raises ValueError that names the file if it is not a safetensors file, or if a number in it is not finite.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():  # opening a pipe would block
        raise ValueError(f"the weights file {path} does not exist")
    try:
        with safe_open(path, framework="pt", device=device) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file: {error}") from None
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise ValueError(
                f"{path}: {name} contains NaN or infinity; delete the file and create or download it again"
            )
    return tensors, metadata


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Turn the error of a block that loads damaged weights into a ValueError that names the folder and the remedy."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise ValueError(
            f"{folder}: its weights are damaged: {error}; delete it and run `dvc repro` to create it again"
        ) from None


def _layout(tensors: "Mapping[str, torch.Tensor]") -> "tuple[dict[str, object], list[np.ndarray]]":
    """Return the header without metadata, and the data in its order."""
    from safetensors.torch import _TYPES

    codes = {dtype: code for code, dtype in _TYPES.items()}
    header: dict[str, object] = {}
    data = []
    begin = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        block = _bytes_of(tensors[name]).numpy()
        end = begin + block.size
        shape = list(tensors[name].shape)
        header[name] = {"dtype": codes[tensors[name].dtype], "shape": shape, "data_offsets": [begin, end]}
        data.append(block)
        begin = end
    return header, data


def _assert_same(path: Path, tensors: "Mapping[str, torch.Tensor]") -> None:
    import torch

    loaded, _ = load_safetensors(path)
    assert loaded.keys() == tensors.keys(), f"{path}: names differ after writing"
    for name, tensor in tensors.items():
        assert loaded[name].shape == tensor.shape, f"{path}: the shape of {name} differs after writing"
        assert torch.equal(_bytes_of(loaded[name]), _bytes_of(tensor)), f"{path}: {name} differs after writing"


def _is_finite(tensor: "torch.Tensor") -> bool:
    """Return True if all numbers are finite; types of less than 16 bits, which torch cannot check, count as finite."""
    return tensor.element_size() < 2 or bool(tensor.isfinite().all())


def _bytes_of(tensor: "torch.Tensor") -> "torch.Tensor":
    """Return the memory of a tensor as a flat uint8 tensor."""
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def load_trained(module: nn.Module, file: Path, beside: str | None = None) -> None:
    """Copy the weights of a file into the parameters of a module that require gradients.

    `beside` is the prefix of such parameters that are stored elsewhere. Raises ValueError unless the file holds exactly
    the remaining ones.
    """
    wanted = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if beside is not None:
        wanted = {name: p for name, p in wanted.items() if not name.startswith(beside)}
    state, _ = load_safetensors(file)
    is_same = {name: t.shape for name, t in state.items()} == {name: p.shape for name, p in wanted.items()}
    if not is_same or not all(tensor.is_floating_point() for tensor in state.values()):
        raise ValueError(
            f"{file} does not match the weights recorded in meta.json; delete the folder and run `dvc repro`"
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(state[name])
