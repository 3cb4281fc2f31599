"""Where and how fast a stage runs, by the environment EVOKE_*: nothing here may change a result. And seeded generators.

EVOKE_DEVICE: cpu, cuda, cuda:1. EVOKE_THREADS: threads of torch, 1 by default, as more of them change low bits and
serve models of this size less than `evoke repro` does, which makes stages side by side.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Key = str | int | None
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
T = TypeVar("T")


def device() -> "torch.device":
    """EVOKE_DEVICE, else a GPU if there is one, else the CPU. Raises ValueError for a device that is not there."""
    import torch

    torch.set_num_threads(threads())
    own = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"  # of several that train together
    wanted = os.environ.get("EVOKE_DEVICE") or (own if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"EVOKE_DEVICE = {wanted!r}: allowed are cpu, cuda, cuda:<index>") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"EVOKE_DEVICE = {wanted!r}: torch finds no GPU; unset it to run on the CPU")
    return found


def fast_autocast(device: "torch.device") -> "torch.autocast":
    """bf16 where the device multiplies it fast, fp32 elsewhere: for what is rounded more coarsely afterwards anyway.

    Weights are cast anew at each use on a GPU: a captured step may not cache them.
    """
    import torch

    fast = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast, cache_enabled=device.type != "cuda")


@contextmanager
def fast_attention(device: "torch.device") -> Iterator[None]:
    """Within autocast to bf16 on a CPU the plain kernel of attention, in bf16 throughout: a step of the miniature U-Net
    takes .75 s, with the plain one in fp32 .89, with torch's fused one, which is slow backwards, 1.23.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        yield
        return
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()  # of every device, whatever its name says
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(before)


def device_class() -> str:
    """cpu or cuda, as `device` will choose, told without torch (which takes two seconds to import)."""
    wanted = os.environ.get("EVOKE_DEVICE")
    if wanted:
        return wanted.split(":")[0]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1")
    return "cuda" if visible and Path("/dev/nvidiactl").exists() else "cpu"


def threads() -> int:
    """EVOKE_THREADS, else 1. Raises ValueError unless it is a whole number >= 1."""
    return whole_number("EVOKE_THREADS", 1)


def processes() -> int:
    """EVOKE_PROCESSES: that train together, each on a GPU of its own; else 1. ValueError unless a whole number >= 1."""
    return whole_number("EVOKE_PROCESSES", 1)


def rank() -> int:
    """Which of the processes that train together this is, as torchrun and accelerate tell it; 0 leads, or is alone."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0


def workers() -> int:
    """EVOKE_WORKERS: processes that decode pictures ahead; else none on a CPU, and with a GPU the cores but one, to 16.

    Raises ValueError unless it is a whole number.
    """
    spare = min((os.cpu_count() or 1) - 1, 16) if device_class() == "cuda" else 0
    return whole_number("EVOKE_WORKERS", spare, least=0)


def whole_number(name: str, default: int, least: int = 1) -> int:
    """What the environment says under a name, else the default. ValueError unless a whole number from least on."""
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"{name} = {value!r}: allowed is a whole number{f' >= {least}' if least else ''}")
    return int(value)


def log_level() -> str:
    """EVOKE_LOG, INFO by default. Raises ValueError for a level that logging does not know."""
    level = os.environ.get("EVOKE_LOG", "INFO").upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"EVOKE_LOG = {level!r}: allowed are {', '.join(LOG_LEVELS)}")
    return level


def forbid_downloads() -> None:
    """Makes every Hugging Face library work from disk alone, without the progress bars of loading, which fill logs.

    To be called before any of them is imported.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")


def seed_of(*keys: Key) -> int:
    """A seed in [0, 2^63) that depends on every key and on their order, equal on every machine."""
    digest = hashlib.sha256(json.dumps(keys).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator(*keys: Key) -> np.random.Generator:
    """The generator of these keys, such as (seed, stage, item)."""
    return np.random.default_rng(seed_of(*keys))


def torch_generator(*keys: Key) -> "torch.Generator":
    """The CPU generator of these keys: draws are the same whatever the device."""
    import torch

    return torch.Generator().manual_seed(seed_of(*keys))


def progress(items: Iterable[T], total: int | None = None, desc: str = "") -> Iterable[T]:
    """The items, with a bar on a terminal's standard error and silence elsewhere."""
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, total=total, desc=desc, file=sys.stderr, disable=None, leave=False)
    return bar
