"""Plan `evoke curate` of any number of images: hours, bytes, memory and money, by device and by published CLIP.

The first pass is shared by shards among nodes; the second runs in one process. What `benchmarks.curate_scale` measured
on one core counts for every core of a CPU node; notes say which other figures are assumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from evoke.plan.costs import META, Cost, counted, empty
from evoke.plan.rates import Device, Speed, device_of, figure, value
from evoke.plan.table import HOUR_S, Part, Stage, aligned, size, timed
from pipeline.corpora.pack import MAX_SHARD_BYTES

CLIPS = ("ViT-B-32", "ViT-L-14")  # open_clip's names
CPU = "cpu"
BATCH = 100
HEAD = ("node", "CLIP", "images/s", "hours", "node hours", "money", "bound by")
LEFT = (0, 1, 6)
USED = (
    "curated_width_px", "curated_bytes", "curating_ms", "fitting_ms", "curating_gflops", "cpu_node_cores",
    "gpu_workers", "second_pass_us", "second_pass_bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A curation by one CLIP on `nodes` nodes of one device. price: per node and hour; None: not given."""

    node: str
    clip: str
    hours: float
    nodes: int
    bound: str
    price: float | None

    @property
    def money(self) -> float | None:
        return None if self.price is None else self.hours * self.nodes * self.price


def curations(number: int, devices: Sequence[str], nodes: int, prices: Mapping[str, float]) -> list[Planned]:
    """Return the plan of the first pass for each device and CLIP. Raises ValueError for an unknown device."""
    planned = []
    for name in devices:
        device, cores = (cpu_node(), value("cpu_node_cores")) if name == CPU else (device_of(name), 1.0)
        for clip in CLIPS:
            one = timed(first_pass(number, clip), device, nodes)
            fitting = number * value("fitting_ms") / 1e3 / HOUR_S / one.gpus
            bound = one.bound if one.hours > fitting else "fitting to CLIP's square in one process, measured"
            planned.append(Planned(device.name, clip, (one.hours + fitting) / cores, one.gpus, bound, prices.get(name)))
    return planned


def first_pass(number: int, clip: str) -> Stage:
    """Return the work of reading, decoding and embedding so many images, in shards; they are fitted in between."""
    part = Part(number, clip_cost(clip), batch_size=BATCH)
    pieces = max(1, int(number * value("curated_bytes") // MAX_SHARD_BYTES))
    return Stage(number, "images", (part,), core_s=number * value("curating_ms") / 1e3, pieces=pieces)


def cpu_node() -> Device:
    """Return a core of a CPU node, as measured; hours are divided by the number of cores afterwards."""
    cores, speed = figure("cpu_node_cores"), figure("curating_gflops")
    flops = speed.value * 1e9
    speeds = {("infer", "fp32"): Speed(flops, flops, f"{speed.value:g} GFLOP/s of a core, {speed.status}")}
    return Device(f"{cores.value:g} cores", speeds, 0.0, 0, figure("cpu_startup_s"))  # type: ignore[arg-type]


@cache
def clip_cost(name: str) -> Cost:
    """Return the cost of embedding an image by a published CLIP."""
    import open_clip

    config: dict[str, Any] = open_clip.get_model_config(name)
    with META:
        model = open_clip.model.CLIP(**config).eval()
    side = config["vision_cfg"]["image_size"]
    return counted(lambda: model.encode_image(empty(1, 3, side, side)))


def to_text(number: int, planned: Sequence[Planned]) -> str:
    """Return the plan as text: table, second pass, bytes and notes."""
    lines = aligned([HEAD, *(_cells(number, one) for one in planned)], LEFT)
    source, nodes = number * value("curated_bytes"), planned[0].nodes
    kept = source * value("emoart_frac")
    fastest = min(one.hours for one in planned)
    title = (
        f"{number:,} images of {value('curated_width_px'):g} x {value('curated_height_px'):g} px, "
        f"on {f'{nodes} nodes' if nodes > 1 else 'one node'}"
    )
    sums = [
        f"second pass: {number * value('second_pass_us') / 1e6 / HOUR_S:.2g} hours in one process with "
        f"{size(number * value('second_pass_bytes'))} of memory",
        f"bytes: {size(source)} to read, {size(source / fastest / HOUR_S)}/s in the fastest row; {size(kept)} kept, "
        f"twice while the command runs (at the share that CoEmoGen kept of WikiArt, {value('emoart_frac'):.1%})",
    ]
    return "\n".join([title, "", *lines, "", *sums, "", *(f"- {_note(name)}" for name in USED)])


def _cells(number: int, one: Planned) -> tuple[str, ...]:
    money = "-" if one.money is None else f"{one.money:,.0f}"
    rate, node_hours = number / one.hours / HOUR_S, one.hours * one.nodes
    return (one.node, one.clip, f"{rate:,.0f}", f"{one.hours:,.1f}", f"{node_hours:,.0f}", money, one.bound)


def _note(name: str) -> str:
    used = figure(name)
    return f"{name} {used.value:g}, {used.status}: {used.source}"


def priced(price: str) -> tuple[str, float]:
    """Return device and price per node and hour of a text DEVICE=PRICE. Raises ValueError for any other."""
    name, _, amount = price.partition("=")
    try:
        number = float(amount)
        if not 0 <= number < float("inf"):
            raise ValueError
    except ValueError:
        raise ValueError(f"--price {price}: wanted DEVICE=PRICE per node and hour, such as cpu=1.50") from None
    return name, number
