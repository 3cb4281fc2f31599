"""Compare CoEmoGen's training step with the straightforward loop: one image per step, everything encoded anew.

    python -m benchmarks.coemogen                                        the miniature, on two cores
    python -m benchmarks.coemogen --full --device cuda --batch-size 16   the papers' shapes, random weights, with memory
    python -m benchmarks.coemogen --costs bundled                        CPU time and memory of a step and of an image

Both train the same module on the same images in the same run; the figure is the ratio of their images per second. The
straightforward step works as the field's released training loops do: decode and resize the image, compute CLIP's image
feature, the autoencoder's latent and the caption's text feature, and then take a step of one sample.
"""

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from PIL import Image

from pipeline.coemogen.model import CoEmoGen, build
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation import bundle
from pipeline.foundation.base import Base
from pipeline.foundation.clip import Clip
from pipeline.foundation.training import widened
from pipeline.generation.folder import load_foundation
from pipeline.generation.plain import PromptGenerator
from pipeline.generation.request import request
from pipeline.generation.sampling import sample, sampling_of
from pipeline.params import Coemogen, load_params
from pipeline.runtime import Precision, autocast, precision_of

ROOT = Path(__file__).parents[1]
CAPTION = "a bright beach with a balloon and a happy person"


def step_of(model: CoEmoGen, precision: Precision) -> Callable[[dict[str, torch.Tensor]], float]:
    """Return a function that takes one optimiser step on a batch and returns the loss."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    device = parameters[0].device

    def step(batch: dict[str, torch.Tensor]) -> float:
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision, device):
            loss = model(batch)["total"]
        loss.backward()
        optimizer.step()
        return loss.detach().item()

    return step


def random_batch(model: CoEmoGen, size: int, visual: int, joint: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Return random cached inputs of `size` images, in the form that the training loop has them."""
    generator = torch.Generator().manual_seed(0)
    config = model.unet.config
    shape = (size, config.in_channels, config.sample_size, config.sample_size)
    unit = torch.nn.functional.normalize
    batch = {
        "latents": torch.randn(shape, generator=generator),
        "noise": torch.randn(shape, generator=generator),
        "steps": model.base.schedule.draw_steps(size, generator),
        "emotions": torch.eye(8)[torch.randint(8, (size,), generator=generator)],
        "visual": unit(torch.randn(size, visual, generator=generator), dim=1),
        "caption": unit(torch.randn(size, joint, generator=generator), dim=1),
        "dropped": torch.rand(size, generator=generator) < 0.1,
    }
    return {name: tensor.to(device) for name, tensor in batch.items()}


def encoded_anew(image: Image.Image, pipeline: Any, clip: Clip, batch: dict[str, torch.Tensor]) -> None:
    """Encode one image and a caption with the three encoders and put the results into the batch.

    This is what the straightforward loop does at each step.
    """
    edge = pipeline.unet.config.sample_size * 8
    pixels = torch.from_numpy(np.array(image.resize((edge, edge)))).permute(2, 0, 1)[None].to(pipeline.device)
    with torch.no_grad():
        posterior = pipeline.vae.encode(pixels.to(pipeline.vae.dtype) / 127.5 - 1).latent_dist
        batch["latents"] = posterior.sample().float() * pipeline.vae.config.scaling_factor
    batch["visual"] = clip.encode_images([image]).clone().to(pipeline.device)
    batch["caption"] = clip.encode_texts([CAPTION]).clone().to(pipeline.device)


def pictures_a_second(
    step: Callable[[], Any], num_images: int, seconds: float, device: torch.device
) -> tuple[float, int]:
    """Return the images per second over about `seconds` seconds, and the number of steps taken.

    Two warm-up steps come first and do not count.
    """
    for _ in range(2):
        step()
    _synchronize(device)
    begin, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - begin < seconds:
        step()
        steps += 1
    _synchronize(device)
    return steps * num_images / (time.perf_counter() - begin), steps


def measure(
    model: CoEmoGen, pipeline: Any, clip: Clip, settings: Coemogen, batch_size: int, seconds: float
) -> dict[str, Any]:
    """Return the images per second of both loops, and their ratio."""
    device = pipeline.device
    step = step_of(model, settings.precision)
    whole, single = (random_batch(model, size, clip.width, clip.width, device) for size in (batch_size, 1))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8))

    def straightforward() -> float:
        encoded_anew(image, pipeline, clip, single)
        return step(single)

    our_rate, our_steps = pictures_a_second(lambda: step(whole), batch_size, seconds, device)
    their_rate, their_steps = pictures_a_second(straightforward, 1, seconds, device)
    alone, _ = pictures_a_second(lambda: step(single), 1, seconds, device)
    return {
        "batch_size": batch_size, "pictures_a_second": our_rate, "steps": our_steps,
        "straightforward_pictures_a_second": their_rate, "straightforward_steps": their_steps,
        "batch_1_cached_pictures_a_second": alone, "ratio": our_rate / their_rate,
    }  # fmt: skip


def costs(source: str) -> dict[str, Any]:
    """Return CPU seconds of a training step and of an image at the params of params.yaml, and the process's peak in MB.

    The first of each does not count. `source` is that of foundation_diffusion: bundled or bundled-xl.
    """
    torch.set_num_threads(1)
    params = load_params(ROOT / "params.yaml")
    with TemporaryDirectory() as folder:
        base = load_bundled(Path(folder), source)
    generator, sampling = PromptGenerator(base.encoder, "an image of {S}", EMOTIONS), sampling_of(params.images)
    requests = [request(emotion, 0) for emotion in EMOTIONS]
    image_s = cpu_seconds(lambda: list(sample(base, generator, requests, sampling)), 2) / len(requests)
    sampling_mb = peak_mb()
    width = base.encoder.joint_width
    model = build(params.coemogen, base, width, torch.Generator().manual_seed(0))
    batch = random_batch(model, params.coemogen.batch_size, width, width, torch.device("cpu"))
    step = step_of(model, params.coemogen.precision)
    return {
        "source": source, "batch_size": params.coemogen.batch_size, "solver_steps": sampling.steps,
        "precision": precision_of(params.coemogen.precision, "cpu"), "image_cpu_s": image_s,
        "sampling_peak_mb": sampling_mb, "step_cpu_s": cpu_seconds(lambda: step(batch), 5),
        "training_peak_mb": peak_mb(),
    }  # fmt: skip


def load_bundled(folder: Path, source: str) -> Base:
    """Return the bundled base in the format of Stable Diffusion or, `bundled-xl`, of Stable Diffusion XL."""
    bundle.unpack(ROOT / "models/miniature/clip" / bundle.CLIP, folder / "clip")
    bundle.unpack_diffusion(ROOT / "models/miniature/diffusion", folder / "clip", folder / "bundled", folder / "work")
    if source == "bundled-xl":
        texts = widened.world_texts(folder / "clip", 1, num_images=60)
        widened.widen(folder / "bundled", folder / "clip", texts, folder / source)
    return load_foundation(folder / source, folder / "clip").base


def cpu_seconds(run: Callable[[], Any], times: int) -> float:
    """Return the CPU seconds of a call, the mean of so many after a first one that does not count."""
    run()
    begin = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - begin) / times


def peak_mb() -> float:
    """Return the peak of this process's resident memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@click.command()
@click.option("--models", default=ROOT / "models", type=click.Path(path_type=Path), help="Folder with foundation/.")
@click.option("--batch-size", default=32, show_default=True)
@click.option("--seconds", default=20.0, show_default=True, help="Length of each measurement.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--full", is_flag=True, help="Stable Diffusion 1.5 and ViT-L/14 in shape, with random weights.")
@click.option(
    "--costs", "source", type=click.Choice(["bundled", "bundled-xl"]), help="Measure only what this base costs."
)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    models: Path, batch_size: int, seconds: float, device: str, full: bool, source: str | None, out: Path | None
) -> None:
    """Measure and print the figures as JSON."""
    if source:
        print(json.dumps(costs(source), indent=2))
        return
    from benchmarks.full_size import full_size
    from pipeline.foundation.clip import load_clip

    settings = load_params(ROOT / "params.yaml").coemogen
    if full:
        models_at_full_size = full_size(device)
        foundation, clip = models_at_full_size.foundation, models_at_full_size.clip
    else:
        foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip", device)
        clip = load_clip(models / "foundation/clip", device)
    pipeline = foundation.base.pipeline
    generator = torch.Generator().manual_seed(0)
    model = build(settings, foundation.base, clip.width, generator).to(device)
    figures = measure(model, pipeline, clip, settings, batch_size, seconds)
    if device.startswith("cuda"):
        figures |= {"card": torch.cuda.get_device_name(), "peak_memory_gb": torch.cuda.max_memory_allocated() / 2**30}
    figures |= {"full_size": full, "device": device, "threads": torch.get_num_threads(), "torch": torch.__version__,
              "precision": settings.precision}  # fmt: skip
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
