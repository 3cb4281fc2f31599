"""How fast a device is: peaks and shares from rates.yaml for a GPU, measurements of benchmarks/results for a CPU."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.params import read_yaml
from pipeline.plan.costs import Cost, Costs
from pipeline.runtime import Precision

RATES = Path(__file__).with_name("rates.yaml")
Status = Literal["measured", "published", "target", "assumed"]
Effort = Literal["train", "infer", "answer"]
EFFORTS: tuple[Effort, ...] = ("train", "infer", "answer")
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
BENCHMARK_RANK = 40  # of the ten adapters that a batch of 32 pictures passes
BENCHMARK_STEPS = 12  # of the solver, guided
Positive = Annotated[float, Field(gt=0, strict=False)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Figure(_Checked):
    """A number and what stands behind it."""

    value: Positive
    status: Status
    source: str


class Size(_Checked):
    """Width and height of a picture, px, likewise."""

    value: Annotated[tuple[Positive, Positive], Field(strict=False)]
    status: Status
    source: str


class Peak(_Checked):
    """TFLOP/s of dense products."""

    bf16: Positive
    tf32: Positive
    fp32: Positive


class Card(_Checked):
    """A GPU, as published."""

    name: str
    peak: Peak
    source: str


class Rates(_Checked):
    """The whole of rates.yaml."""

    devices: Mapping[str, Card]
    shares: Mapping[Effort, Figure]
    kernel_us: Figure
    cpu: Figure
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
    """rates.yaml, checked."""
    return Rates.model_validate(read_yaml(RATES))


@dataclass(frozen=True)
class Speed:
    """FLOP/s of convolutions and of other products, and where they are from, such as `40 % of bf16, target`."""

    convolutions: float
    products: float
    told: str


@dataclass(frozen=True)
class Device:
    """speeds by effort and precision; kernel_s: to launch one operation; workers: processes that decode ahead.

    startup_s: of each stage, before it does anything.
    """

    name: str
    speeds: Mapping[tuple[Effort, Precision], Speed]
    kernel_s: float
    workers: int
    startup_s: float
    notes: tuple[str, ...]

    def seconds(self, cost: Cost, effort: Effort, precision: Precision) -> tuple[float, str]:
        """Of so much work, one kernel after the other, and what sets the time."""
        speed = self.speeds[effort, precision]
        busy = cost.convolutions / speed.convolutions + cost.products / speed.products
        launching = cost.kernels * self.kernel_s
        return (launching, "kernel launches, measured") if launching > busy else (busy, speed.told)


def device_of(name: str, results: Path, bundled: Costs) -> Device:
    """A device by its name in rates.yaml, or cpu. results: benchmarks/results; bundled: costs of what they measured.

    Raises ValueError for a name that nobody knows.
    """
    rates = load_rates()
    if name == "cpu":
        return cpu(results, bundled)
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
    """The name in rates.yaml of a card that its driver describes so. Raises ValueError for one that is not there."""
    for name in load_rates().devices:
        if name in described.lower().replace(" ", ""):
            return name
    raise ValueError(f"rates.yaml does not know {described}: name what is nearest by --device ({known_devices()})")


def known_devices() -> str:
    """Names for --device."""
    return ", ".join(["cpu", *load_rates().devices])


def _speed(card: Card, effort: Effort, precision: Precision) -> Speed:
    share = load_rates().shares[effort]
    peaks = (card.peak.bf16, card.peak.bf16) if precision == "bf16" else (card.peak.tf32, card.peak.fp32)
    convolutions, products = (share.value * peak * 1e12 for peak in peaks)
    return Speed(convolutions, products, f"{share.value:.0%} of {precision} peak, {share.status}")


def cpu(results: Path, bundled: Costs) -> Device:
    """FLOP/s that the newest benchmarks reached with the bundled models on a CPU; launches are in them."""
    assumed = load_rates().cpu
    found = measured_flops(results, bundled)
    speeds: dict[tuple[Effort, Precision], Speed] = {}
    for effort in EFFORTS:
        flops, source = found.get(effort, (assumed.value * 1e9, f"{assumed.status}: {assumed.source}"))
        told = f"{flops / 1e9:.0f} GFLOP/s, {'measured' if effort in found else assumed.status}"
        speeds |= {(effort, precision): Speed(flops, flops, told) for precision in PRECISIONS}
        found[effort] = flops, source
    notes = (f"{effort}: {found[effort][0] / 1e9:.0f} GFLOP/s, {found[effort][1]}" for effort in EFFORTS)
    return Device("CPU", speeds, 0.0, 0, load_rates().cpu_startup_s.value, tuple(notes))


def measured_flops(results: Path, bundled: Costs) -> dict[Effort, tuple[float, str]]:
    """FLOP/s by effort and their source, of the newest results of benchmarks/coemogen.py and foundation.py on a CPU."""
    found: dict[Effort, tuple[float, str]] = {}
    training, file = _newest(results, "coemogen")
    if training.get("device") == "cpu" and not training["full_size"]:
        rate = training["pictures_a_second"]
        flops = rate * bundled.unet_step(BENCHMARK_RANK).flops
        found["train"] = flops, f"measured: {rate:.0f} pictures/s of CoEmoGen ({file}, {training['threads']} threads)"
    foundation, file = _newest(results, "foundation")
    if "unet/images_per_second" in foundation:
        rate, image = foundation["unet/images_per_second"], bundled.unet * (2 * BENCHMARK_STEPS) + bundled.vae_decode
        found["infer"] = rate * image.flops, f"measured: {rate:.0f} images/s of the miniature ({file}, two cores)"
        rate, tokens = foundation["captioner/emotion/captions_per_second"], foundation["captioner/emotion/mean_tokens"]
        tokens += (bundled.shapes.captioner.picture_tokens or 0) + load_rates().prompt_tokens.value
        found["answer"] = rate * bundled.caption(tokens).flops, f"measured: {rate:.0f} captions/s ({file}, two cores)"
    return found


def _newest(results: Path, name: str) -> tuple[dict[str, Any], str]:
    """The newest result of a benchmark, by the date in its name, and its name; nothing where there is none."""
    files = sorted(results.glob(f"*-{name}.json"))
    return (json.loads(files[-1].read_text(encoding="utf-8")), files[-1].name) if files else ({}, "")
