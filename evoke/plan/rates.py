"""State how fast a device is: peaks and shares from rates.yaml for a GPU, shares of a local probe for a CPU."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.params import read_yaml
from pipeline.runtime import Precision, cpu_name, precision_of

RATES = Path(__file__).with_name("rates.yaml")
Effort = Literal["train", "infer", "answer"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
PROBE_CALLS = 12
Positive = Annotated[float, Field(gt=0, strict=False)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Figure(_Checked):
    """A number with its status and source."""

    value: Positive
    status: Literal["measured", "published", "target", "assumed"]
    source: str


class Card(_Checked):
    """A GPU with its memory and its published peaks, in TFLOP/s of dense products."""

    name: str
    memory_gb: Positive
    peak: Mapping[Literal["bf16", "tf32", "fp32"], Positive]
    source: str


class Rates(_Checked):
    """The contents of rates.yaml."""

    devices: Mapping[str, Card]
    shares: Mapping[Effort, Figure]
    cpu_shares: Mapping[Precision, Mapping[Effort, Figure]]
    figures: Mapping[str, Figure]


@cache
def load_rates() -> Rates:
    """Return the validated contents of rates.yaml."""
    return Rates.model_validate(read_yaml(RATES))


def figure(name: str) -> Figure:
    """Return a figure of rates.yaml."""
    return load_rates().figures[name]


def value(name: str) -> float:
    return figure(name).value


@dataclass(frozen=True)
class Speed:
    """FLOP/s of convolutions and of other products, and their source, such as `40% of bf16 peak, target`."""

    convolutions: float
    products: float
    source: str


@dataclass(frozen=True)
class Device:
    """The speeds of a device by effort and precision.

    `kernel_s` is the time in seconds to launch one operation (0 on a CPU), `workers` the number of processes that
    decode ahead, `startup` the seconds before a stage does anything, and `memory_bytes` that of the GPU, 0 for a CPU.
    """

    name: str
    speeds: Mapping[tuple[Effort, Precision], Speed]
    kernel_s: float
    workers: int
    startup: Figure
    notes: tuple[str, ...] = ()
    memory_bytes: float = 0.0


def device_of(name: str) -> Device:
    """Return a device by its name in rates.yaml, or this machine's CPU. Raises ValueError for an unknown name."""
    rates = load_rates()
    if name == "cpu":
        return cpu()
    if name not in rates.devices:
        raise ValueError(f"--device {name}: unknown device; allowed are {known_devices()}")
    card, kernel = rates.devices[name], figure("kernel_us")
    context = figure("gpu_context_bytes")
    speeds: dict[tuple[Effort, Precision], Speed] = {}
    for effort, share in rates.shares.items():
        for precision in PRECISIONS:
            of_convolutions = card.peak["tf32" if precision == "fp32" else precision]
            convolutions, products = (share.value * peak * 1e12 for peak in (of_convolutions, card.peak[precision]))
            source = f"{share.value:.0%} of {precision} peak, {share.status}"
            speeds[effort, precision] = Speed(convolutions, products, source)
    notes = (
        f"{card.name}: published peaks ({card.source}); fp32 convolutions run in TF32, the default of torch",
        *_notes(rates.shares, "peak"),
        f"launching a kernel takes {kernel.value:g} us, {kernel.status}: {kernel.source}",
        f"GPU memory is an estimate: torch's storages at these shapes, and {context.value / 1e9:g} GB, "
        f"{context.status}: {context.source}",
    )
    return Device(
        card.name, speeds, kernel.value * 1e-6, int(value("gpu_workers")), figure("gpu_startup_s"), notes,
        card.memory_gb * 1e9,
    )  # fmt: skip


def cpu() -> Device:
    """Return the speeds of one thread of this CPU: shares, measured earlier, of what it reaches in a probe now."""
    probes = {precision: probed(precision_of(precision, "cpu")) for precision in PRECISIONS}
    shares = {precision: load_rates().cpu_shares[precision_of(precision, "cpu")] for precision in PRECISIONS}
    speeds: dict[tuple[Effort, Precision], Speed] = {}
    for precision in PRECISIONS:
        for effort, share in shares[precision].items():
            flops = share.value * probes["fp32" if effort == "answer" else precision]  # the captioner computes in fp32
            speeds[effort, precision] = Speed(flops, flops, f"{flops / 1e9:.0f} GFLOP/s, {share.value:.0%} of a probe")
    reached = ", ".join(f"{flops / 1e9:.0f} in {precision_of(precision, 'cpu')}" for precision, flops in probes.items())
    note = f"this machine: {cpu_name()}, one thread; GFLOP/s in a probe of products and convolutions: {reached}"
    return Device("CPU", speeds, 0.0, 0, figure("cpu_startup_s"), (note, *_notes(shares["bf16"], "probe")))


def name_of(described: str) -> str:
    """Return a GPU's name in rates.yaml from its driver's description. Raises ValueError if it is not there."""
    text = described.lower().replace(" ", "")
    for name in load_rates().devices:
        plain = name.partition("-")[0]
        if plain in text and f"{plain}ti" not in text:
            return name
    raise ValueError(
        f"rates.yaml has no rates for {described}; choose the most similar device with --device ({known_devices()})"
    )


def known_devices() -> str:
    """Return the names that --device accepts, as one string."""
    return ", ".join(["cpu", *load_rates().devices])


def _notes(shares: Mapping[Effort, Figure], base: str) -> list[str]:
    return [
        f"{effort}: {share.value:.0%} of the {base}, {share.status}: {share.source}" for effort, share in shares.items()
    ]


@cache
def probed(precision: Precision) -> float:
    """Return the FLOP/s of one thread over a product and a convolution of the miniature's sizes.

    Both are timed by the best of PROBE_CALLS calls; the result is the harmonic mean of their FLOP/s.
    """
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    matrix = torch.randn(1024, 1024).to(dtype)
    maps, weights = torch.randn(32, 96, 8, 8).to(dtype), torch.randn(96, 96, 3, 3).to(dtype)
    product = 2 * 1024**3 / _best_seconds(lambda: matrix @ matrix)
    convolution = 2 * 32 * 64 * 9 * 96**2 / _best_seconds(lambda: torch.conv2d(maps, weights, padding=1))
    torch.set_num_threads(before)
    return 2 / (1 / product + 1 / convolution)


def _best_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(PROBE_CALLS):
        begin = time.process_time()  # of CPU: a busy machine is no slower one
        call()
        seconds.append(time.process_time() - begin)
    return min(seconds)
