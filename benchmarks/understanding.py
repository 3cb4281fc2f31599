"""Compare the understanding chain with a plain open_clip ViT that carries as many tokens in every layer.

    python -m benchmarks.understanding                   B/32 and L/14 shape, random weights, on the CPU

The plain one is the same ViT with its own embedding, layers, pooling and projection; as many empty tokens are appended
before the same layers as the chain appends queries. The ratio therefore gives the cost of the interactive blocks, the
projections and the head. The two run alternately in one process, and the figure is the median ratio.
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
    """The shape of an image tower of CLIP as published, at 224 px."""

    patch_px: int
    width: int
    layers: int
    heads: int
    joint_width: int


SHAPES = {"ViT-B-32": Shape(32, 768, 12, 12, 512), "ViT-L-14": Shape(14, 1024, 24, 16, 768)}


def random_visual(shape: Shape) -> Any:
    """Return open_clip's VisionTransformer of this shape with random weights."""
    from open_clip.transformer import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VisionTransformer(
            224, shape.patch_px, shape.width, shape.layers, shape.heads, 4.0, output_dim=shape.joint_width
        ).eval()


def empty_tokens(chain: UnderstandingChain) -> dict[int, int]:
    """Return the number of tokens that the chain appends before each layer, by layer index."""
    appended: dict[int, int] = {}
    for kind, experts in chain.queries.items():
        layer = chain.layers.enter[kind]
        appended[layer] = appended.get(layer, 0) + len(experts.tokens)
    return appended


def plain_forward(visual: Any, pixels_BCHW: Tensor, appended: Mapping[int, int]) -> Tensor:
    """Run the plain ViT with empty tokens appended before layers: pixels BCHW -> features BD."""
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
    """Return the median seconds of a forward pass of both, and the median and range of their ratio."""
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
    ratios = [chain_s / plain_s for chain_s, plain_s in zip(measured["chain"], measured["plain"], strict=True)]
    return {
        "chain_s": statistics.median(measured["chain"]), "plain_s": statistics.median(measured["plain"]),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
    }  # fmt: skip


def _seconds(way: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of one call.

    On a CPU this is the CPU time of the process, because other processes may use the CPU at the same time; elsewhere it
    is wall-clock time.
    """
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
@click.option("--threads", default=1, show_default=True, help="Number of torch threads on a CPU.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True, type=click.Choice(["fp32", "bf16"]))
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    query_length: int, batch_size: int, repeats: int, threads: int, device: str, precision: str, out: Path | None
) -> None:
    """Measure both shapes and print the figures as JSON."""
    torch.set_num_threads(threads)
    changes = {"query_length": query_length, "precision": precision, "head_hidden": 768}
    settings = load_params(ROOT / "params.yaml").uniemo_understanding.model_copy(update=changes)
    figures: dict[str, Any] = {
        name: compare(shape, settings, batch_size, repeats, torch.device(device)) for name, shape in SHAPES.items()
    }
    figures |= changes | {"batch_size": batch_size, "threads": threads, "device": device, "torch": torch.__version__}
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
