"""State how fast a device is: peaks and shares from rates.yaml for a GPU, shares of a local probe for a CPU."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.params import read_yaml
from pipeline.plan.costs import Cost
from pipeline.runtime import Precision, cpu_name, precision_of

RATES = Path(__file__).with_name("rates.yaml")
Status = Literal["measured", "published", "target", "assumed"]
Effort = Literal["train", "infer", "answer"]
EFFORTS: tuple[Effort, ...] = ("train", "infer", "answer")
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
PROBE_CALLS = 12
Positive = Annotated[float, Field(gt=0, strict=False)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Figure(_Checked):
    """A number with its status and source."""

    value: Positive
    status: Status
    source: str


class Size(_Checked):
    """Width and height of an image in px, with status and source."""

    value: Annotated[tuple[Positive, Positive], Field(strict=False)]
    status: Status
    source: str


class Peak(_Checked):
    """The peak TFLOP/s of dense products."""

    bf16: Positive
    tf32: Positive
    fp32: Positive


class Card(_Checked):
    """A GPU with its published peaks."""

    name: str
    peak: Peak
    source: str


class Rates(_Checked):
    """The contents of rates.yaml."""

    devices: Mapping[str, Card]
    shares: Mapping[Effort, Figure]
    kernel_us: Figure
    cpu_shares: Mapping[Effort, Figure]
    decoding_ms: Figure
    augmenting_ms: Figure
    drawing_ms: Figure
    cpu_startup_s: Figure
    gpu_startup_s: Figure
    gpu_workers: Figure
    emoset_bytes: Figure
    emoset_px: Size
    wikiart_bytes: Figure
    wikiart_px: Size
    drawn_bytes: Figure
    png_bytes_per_px: Figure
    emoart_frac: Figure
    prompt_tokens: Figure
    answer_tokens: Figure


@cache
def load_rates() -> Rates:
    """Return the validated contents of rates.yaml."""
    return Rates.model_validate(read_yaml(RATES))


@dataclass(frozen=True)
class Speed:
    """FLOP/s of convolutions and of other products, and their source, such as `40% of bf16 peak, target`."""

    convolutions: float
    products: float
    told: str


@dataclass(frozen=True)
class Device:
    """The speeds of a device by effort and precision.

    `kernel_s` is the time in seconds to launch one operation, `workers` the number of processes that decode ahead, and
    `startup_s` the time in seconds before a stage does anything.
    """

    name: str
    speeds: Mapping[tuple[Effort, Precision], Speed]
    kernel_s: float
    workers: int
    startup_s: float
    notes: tuple[str, ...]

    def seconds(self, cost: Cost, effort: Effort, precision: Precision) -> tuple[float, str]:
        """Return the seconds that this cost takes, one kernel after the other, and what determines them."""
        speed = self.speeds[effort, precision]
        busy = cost.convolutions / speed.convolutions + cost.products / speed.products
        launching = cost.kernels * self.kernel_s
        return (launching, "kernel launches, measured") if launching > busy else (busy, speed.told)


def device_of(name: str) -> Device:
    """Return a device by its name in rates.yaml, or this machine's CPU. Raises ValueError for an unknown name."""
    rates = load_rates()
    if name == "cpu":
        return cpu()
    if name not in rates.devices:
        raise ValueError(f"--device {name}: there are no rates of it; allowed are {known_devices()}")
    card = rates.devices[name]
    speeds = {(effort, precision): _speed(card, effort, precision) for effort in EFFORTS for precision in PRECISIONS}
    notes = [f"{card.name}: peaks published ({card.source}); of fp32 work convolutions run in TF32, as torch has it"]
    notes += [
        f"{effort}: {share.value:.0%} of the peak, {share.status}: {share.source}"
        for effort, share in rates.shares.items()
    ]
    notes.append(f"a kernel takes {rates.kernel_us.value:g} us to launch, measured: {rates.kernel_us.source}")
    kernel_s, workers = rates.kernel_us.value * 1e-6, int(rates.gpu_workers.value)
    return Device(card.name, speeds, kernel_s, workers, rates.gpu_startup_s.value, tuple(notes))


def name_of(described: str) -> str:
    """Return a GPU's name in rates.yaml from its driver's description. Raises ValueError if it is not there."""
    for name in load_rates().devices:
        if name in described.lower().replace(" ", ""):
            return name
    raise ValueError(f"rates.yaml does not know {described}: name what is nearest by --device ({known_devices()})")


def known_devices() -> str:
    """Return the names that --device accepts, as one string."""
    return ", ".join(["cpu", *load_rates().devices])


def _speed(card: Card, effort: Effort, precision: Precision) -> Speed:
    share = load_rates().shares[effort]
    peaks = (card.peak.bf16, card.peak.bf16) if precision == "bf16" else (card.peak.tf32, card.peak.fp32)
    convolutions, products = (share.value * peak * 1e12 for peak in peaks)
    return Speed(convolutions, products, f"{share.value:.0%} of {precision} peak, {share.status}")


def cpu() -> Device:
    """Return the speeds of one thread of this CPU: shares, measured earlier, of what it reaches in a probe now."""
    shares = load_rates().cpu_shares
    probes = {precision: probed(precision_of(precision, "cpu")) for precision in PRECISIONS}
    speeds: dict[tuple[Effort, Precision], Speed] = {}
    for effort, share in shares.items():
        for precision in PRECISIONS:
            flops = share.value * probes["fp32" if effort == "answer" else precision]  # the captioner computes in fp32
            speeds[effort, precision] = Speed(flops, flops, f"{flops / 1e9:.0f} GFLOP/s, {share.value:.0%} of a probe")
    told = ", ".join(f"{flops / 1e9:.0f} in {precision_of(precision, 'cpu')}" for precision, flops in probes.items())
    notes = [f"this machine: {cpu_name()}, one thread; a probe of products and convolutions reaches GFLOP/s: {told}"]
    notes += [
        f"{effort}: {share.value:.0%} of the probe, {share.status}: {share.source}" for effort, share in shares.items()
    ]
    return Device("CPU", speeds, 0.0, 0, load_rates().cpu_startup_s.value, tuple(notes))


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
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
