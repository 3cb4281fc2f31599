"""Choose where and how fast a stage runs, from EVOKE_* environment variables, and provide seeded generators.

None of these variables may change a result. EVOKE_DEVICE is cpu, cuda or cuda:1. EVOKE_THREADS is the number of torch
threads, 1 by default: more threads change low bits, and for models of this size they help less than `evoke repro`,
which runs stages in parallel.
"""

import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Key = str | int | None
Precision = Literal["fp32", "bf16"]
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})  # names in /proc/cpuinfo, x86 and ARM
LESSER_ISAS = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"})  # oneDNN, no bf16
LESSER_CAPABILITIES = frozenset({"default", "avx2"})  # ATen, no bf16
INTEL = "GenuineIntel"  # as /proc/cpuinfo names the maker
CPU_INFO = Path("/proc/cpuinfo")
T = TypeVar("T")

log = logging.getLogger("evoke")


def device() -> "torch.device":
    """Return the device of EVOKE_DEVICE, else a GPU if there is one, else the CPU.

    It also sets torch's number of threads. Raises ValueError for a device that does not exist.
    """
    import torch

    torch.set_num_threads(threads())
    own = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"  # distributed training
    name = os.environ.get("EVOKE_DEVICE") or (own if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise ValueError(f"EVOKE_DEVICE = {name!r}: allowed are cpu, cuda, cuda:<index>") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"EVOKE_DEVICE = {name!r}: torch finds no GPU; unset EVOKE_DEVICE to run on the CPU")
    return chosen


def autocast(precision: Precision, device: "torch.device") -> "torch.autocast":
    """Return the context in which a model computes in `precision_of(precision)`; its weights stay fp32.

    A GPU casts weights anew at each use, because a captured step must not cache the casts.
    """
    import torch

    enabled = precision_of(precision, device.type) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=device.type != "cuda")


@cache
def precision_of(precision: Precision, device_type: str) -> Precision:
    """Return the number format that a device computes in: bf16 if requested and multiplied natively, else fp32.

    A CPU without bf16 units emulates bf16 20 to 60 times slower than it multiplies fp32. A deviation from the params is
    logged once.
    """
    if precision == "bf16" and not multiplies_bf16(device_type):
        log.info("this device cannot multiply bf16 natively: computing in fp32")
        return "fp32"
    return precision


@cache
def multiplies_bf16(device_type: str) -> bool:
    """Return True if a device type ("cpu" or "cuda") multiplies bf16 faster than fp32.

    This holds for GPUs from sm80 on and for CPUs with AMX, ARM's BF16, or AVX512_BF16 by another maker than Intel:
    Intel's takes 1.8 times as long as its fp32 (docs/LOG.md). ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY, which
    restrict torch's kernels, are respected. torch is imported only for a GPU, because the fingerprint of every stage
    calls this function.
    """
    if device_type == "cuda":
        import torch

        return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper() in LESSER_ISAS:
        return False
    if os.environ.get("ATEN_CPU_CAPABILITY", "").lower() in LESSER_CAPABILITIES:
        return False
    fast = BF16_FLAGS - ({"avx512_bf16"} if _cpu_field("vendor_id") == INTEL else set())
    return bool(fast & cpu_flags())


def numbers() -> str:
    """Return the device type and what `precision: bf16` computes in on it, such as "cpu, bf16 as fp32".

    It is part of the fingerprint of a stage's work, so that a checkpoint never continues in another number format.
    """
    kind = device_class()
    return f"{kind}, bf16" if multiplies_bf16(kind) else f"{kind}, bf16 as fp32"


def cpu_name() -> str:
    """Return the CPU's name and the best of its instruction sets that torch's kernels use, for display."""
    name = _cpu_field("model name") or platform.processor() or platform.machine()
    best = "bf16" if multiplies_bf16("cpu") else os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    best = best or next((flag for flag in ("avx512f", "avx2") if flag in cpu_flags()), "no avx2")
    return f"{name} ({best})"


@cache
def cpu_flags() -> frozenset[str]:
    """Return the CPU's instruction sets as Linux or macOS names them; empty if neither lists them."""
    if sys.platform == "darwin":
        result = subprocess.run(["sysctl", "-n", "hw.optional.arm.FEAT_BF16"], capture_output=True, text=True)
        return frozenset({"bf16"} if result.stdout.strip() == "1" else ())
    return frozenset(_cpu_field("flags", "features").split())


def _cpu_field(*names: str) -> str:
    """Return the value of the first field of /proc/cpuinfo that begins with one of the names; empty if none does."""
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines() if CPU_INFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.lower().startswith(names)), "")


@contextmanager
def fast_attention(device: "torch.device") -> Iterator[None]:
    """Use PyTorch's plain attention kernel, entirely in bf16, inside a CPU autocast to bf16.

    A training step of the miniature U-Net takes .75 s this way, .89 s with the plain kernel in fp32, and 1.23 s with
    torch's fused kernel, whose backward pass is slow. On other devices, or without bf16 autocast, nothing changes.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        yield
        return
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()  # not for CUDA only, despite its name
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(before)


def device_class() -> str:
    """Return "cpu" or "cuda", as `device` will choose, without importing torch.

    Importing torch takes two seconds.
    """
    name = os.environ.get("EVOKE_DEVICE")
    if name:
        return name.split(":")[0]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1")
    return "cuda" if visible and Path("/dev/nvidiactl").exists() else "cpu"


def threads() -> int:
    """Return EVOKE_THREADS, 1 by default. Raises ValueError unless it is a whole number >= 1."""
    return whole_number("EVOKE_THREADS", 1)


def processes() -> int:
    """Return EVOKE_PROCESSES, 1 by default: the number of processes that train together, each on its own GPU.

    Raises ValueError unless it is a whole number >= 1.
    """
    return whole_number("EVOKE_PROCESSES", 1)


def rank() -> int:
    """Return this process's rank in a distributed training, as torchrun and accelerate set it; 0 leads or is alone."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0


def workers() -> int:
    """Return EVOKE_WORKERS, the number of processes that decode images ahead.

    The default is 0 on a CPU; with a GPU it is the number of cores minus one, at most 16. Raises ValueError unless it
    is a whole number.
    """
    spare = min((os.cpu_count() or 1) - 1, 16) if device_class() == "cuda" else 0
    return whole_number("EVOKE_WORKERS", spare, least=0)


def whole_number(name: str, default: int, least: int = 1) -> int:
    """Return the value of an environment variable, or the default.

    Raises ValueError unless it is a whole number >= least.
    """
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"{name} = {value!r}: allowed is a whole number{f' >= {least}' if least else ''}")
    return int(value)


def log_level() -> str:
    """Return EVOKE_LOG, INFO by default. Raises ValueError for a level that logging does not know."""
    level = os.environ.get("EVOKE_LOG", "INFO").upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"EVOKE_LOG = {level!r}: allowed are {', '.join(LOG_LEVELS)}")
    return level


def forbid_downloads() -> None:
    """Make every Hugging Face library work from disk only, and without loading progress bars, which fill logs.

    Call it before any of these libraries is imported.
    """
    os.environ.update(offline_environment())


def offline_environment() -> dict[str, str]:
    """Return the variables that keep these libraries offline and quiet.

    Variables that are already set keep their values.
    """
    defaults = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    return {name: os.environ.get(name, value) for name, value in defaults.items()}


def seed_of(*keys: Key) -> int:
    """Return a seed in [0, 2^63) that depends on every key and on their order and is equal on every machine."""
    digest = hashlib.sha256(json.dumps(keys).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator(*keys: Key) -> np.random.Generator:
    """Return a NumPy generator seeded by these keys, such as (seed, stage, item)."""
    return np.random.default_rng(seed_of(*keys))


def torch_generator(*keys: Key) -> "torch.Generator":
    """Return a CPU torch generator seeded by these keys, so that draws do not depend on the device."""
    import torch

    return torch.Generator().manual_seed(seed_of(*keys))


def progress(items: Iterable[T], total: int | None = None, desc: str = "") -> Iterable[T]:
    """Return the items wrapped in a progress bar on standard error if that is a terminal; otherwise without output."""
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, total=total, desc=desc, file=sys.stderr, disable=None, leave=False)
    return bar
