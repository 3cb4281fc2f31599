"""Hold the plan's estimate of memory against real steps at the desk preset's shapes, on a CPU with random weights.

    python -m benchmarks.desk_memory               every case, each in a process of its own; up to 8 GB, half an hour
    python -m benchmarks.desk_memory --only images

The networks are Stable Diffusion 1.5 and ViT-L/14 in full width and fp32; of Stable Diffusion XL it is CoEmoGen's step
alone, all in bf16. The batch is 1, and latents have 32 px a side (XL: 64), because a CPU takes minutes for a step.
Measured is the peak of resident memory in a step above the memory before it, with the moments of AdamW in place and
added; weights, the same on both sides, do not count. The estimate is the plan's for a CPU in the same number format:
what a GPU holds under autocast stays an estimate.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.coemogen import random_batch
from benchmarks.full_size import all_bf16, full_size, full_size_xl
from evoke.plan.command import wanted_params
from evoke.plan.costs import FP32, Captioner, Models
from evoke.plan.inputs import CLIP, UNET, VAE, XL_SECOND, XL_UNET, XL_VAE
from evoke.plan.memory import MOMENTS, chain_peak, encoding_peak, sampling_peak, trained_bytes, training_peak
from pipeline.coemogen.model import build
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation.base import Base
from pipeline.memory import recomputed
from pipeline.params import Params
from pipeline.runtime import cpu_name

ROOT = Path(__file__).parents[1]
EDGE = 32  # of the latents, half of Stable Diffusion's
XL_EDGE = 64  # half of Stable Diffusion XL's
WIDTH = 768  # of CLIP's joint space
ATTRIBUTES = 5  # of each kind, for the contrastive losses
Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A step to measure: how it is built, the plan's estimate in bytes, number format, and edge of the latents."""

    build: Callable[[Params], Step]
    estimate: Callable[[Params, Models], float]
    precision: str = "fp32"
    latent_px: int = EDGE


def all_cases() -> dict[str, Case]:
    """Return every case by name."""
    return {
        "coemogen, recomputed": Case(lambda p: coemogen(p, True), lambda p, m: of_coemogen(p, m, True)),
        "coemogen, kept": Case(lambda p: coemogen(p, False), lambda p, m: of_coemogen(p, m, False)),
        "coemogen, XL, recomputed": Case(coemogen_xl, lambda p, _: of_coemogen_xl(p), "bf16", XL_EDGE),
        "uniemo_understanding": Case(understanding, of_understanding),
        "uniemo_joint, recomputed": Case(joint, of_joint),
        "images": Case(images, lambda _, m: sampling_peak(m, 1, True, "fp32", True)),
        "latents": Case(latents, lambda _, m: encoding_peak(m, 1, "fp32")),
    }


def coemogen(params: Params, is_recomputed: bool) -> Step:
    """Return a training step of CoEmoGen on one image."""
    return step_on(full_size(with_clip=False).foundation.base, params, EDGE, is_recomputed)


def coemogen_xl(params: Params) -> Step:
    """Return the same on Stable Diffusion XL, with all weights, activations and moments in bf16."""
    torch.set_default_dtype(torch.bfloat16)  # of this process, for the step as well
    return step_on(full_size_xl(), params, XL_EDGE, True)


def step_on(base: Base, params: Params, edge: int, is_recomputed: bool) -> Step:
    """Return a training step of CoEmoGen on a base, on one image with latents of `edge` px."""
    unet = base.denoiser
    unet.register_to_config(sample_size=edge)
    if is_recomputed:
        unet.enable_gradient_checkpointing(recomputed)
    generator = torch.Generator().manual_seed(0)
    model = build(params.coemogen, base, WIDTH, generator)
    return training_step(model, random_batch(model, 1, WIDTH, WIDTH, torch.device("cpu")))


def understanding(params: Params) -> Step:
    """Return a training step of UniEmo's chain on one image."""
    section = params.uniemo_understanding
    return training_step(learner(section), picture(section.image_px, section.head_hidden))


def joint(params: Params) -> Step:
    """Return a step of the joint training on one image."""
    from pipeline.uniemo.fusion import Fusion
    from pipeline.uniemo.joint import UniEmo, parts_of

    settings, reader = params.uniemo_joint, reader_of(params)
    base, reading = full_size(with_clip=False).foundation.base, learner(reader)
    base.denoiser.enable_gradient_checkpointing(recomputed)
    tables = {kind: torch.rand(ATTRIBUTES, len(EMOTIONS)) for kind in reading.chain.kinds}
    parts, width = parts_of(settings, reading.chain.kinds), reading.backbone.transformer.width
    fusion = Fusion(width, base.encoder.tokens, tables, parts, settings.norms)
    model = UniEmo(reading, fusion, base, settings)
    shape = (1, VAE["latent_channels"], EDGE, EDGE)
    batch = picture(reader.image_px, reader.head_hidden) | {
        "one_hot": torch.eye(len(EMOTIONS))[:1], "latents": torch.randn(shape), "noise": torch.randn(shape),
        "steps": torch.tensor([500]), "dropped": torch.zeros(1, dtype=torch.bool),
    }  # fmt: skip
    return training_step(model, batch)


def learner(section: Any) -> Any:
    """Return UniEmo's learner on a ViT-L/14 with random weights."""
    import open_clip

    from pipeline.uniemo.attributes import Base
    from pipeline.uniemo.chain import build_chain
    from pipeline.uniemo.learner import Learner

    visual = open_clip.create_model(CLIP).visual
    chain = build_chain(visual, section, torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(torch.randn(ATTRIBUTES, WIDTH), dim=1)
    return Learner(chain, {kind: Base(tuple("abcde"), unit) for kind in chain.kinds}, section)


def picture(image_px: int, head_hidden: int) -> dict[str, torch.Tensor]:
    """Return a batch of one random image for the learner."""
    attributes = {
        f"{kind}_{name}": values
        for kind in ("scene", "object")
        for name, values in (
            ("positives", torch.eye(ATTRIBUTES)[:1] > 0),
            ("candidates", torch.ones(1, ATTRIBUTES) > 0),
        )
    }
    return attributes | {
        "squares": torch.randint(256, (1, image_px, image_px, 3), dtype=torch.uint8),
        "crops": torch.eye(2, 3)[None], "kept": torch.ones(1, head_hidden),
        "emotions": torch.zeros(1, dtype=torch.long),
    }  # fmt: skip


def images(_: Params) -> Step:
    """Return a guided solver step and the decoding of one image, as sampling runs them."""
    pipeline = full_size(with_clip=False).foundation.base.pipeline
    states = torch.randn(1, 77, WIDTH)

    @torch.inference_mode()
    def sample() -> Any:
        return pipeline(
            prompt_embeds=states, negative_prompt_embeds=states, num_inference_steps=1, guidance_scale=7.5,
            height=8 * EDGE, width=8 * EDGE, output_type="np",
        )  # fmt: skip

    return sample


def latents(_: Params) -> Step:
    """Return the encoding of one image."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(**VAE)

    @torch.inference_mode()
    def encode() -> Any:
        return vae.encode(torch.randn(1, 3, 8 * EDGE, 8 * EDGE)).latent_dist.mean

    return encode


def of_coemogen(params: Params, models: Models, is_low: bool) -> float:
    section = params.coemogen
    kinds = section.emotion_adapters + section.polarity_adapters
    numbers = (len(EMOTIONS) + 2) * models.unet_step(section.rank).num_bytes / FP32
    trained = numbers * torch.get_default_dtype().itemsize
    return MOMENTS["adamw"] * trained + training_peak(models, 1, "fp32", is_low, section.rank * kinds)


def of_coemogen_xl(params: Params) -> float:
    import open_clip

    clip = open_clip.get_model_config(CLIP)
    with all_bf16():
        models = Models(
            clip, clip, {**XL_UNET, "sample_size": XL_EDGE}, XL_VAE, Captioner(1, None, 1), second=XL_SECOND
        )
        return of_coemogen(params, models, True)


def of_understanding(params: Params, models: Models) -> float:
    section = params.uniemo_understanding
    trained = trained_bytes(models.built_chain(section))
    return MOMENTS["adamw"] * trained + chain_peak(models, 1, "fp32", section)


def of_joint(params: Params, models: Models) -> float:
    reader = reader_of(params)
    trained = trained_bytes(models.built_chain(reader))
    return MOMENTS["adamw"] * trained + training_peak(models, 1, "fp32", True, reader=reader)


def reader_of(params: Params) -> Any:
    return params.uniemo_understanding.model_copy(update={"backbone_rate": params.uniemo_joint.backbone_rate})


def training_step(module: Any, batch: dict[str, torch.Tensor]) -> Step:
    """Return an optimiser step, with AdamW's moments in place before it."""
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    moments = sum(2 * p.numel() * p.element_size() for p in trained)

    def step() -> int:
        module(batch)["total"].backward()
        optimizer.step()
        return moments

    return step


def measured(step: Step) -> float:
    """Return the peak of the resident memory in a step above that before it, plus the moments that a step reports."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    result = step()
    return _status("VmHWM") - before + (result if isinstance(result, int) else 0)


def _status(name: str) -> float:
    """Return a line of this process's status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def in_a_process(name: str) -> float:
    """Return what a case measures in a fresh process whose freed memory goes back at once."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    command = [sys.executable, "-m", "benchmarks.desk_memory", "--measure", name]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return float(output.splitlines()[-1])


@cache
def planned_models() -> Models:
    """Return the plan's models of Stable Diffusion 1.5 with latents of EDGE."""
    import open_clip

    clip = open_clip.get_model_config(CLIP)
    return Models(clip, clip, {**UNET, "sample_size": EDGE}, VAE, Captioner(1, None, 1))


@click.command()
@click.option("--only", help="Name of one case.")
@click.option("--measure", hidden=True, help="Measure this case here and print its bytes.")
@click.option("--out", type=click.Path(path_type=Path), help="[benchmarks/results/DATE-desk_memory.json]")
def main(only: str | None, measure: str | None, out: Path | None) -> None:
    """Measure each case, write the JSON file after each, and print it."""
    params, cases = wanted_params("desk"), all_cases()
    if measure:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        print(measured(cases[measure].build(params)))
        return
    results: dict[str, Any] = {"processor": cpu_name(), "torch": torch.__version__, "batch_size": 1}
    path = out or ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-desk_memory.json"
    for name, case in cases.items():
        if only in (None, name):
            estimate, found = case.estimate(params, planned_models()), in_a_process(name)
            results[name] = {"precision": case.precision, "latent_px": case.latent_px,
                             "estimated_gb": estimate / 1e9, "measured_gb": found / 1e9,
                             "estimated_share": estimate / found}  # fmt: skip
            path.write_text(json.dumps(results, indent=2) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
