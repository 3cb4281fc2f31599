"""Load tensors from a torch checkpoint in zip format, on the CPU, by torch's weights_only loading.

The archive is checked and rewritten first, so that torch reads the checked entries and no others; it may hold only
dense tensors. TorchScript and the tar and pickle formats of torch before 1.6 are refused.
"""

import io
import re
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any

from evoke.foreign.pickles import ORDERED_DICT, parse
from evoke.foreign.refusal import RefusedError, refused_as
from pipeline.corpora.records import shown

if TYPE_CHECKING:
    import torch


MAX_CHECKPOINT_BYTES = 512 << 20  # EmoGen's largest, a ResNet-50, has 109 MB
MAX_ENTRIES = 10_000

_DIRECTORY_ENTRY = b"PK\x01\x02"
_STORAGES = frozenset(f"torch.{kind}Storage" for kind in ("BFloat16", "Half", "Float", "Double", "Int", "Long"))
_NAMES = _STORAGES | {ORDERED_DICT, "torch._utils._rebuild_tensor_v2"}  # torch allows more: bytearray(2**33), say
_ENTRY = re.compile(
    r"(?!\.\.?/)[^/\\\x00]+/"
    r"(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)


def load_state_dict(data: bytes) -> "dict[str, torch.Tensor]":
    """Return the tensors of a saved state dict by name. Raises RefusedError if the file does not hold one."""
    loaded = _load(data)
    if not isinstance(loaded, dict):
        raise RefusedError("wrong_type", f"found {type(loaded).__name__}, expected a dictionary of tensors")
    tensors = {name: _whole(name, tensor, len(data)) for name, tensor in dict.items(loaded)}
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if num_bytes > MAX_CHECKPOINT_BYTES:  # many views of one storage
        raise RefusedError(
            "wrong_shape", f"the tensors have {num_bytes} bytes, at most {MAX_CHECKPOINT_BYTES} are read"
        )
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def load_tensor(data: bytes) -> "torch.Tensor":
    """Return the only tensor of a file. Raises RefusedError if the file does not hold one tensor."""
    return _whole("the file", _load(data), len(data)).contiguous()


def checked(name: str, tensor: "torch.Tensor", shape: tuple[int, ...]) -> "torch.Tensor":
    """Return a tensor as float32. Raises RefusedError unless it is of that shape, floating-point and finite."""
    if tuple(tensor.shape) != shape:
        raise RefusedError("wrong_shape", f"{name} has shape {list(tensor.shape)}, expected {list(shape)}")
    if not tensor.is_floating_point():
        raise RefusedError("wrong_type", f"{name} has type {tensor.dtype}, expected floating-point numbers")
    single = tensor.float()
    if not single.isfinite().all():
        raise RefusedError("not_finite", f"{name} contains NaN or infinity")
    return single


def _load(data: bytes) -> Any:
    import torch

    entries = _entries(data)
    (pickled,) = (content for name, content in entries.items() if name.endswith("/data.pkl"))
    if not pickled.startswith(b"\x80\x02"):
        raise RefusedError("malformed_pickle", f"data.pkl begins with {pickled[:8]!r}, not with protocol 2")
    parse(pickled, _NAMES)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    buffer.seek(0)
    with refused_as("malformed_archive"):
        return torch.load(buffer, weights_only=True, map_location="cpu")


def _entries(data: bytes) -> dict[str, bytes]:
    """Return the entries of a torch archive by name. Raises RefusedError unless they are what torch.save writes.

    Entries must be stored without compression and occur once, so that they cannot hold more than the file does.
    """
    if not data.startswith(b"PK\x03\x04"):
        remedy = "if you trust it, load it with torch and save it again with torch.save"
        raise RefusedError("not_a_torch_zip", f"not a checkpoint, or saved by torch before 1.6; {remedy}")
    if data.count(_DIRECTORY_ENTRY) > MAX_ENTRIES:
        raise RefusedError("malformed_archive", f"the archive has more than {MAX_ENTRIES} entries")
    with refused_as("malformed_archive"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        names = Counter(info.filename for info in infos)
        for info in infos:
            if not _ENTRY.fullmatch(info.filename) or info.compress_type != zipfile.ZIP_STORED:
                raise RefusedError(
                    "malformed_archive",
                    f"{shown(info.filename)} is compressed, or is not an entry that torch.save writes",
                )
        if len(infos) != len(names) or sum(info.file_size for info in infos) > len(data):
            raise RefusedError("malformed_archive", "entries of the archive repeat or overlap")
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1 or f"{min(roots)}/data.pkl" not in names:
            raise RefusedError("malformed_archive", "expected one folder with one data.pkl")
        return {name: archive.read(name) for name in names}


def _whole(name: str, tensor: Any, num_bytes: int) -> "torch.Tensor":
    """Return a dense tensor, detached. Raises RefusedError if it claims to be larger than its file."""
    import torch

    if type(tensor) is not torch.Tensor:
        raise RefusedError("wrong_type", f"{shown(name)} holds {type(tensor).__name__}, expected a tensor")
    if tensor.numel() * tensor.element_size() > num_bytes or tensor.untyped_storage().nbytes() > num_bytes:
        raise RefusedError(
            "wrong_shape", f"{shown(name)} has shape {list(tensor.shape)}, which is larger than its file"
        )
    return tensor.detach()
