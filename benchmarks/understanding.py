"""The understanding chain against a plain open_clip ViT that carries equally many tokens in every layer.

    python -m benchmarks.understanding                   B/32 and L/14 shape, random weights, on the CPU

The plain one is the same ViT: its own embedding, layers, pooling and projection, with as many empty tokens appended
before the same layers as the chain appends queries. So what the ratio tells is the cost of the interactive blocks, the
projections and the head. Both run one after the other in the same process, in turns; the figure is the median ratio.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from pipeline.params import UniemoUnderstanding, load_params
from pipeline.runtime import autocast
from pipeline.uniemo.chain import UnderstandingChain, build_chain

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Shape:
    """An image tower of CLIP as published, at 224 px."""

    patch_px: int
    width: int
    layers: int
    heads: int
    joint_width: int


SHAPES = {"ViT-B-32": Shape(32, 768, 12, 12, 512), "ViT-L-14": Shape(14, 1024, 24, 16, 768)}


def random_visual(shape: Shape) -> Any:
    """open_clip's VisionTransformer of this shape with weights drawn at random."""
    from open_clip.transformer import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VisionTransformer(
            224, shape.patch_px, shape.width, shape.layers, shape.heads, 4.0, output_dim=shape.joint_width
        ).eval()


def empty_tokens(chain: UnderstandingChain) -> dict[int, int]:
    """How many tokens the chain appends before which layer."""
    appended: dict[int, int] = {}
    for kind, experts in chain.queries.items():
        layer = chain.layers.enter[kind]
        appended[layer] = appended.get(layer, 0) + len(experts.tokens)
    return appended


def plain_forward(visual: Any, pixels_BCHW: Tensor, appended: Mapping[int, int]) -> Tensor:
    """The ViT's own feature BD, with empty tokens appended before layers."""
    tokens = visual._embeds(pixels_BCHW)
    for index, block in enumerate(visual.transformer.resblocks):
        if index in appended:
            empty = tokens.new_zeros(len(tokens), appended[index], tokens.shape[2])
            tokens = torch.cat([tokens, empty], 1)
        tokens = block(tokens)
    return visual._pool(tokens)[0] @ visual.proj


@torch.inference_mode()
def compare(
    shape: Shape, settings: UniemoUnderstanding, batch_size: int, repeats: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of a forward of both, and the median of their ratios."""
    visual = random_visual(shape).to(device)
    chain = build_chain(visual, settings, torch.Generator().manual_seed(0))
    pixels = torch.randn(batch_size, 3, 224, 224, generator=torch.Generator().manual_seed(0)).to(device)
    appended = empty_tokens(chain)
    with autocast(settings.precision, device):
        ways: dict[str, Callable[[], Any]] = {
            "chain": lambda: chain(pixels), "plain": lambda: plain_forward(visual, pixels, appended)
        }  # fmt: skip
        seconds = {name: [_seconds(way, device)] for name, way in ways.items()}
        for _ in range(repeats):
            for name, way in ways.items():
                seconds[name].append(_seconds(way, device))
    measured = {name: values[1:] for name, values in seconds.items()}
    ratios = [ours / theirs for ours, theirs in zip(measured["chain"], measured["plain"], strict=True)]
    return {
        "chain_s": statistics.median(measured["chain"]), "plain_s": statistics.median(measured["plain"]),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
    }  # fmt: skip


def _seconds(way: Callable[[], Any], device: torch.device) -> float:
    """Of one call: of this process on a CPU, which others may use at the same time; of the clock elsewhere."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    begin = clock()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begin


@click.command()
@click.option("--query-length", default=32, show_default=True, help="Queries of each kind (UniEmo's code: 32).")
@click.option("--batch-size", default=2, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--threads", default=1, show_default=True, help="Of torch, on a CPU.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True, type=click.Choice(["fp32", "bf16"]))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    query_length: int, batch_size: int, repeats: int, threads: int, device: str, precision: str, out: Path | None
) -> None:
    """Measure and print JSON."""
    torch.set_num_threads(threads)
    changes = {"query_length": query_length, "precision": precision, "head_hidden": 768}
    settings = load_params(ROOT / "params.yaml").uniemo_understanding.model_copy(update=changes)
    found: dict[str, Any] = {
        name: compare(shape, settings, batch_size, repeats, torch.device(device)) for name, shape in SHAPES.items()
    }
    found |= changes | {"batch_size": batch_size, "threads": threads, "device": device, "torch": torch.__version__}
    text = json.dumps(found, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
