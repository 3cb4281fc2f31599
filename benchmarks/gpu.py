"""Compare this project with the libraries' own loops at full size, in bf16, all in one run.

    python -m benchmarks.gpu                                      Stable Diffusion 1.5 and ViT-L/14, random weights
    python -m benchmarks.gpu --miniature --batch-size 2 --seconds 1      the miniature, for a trial run on a CPU

training: a CoEmoGen step on cached inputs against a step of diffusers' train_text_to_image_lora.py, which encodes
images and captions anew and trains one LoRA. sampling: guided images against StableDiffusionPipeline with weights in
bf16. embedding: CLIP's image features against open_clip's encode_image under autocast. Training and sampling by this
project are measured as they are and compiled, and both again in channels last. FLOPs are what
torch.utils.flop_counter.FlopCounterMode counts in one call of the code as it is; a variant's share of the card's peak
uses the same FLOPs.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.coemogen import random_batch, step_of
from benchmarks.full_size import FullSize, full_size
from evoke.plan.command import wanted_params
from pipeline.coemogen.model import build
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation.clip import load_clip
from pipeline.foundation.noise import noise_schedule
from pipeline.generation.folder import load_foundation
from pipeline.generation.plain import PromptGenerator
from pipeline.generation.request import request
from pipeline.generation.sampling import denoised, sampling_of
from pipeline.params import Params, read_yaml

ROOT = Path(__file__).parents[1]
LORA_TARGETS = ("to_k", "to_q", "to_v", "to_out.0")
LORA_RANK = 16
WARM_UP = 3  # calls that are not counted; a compiled module compiles in the first


@dataclass(frozen=True)
class Case:
    """A call to measure and the number of images that it makes or takes."""

    name: str
    call: Callable[[], Any]
    pictures: int
    counted: bool = True  # whether FLOPs are counted here; otherwise those of `ours` are used


def training(models: FullSize, params: Params, size: int, device: torch.device) -> Iterator[Case]:
    """Yield CoEmoGen's training step as it is and in its variants."""
    base, generator = models.foundation.base, torch.Generator().manual_seed(0)
    model = build(params.coemogen, base, models.clip.width, generator).to(device)
    batch = random_batch(model, size, models.clip.width, models.clip.width, device)
    for name, module in varied(model, base.denoiser):
        yield Case(name, partial(step_of(module, "bf16"), batch), size, name == "ours")


def diffusers_training(models: FullSize, size: int, device: torch.device) -> Iterator[Case]:
    """Yield the training step of diffusers' example.

    The frozen weights are in bf16, the LoRA is in fp32, and everything is encoded at each step.
    """
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    pipeline, unet = models.foundation.base.pipeline, models.foundation.base.pipeline.unet
    vae, text = (
        module.requires_grad_(False).to(device, torch.bfloat16) for module in (pipeline.vae, pipeline.text_encoder)
    )
    unet.requires_grad_(False).to(device, torch.bfloat16)
    unet.add_adapter(LoraConfig(r=LORA_RANK, lora_alpha=LORA_RANK, target_modules=list(LORA_TARGETS)))
    cast_training_params(unet, dtype=torch.float32)
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer, schedule = torch.optim.AdamW(trained, lr=1e-4), noise_schedule(pipeline.scheduler)
    edge = unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
    pixels = torch.rand(size, 3, edge, edge, device=device) * 2 - 1
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, text.config.vocab_size, (size, text.config.max_position_embeddings), device=device)

    def step() -> float:
        latents = vae.encode(pixels.to(torch.bfloat16)).latent_dist.sample() * vae.config.scaling_factor
        noise, steps = torch.randn_like(latents), schedule.draw_steps(size, generator).to(device)
        states = text(ids, return_dict=False)[0]
        with torch.autocast(device.type, torch.bfloat16):
            predicted = unet(schedule.noised(latents, noise, steps), steps, states, return_dict=False)[0]
            loss = F.mse_loss(predicted.float(), noise.float())
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach().item()

    yield Case("diffusers", step, size)


def sampling(models: FullSize, params: Params, size: int, device: torch.device) -> Iterator[Case]:
    """Yield guided sampling of one prompt by this project, as it is and in its variants."""
    base, pipeline = models.foundation.base, models.foundation.base.pipeline
    settings = sampling_of(params.images.model_copy(update={"precision": "bf16", "batch_size": size}))
    generator = PromptGenerator(base.encoder, "an image of {S}", EMOTIONS)
    requests, plain = [request("awe", seed) for seed in range(size)], pipeline.unet
    for name, module in varied(plain, plain):
        pipeline.unet = module
        yield Case(
            name, lambda: list(denoised(base, generator, requests, settings)), size,
            name == "ours",
        )  # fmt: skip


def diffusers_sampling(models: FullSize, params: Params, size: int, device: torch.device) -> Iterator[Case]:
    """Yield diffusers' own pipeline with weights in bf16 and the same solver and steps."""
    pipeline, settings = models.foundation.base.pipeline, params.images
    pipeline.scheduler = models.foundation.base.solver(settings.solver)
    pipeline.to(torch.bfloat16)
    width = pipeline.unet.config.cross_attention_dim
    states = torch.randn(size, pipeline.tokenizer.model_max_length, width, device=device, dtype=torch.bfloat16)

    @torch.inference_mode()
    def theirs() -> Any:
        return pipeline(
            prompt_embeds=states, negative_prompt_embeds=torch.zeros_like(states), output_type="np",
            num_inference_steps=settings.steps, guidance_scale=settings.guidance,
        ).images  # fmt: skip

    yield Case("diffusers", theirs, size)


def embedding(models: FullSize, size: int, device: torch.device) -> Iterator[Case]:
    """Yield the embedding of decoded images by this project, and by open_clip under autocast."""
    clip, num = models.clip, 16 * size
    edge = int(clip.model.visual.image_size[0])
    pixels = list(torch.randn(num, 3, edge, edge))
    yield Case("ours", lambda: clip.encode_pixels(pixels), num)

    @torch.inference_mode()
    def plain() -> Any:
        with torch.autocast(device.type, torch.bfloat16):
            return clip.model.encode_image(torch.stack(pixels).to(device), normalize=True).float().cpu()

    yield Case("open_clip in bf16", plain, num)


def varied(module: nn.Module, unet: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield a module as it is and with its U-Net in channels last, each also compiled on a GPU.

    CPUs are left out of compilation, which takes them minutes.
    """
    for suffix in ("", ", channels last"):
        if suffix:
            unet.to(memory_format=torch.channels_last)
        yield f"ours{suffix}", module
        if next(module.parameters()).is_cuda:
            torch._dynamo.reset()
            yield f"ours{suffix}, compiled", torch.compile(module)


def measured(cases: Iterator[Case], seconds: float, device: torch.device) -> dict[str, Any]:
    """Return the figures of each case.

    These are the median seconds per call, images per second, TFLOP/s, share of the peak, and peak memory.
    """
    results: dict[str, Any] = {}
    peak, flops = peak_flops(device), 0.0
    for case in cases:
        try:
            flops = count_flops(case.call) if case.counted else flops
            figures = timed(case.call, seconds, device)
        except (
            RuntimeError,
            TypeError,
            torch._dynamo.exc.TorchDynamoException,
        ) as error:  # report a variant that fails
            results[case.name] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
            continue
        rate = flops / figures["seconds_a_call"]
        figures |= {"pictures_a_second": case.pictures / figures["seconds_a_call"], "tflop_a_call": flops / 1e12,
                    "tflops": rate / 1e12}  # fmt: skip
        results[case.name] = figures | ({"share_of_peak": rate / peak} if peak else {})
    return results


def timed(call: Callable[[], Any], seconds: float, device: torch.device) -> dict[str, float]:
    """Return the median seconds per call, the number of calls in about `seconds` seconds, and a GPU's peak memory.

    WARM_UP calls come first and do not count. Each call is synchronised.
    """
    for _ in range(WARM_UP):
        call()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    durations: list[float] = []
    while len(durations) < WARM_UP or sum(durations) < seconds:
        begin = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - begin)
    memory = {"memory_gb": torch.cuda.max_memory_allocated() / 1e9} if device.type == "cuda" else {}
    return {"seconds_a_call": statistics.median(durations), "calls": len(durations), **memory}


def count_flops(call: Callable[[], Any]) -> float:
    """Return the FLOPs of one call, forward and backward: matrix products, convolutions and attention only."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def peak_flops(device: torch.device) -> float | None:
    """Return the dense bf16 FLOP/s that the card's maker states.

    Returns None on a CPU and for a card that evoke/plan/rates.yaml does not list.
    """
    if device.type != "cuda":
        return None
    cards = read_yaml(ROOT / "evoke/plan/rates.yaml")["devices"].values()
    name = torch.cuda.get_device_name()
    peaks = [card["peak"]["bf16"] * 1e12 for card in cards if name.startswith(card["name"])]
    return peaks[0] if peaks else None


@click.command()
@click.option("--miniature", is_flag=True, help="The miniature models of `make repro`, on any device.")
@click.option("--batch-size", default=16, show_default=True)
@click.option("--seconds", default=8.0, show_default=True, help="Length of each measurement.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.  [benchmarks/results/DATE-gpu.json]")
def main(miniature: bool, batch_size: int, seconds: float, out: Path | None) -> None:
    """Measure, write the JSON file after each kind of measurement, and print it at the end."""
    from pipeline.runtime import device as chosen

    device, params = chosen(), wanted_params(None if miniature else "paper")
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU", "torch": torch.__version__,
        "batch_size": batch_size, "full_size": not miniature,
        "flops_by": "torch.utils.flop_counter.FlopCounterMode", "precision": "bf16",
    }  # fmt: skip
    path = out or ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-gpu.json"

    def fresh() -> FullSize:
        return small(device) if miniature else full_size(device)

    kinds: dict[str, Callable[[], Iterator[Case]]] = {
        "sampling": lambda: sampling(fresh(), params, batch_size, device),
        "sampling by diffusers": lambda: diffusers_sampling(fresh(), params, batch_size, device),
        "embedding": lambda: embedding(fresh(), batch_size, device),
        "training": lambda: training(fresh(), params, batch_size, device),
        "training by diffusers": lambda: diffusers_training(fresh(), batch_size, device),
        "training of one picture": lambda: training(fresh(), params, 1, device),
    }
    for kind, cases in kinds.items():
        results[kind] = measured(cases(), seconds, device)
        path.write_text(json.dumps(results, indent=2) + "\n")
    click.echo(path.read_text())


def small(device: torch.device) -> FullSize:
    """Return the miniature models in place of the full-size ones."""
    models = ROOT / "models/foundation"
    foundation = load_foundation(models / "diffusion", models / "clip", device)
    return FullSize(foundation, load_clip(models / "clip", device))


if __name__ == "__main__":
    main()
