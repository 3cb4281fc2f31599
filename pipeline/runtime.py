"""Where and how fast a stage runs, by the environment EVOKE_*: nothing here may change a result. And seeded generators.

EVOKE_DEVICE: cpu, cuda, cuda:1. EVOKE_THREADS: threads of torch, 1 by default, as more of them change low bits and
serve models of this size less than `evoke repro` does, which makes stages side by side.
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
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})  # as /proc/cpuinfo names them, x86 and ARM
LESSER_ISAS = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"})  # of oneDNN
LESSER_CAPABILITIES = frozenset({"default", "avx2"})  # of ATen
T = TypeVar("T")

log = logging.getLogger("evoke")


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


def autocast(wanted: Precision, device: "torch.device") -> "torch.autocast":
    """Return the context in which a model computes in `precision_of(wanted)`; its weights stay fp32.

    A GPU casts weights anew at each use, as a captured step must not cache them.
    """
    import torch

    enabled = precision_of(wanted, device.type) == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=device.type != "cuda")


@cache
def precision_of(wanted: Precision, device_type: str) -> Precision:
    """Return the number format that a device computes in: bf16 where asked for and multiplied natively, else fp32.

    A CPU without bf16 units emulates it 20 to 60 times slower than it multiplies fp32. What differs from the params is
    logged once.
    """
    if wanted == "bf16" and not multiplies_bf16(device_type):
        log.info("this device has no units for bf16: computing in fp32")
        return "fp32"
    return wanted


@cache
def multiplies_bf16(device_type: str) -> bool:
    """Return whether cpu or cuda multiplies bf16 natively: GPUs from sm80, CPUs with AVX512_BF16, AMX or ARM's BF16.

    ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY, which hold torch's kernels back, count. It imports torch for a GPU
    alone, as the fingerprint of every stage asks this.
    """
    if device_type == "cuda":
        import torch

        return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper() in LESSER_ISAS:
        return False
    if os.environ.get("ATEN_CPU_CAPABILITY", "").lower() in LESSER_CAPABILITIES:
        return False
    return bool(BF16_FLAGS & cpu_flags())


def numbers() -> str:
    """Return the kind of device and what `precision: bf16` computes in there, such as "cpu, bf16 as fp32".

    It is part of the fingerprint of a stage's work, so that a checkpoint never continues in another number format.
    """
    kind = device_class()
    return f"{kind}, bf16" if multiplies_bf16(kind) else f"{kind}, bf16 as fp32"


def cpu_name() -> str:
    """Return the CPU's name, and the best instruction set of it that torch's kernels use, for people."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    best = "bf16" if multiplies_bf16("cpu") else os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    best = best or next((flag for flag in ("avx512f", "avx2") if flag in cpu_flags()), "no avx2")
    return f"{next(named, platform.processor() or platform.machine())} ({best})"


@cache
def cpu_flags() -> frozenset[str]:
    """Return the names of the instruction sets of this CPU as Linux or macOS lists them; empty where neither does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        listed = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
        return frozenset(next(listed, "").split())
    if sys.platform == "darwin":
        known = subprocess.run(["sysctl", "-n", "hw.optional.arm.FEAT_BF16"], capture_output=True, text=True)
        return frozenset({"bf16"} if known.stdout.strip() == "1" else ())
    return frozenset()


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
    """Make every Hugging Face library work from disk alone, without the progress bars of loading, which fill logs.

    To be called before any of them is imported.
    """
    os.environ.update(offline_environment())


def offline_environment() -> dict[str, str]:
    """Return the variables by which these libraries stay off the network and quiet, as far as nobody has set them."""
    wanted = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


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
