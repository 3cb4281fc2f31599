"""Load tensors from a torch checkpoint in zip format, on the CPU, by torch's weights_only loading.

The archive is checked and rewritten before torch sees it, so that torch reads the checked entries and no others; it may
hold only dense tensors. TorchScript and the tar and pickle formats of torch before 1.6 are refused.
"""

import io
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from pipeline.corpora.records import shown
from pipeline.foreign.opcodes import PLAIN, scan
from pipeline.foreign.refusal import Refusal, RefusedError
from pipeline.foreign.unpickle import LOADER_ERRORS

if TYPE_CHECKING:
    import torch

MAX_CHECKPOINT_BYTES = 512 << 20  # EmoGen's largest, a ResNet-50, has 109 MB
MAX_ENTRIES = 10_000
LEGACY = "a file of torch before 1.6, or no checkpoint; load it where you trust it and torch.save it again"

_PROTOCOL = b"\x80\x02"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_STORAGES = frozenset(f"torch {kind}Storage" for kind in ("BFloat16", "Half", "Float", "Double", "Int", "Long"))
_GLOBALS = _STORAGES | {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"}
_OPCODES = (PLAIN - {"STACK_GLOBAL"}) | {"BINPERSID"}
_ENTRY = re.compile(
    r"(?P<root>[^/\\\x00]+)/"
    r"(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, NotImplementedError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip


def load_state_dict(data: bytes) -> "dict[str, torch.Tensor]":
    """Return the tensors of a saved state dict by name, on the CPU whatever device they were saved on.

    Raises RefusedError if the file does not hold a state dict.
    """
    import torch

    loaded = _load(data)
    if not isinstance(loaded, dict) or not all(type(tensor) is torch.Tensor for tensor in loaded.values()):
        raise RefusedError(Refusal.wrong_type, f"{type(loaded).__name__}, not a dictionary of tensors")
    return {name: _whole(name, tensor, len(data)) for name, tensor in loaded.items()}


def load_tensor(data: bytes) -> "torch.Tensor":
    """Return the only tensor of a file, on the CPU. Raises RefusedError if the file does not hold one tensor."""
    import torch

    loaded = _load(data)
    if type(loaded) is not torch.Tensor:
        raise RefusedError(Refusal.wrong_type, f"{type(loaded).__name__}, not one tensor")
    return _whole("the tensor", loaded, len(data))


def checked(name: str, tensor: "torch.Tensor", shape: tuple[int, ...]) -> "torch.Tensor":
    """Return a floating-point tensor of the given shape as float32.

    Raises RefusedError for any other tensor: wrong_shape, wrong_type or not_finite.
    """
    if tuple(tensor.shape) != shape:
        raise RefusedError(Refusal.wrong_shape, f"{name} is {list(tensor.shape)}, wanted {list(shape)}")
    if not tensor.is_floating_point():
        raise RefusedError(Refusal.wrong_type, f"{name} is {tensor.dtype}, wanted floating numbers")
    single = tensor.float()
    if not single.isfinite().all():
        raise RefusedError(Refusal.not_finite, f"{name} holds NaN or an infinity")
    return single


def _load(data: bytes) -> Any:
    import torch

    if len(data) > MAX_CHECKPOINT_BYTES:
        raise RefusedError(Refusal.malformed_archive, f"{len(data)} bytes, at most {MAX_CHECKPOINT_BYTES} are read")
    entries = _entries(data)
    (pickled,) = (entries[name] for name in entries if name.endswith("/data.pkl"))
    if not pickled.startswith(_PROTOCOL):
        raise RefusedError(Refusal.malformed_pickle, f"data.pkl begins with {pickled[:8]!r}, not with protocol 2")
    forbidden = scan(pickled, _OPCODES, calls_may_repeat=False) - _GLOBALS
    if forbidden:
        raise RefusedError(Refusal.forbidden_global, f"it calls for {shown(min(forbidden))}; nothing of it ran")
    try:
        return torch.load(_archive(entries), weights_only=True, map_location="cpu")
    except (*LOADER_ERRORS, AssertionError, OSError) as error:
        raise RefusedError(Refusal.malformed_archive, f"torch cannot load it: {shown(str(error))}") from None


def _entries(data: bytes) -> dict[str, bytes]:
    """Return the entries of a torch archive by name. Raises RefusedError unless they are what torch.save writes.

    Entries must be stored without compression and occur once, so that they cannot hold more than the file does.
    """
    if not data.startswith(b"PK\x03\x04"):
        raise RefusedError(Refusal.not_a_torch_zip, LEGACY)
    if data.count(_DIRECTORY_ENTRY) > MAX_ENTRIES:
        raise RefusedError(Refusal.malformed_archive, f"more than {MAX_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_listing(archive.infolist(), len(data))
            return {info.filename: archive.read(info) for info in archive.infolist()}
    except RefusedError:
        raise
    except _ZIP_ERRORS as error:
        raise RefusedError(Refusal.malformed_archive, f"truncated or damaged: {shown(str(error))}") from None


def _check_listing(infos: list[zipfile.ZipInfo], num_bytes: int) -> None:
    matches = [_ENTRY.fullmatch(info.filename) for info in infos]
    for info, match in zip(infos, matches, strict=True):
        if match is None or match["root"] in (".", ".."):
            raise RefusedError(Refusal.malformed_archive, f"entry {shown(info.filename)} is none of torch.save's")
        if info.compress_type != zipfile.ZIP_STORED:
            raise RefusedError(Refusal.malformed_archive, f"entry {shown(info.filename)} is compressed")
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or sum(info.file_size for info in infos) > num_bytes:
        raise RefusedError(Refusal.malformed_archive, "entries that repeat or overlap")
    if sum(name.endswith("/data.pkl") for name in names) != 1 or len({match["root"] for match in matches if match}) > 1:
        raise RefusedError(Refusal.malformed_archive, "not one folder with one data.pkl")


def _archive(entries: dict[str, bytes]) -> io.BytesIO:
    """Return the entries as a new zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    buffer.seek(0)
    return buffer


def _whole(name: str, tensor: "torch.Tensor", num_bytes: int) -> "torch.Tensor":
    """Return the tensor, contiguous and detached. Raises RefusedError if it claims to be larger than its file."""
    if tensor.numel() * tensor.element_size() > num_bytes or tensor.untyped_storage().nbytes() > num_bytes:
        raise RefusedError(Refusal.wrong_shape, f"{shown(name)} is {list(tensor.shape)}, larger than its file")
    return tensor.detach().contiguous()
