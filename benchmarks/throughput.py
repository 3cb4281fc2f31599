"""Compare the per-image stages with plain loops of the libraries they use, at equal batch size and in one run.

    python -m benchmarks.throughput                       with the models and the corpus that `make repro` made

embedding: open_clip's transform and encode_image. captioning: transformers' chat template and generate. sampling:
diffusers' StableDiffusionPipeline in fp32, with its defaults. Each figure is a median over alternating runs of both.
Scoring, packing, the start of a stage, and a `dvc repro` that has nothing to do are measured without a comparison.
"""

import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import torch
from PIL import Image

from pipeline.artifacts import read_shards
from pipeline.captions.prompts import prompt
from pipeline.captions.write import write_captions
from pipeline.corpora import emoset, pack
from pipeline.emotion_set import EMOTIONS
from pipeline.features import image_features
from pipeline.foundation.captioner import Captioner, load_captioner
from pipeline.foundation.clip import Clip, load_clip, load_tokenizer
from pipeline.generation.folder import Foundation, load_foundation
from pipeline.generation.plain import PromptGenerator
from pipeline.generation.request import request
from pipeline.generation.sampling import generators, sample, sampling_of
from pipeline.metrics.judgement import ModelFiles, judged, load_bench
from pipeline.params import Params, load_params
from pipeline.runtime import device, threads

ROOT = Path(__file__).parents[1]
Way = Callable[[], Any]


def median_seconds(ways: dict[str, Way], turns: int) -> dict[str, float]:
    """Return the median seconds of each way, run alternately after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(durations) for name, durations in seconds.items()}


def opened(rows: pa.Table) -> list[Image.Image]:
    return [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in rows["image"].to_pylist()]


@torch.inference_mode()
def plain_embedding(clip: Clip, rows: pa.Table) -> Any:
    pixels = torch.stack([clip.transform(image) for image in opened(rows)]).to(clip.device)
    return clip.model.encode_image(pixels, normalize=True).float().cpu().numpy()


@torch.inference_mode()
def plain_captions(captioner: Captioner, rows: pa.Table, params: Params) -> list[str]:
    prompts = [prompt(params.captions.variant, emotion) for emotion in rows["emotion"].to_pylist()]
    content = [
        [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}]
        for image, text in zip(opened(rows), prompts, strict=True)
    ]
    inputs = captioner.processor.apply_chat_template(
        content, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
        processor_kwargs={"padding": True},
    ).to(captioner.device)  # fmt: skip
    token_ids = captioner.model.generate(**inputs, max_new_tokens=params.captions.max_new_tokens, do_sample=False)
    return captioner.processor.batch_decode(token_ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def compared(
    rows: pa.Table, clip: Clip, captioner: Captioner, foundation: Foundation, params: Params
) -> dict[str, Any]:
    """Return, for the three kinds, this project's and the plain loop's items per second, and their ratio."""
    pipeline, num = foundation.base.pipeline, len(rows)
    generator = PromptGenerator(foundation.base.encoder, "an image of {S}", EMOTIONS)
    requests = [request("awe", seed) for seed in range(min(num, params.images.batch_size))]
    settings = params.captions.model_copy(update={"batch_size": num})
    tokenizer = load_tokenizer(ROOT / "models/foundation/clip")

    def plain_sampling() -> Any:
        pipeline.scheduler = foundation.base.solver(params.images.solver)
        return pipeline(
            ["an image of awe"] * len(requests), generator=generators(requests), output_type="np",
            num_inference_steps=params.images.steps, guidance_scale=params.images.guidance,
        ).images  # fmt: skip

    def ours() -> Any:
        return list(sample(foundation.base, generator, requests, sampling_of(params.images)))

    kinds: dict[str, tuple[int, Way, Way]] = {
        "embedding": (num, lambda: image_features(clip, rows, num), lambda: plain_embedding(clip, rows)),
        "captioning": (
            num,
            lambda: write_captions(lambda: captioner, tokenizer, rows, settings, {}),
            lambda: plain_captions(captioner, rows, params),
        ),
        "sampling": (len(requests), ours, plain_sampling),
    }
    figures = {}
    for kind, (number, way, plain) in kinds.items():
        seconds = median_seconds({"ours": way, "plain": plain}, 5)
        figures[kind] = {name: round(number / duration, 1) for name, duration in seconds.items()}
        figures[kind]["ratio"] = round(seconds["plain"] / seconds["ours"], 2)
    return figures


def alone(rows: pa.Table, params: Params) -> dict[str, float]:
    """Return images per second of scoring by all judges under both protocols, and of packing EmoSet's folder."""
    models = ROOT / "models"
    files = ModelFiles(
        models / "foundation/clip", models / "emotion_classifier", models / "judges", models / "pretrained"
    )
    bench, folder = load_bench(files, params.scores, device()), ROOT / params.emoset.folder
    planned = emoset.plan(folder)[: 10 * len(rows)]
    ways: dict[str, Way] = {
        "scoring": lambda: judged(rows, bench, params.scores.batch_size, generated=True),
        "packing": lambda: pack.tables(emoset.read(folder, planned)),
    }
    seconds = median_seconds(ways, 3)
    return {
        "scoring_per_s": round(len(rows) / seconds["scoring"], 1),
        "packing_per_s": round(len(planned) / seconds["packing"], 1),
    }


def commands() -> dict[str, float]:
    """Return the seconds of a stage that only starts and refuses, of the help, and of runs with nothing to do."""
    ways = {
        "stage_start_s": expected(
            [sys.executable, "-m", "stages.features", "--item", "no_such_corpus"], "does not exist", status=1
        ),
        "evoke_help_s": expected([sys.executable, "-m", "evoke", "--help"], "Commands:"),
        "noop_dvc_repro_s": expected(["dvc", "repro"], "Data and pipelines are up to date."),
        "noop_evoke_repro_s": expected([sys.executable, "-m", "evoke", "repro"], "everything is up to date"),
    }
    return {name: round(median_seconds({name: way}, 3)[name], 2) for name, way in ways.items()}


def expected(command: list[str], says: str, status: int = 0) -> Way:
    """Return a function that runs a command.

    It raises ValueError if the command ends with another status or its output lacks `says`, for example because there
    is work to do.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run() -> None:
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if process.returncode != status or says not in process.stdout + process.stderr:
            raise ValueError(
                f"{' '.join(command)} exited with {process.returncode} and printed "
                f"{(process.stdout + process.stderr)[-300:]!r}; expected {status} and {says!r}: run `make repro` first"
            )

    return run


@click.command()
@click.option("--num", default=100, show_default=True, help="Images per batch.")
def main(num: int) -> None:
    """Measure, print the figures and write them to benchmarks/results."""
    params, where = load_params(ROOT / "params.yaml"), device()
    models = ROOT / "models/foundation"
    rows = read_shards(ROOT / "data/corpora/emoset", columns=["image_id", "image", "emotion"]).slice(0, num)
    clip, captioner = load_clip(models / "clip", where), load_captioner(models / "captioner", where)
    foundation = load_foundation(models / "diffusion", models / "clip", where)
    foundation.base.pipeline.set_progress_bar_config(disable=True)
    figures: dict[str, Any] = compared(rows, clip, captioner, foundation, params)
    figures |= alone(rows, params) | commands()
    figures |= {"torch": torch.__version__, "threads": threads(), "machine": platform.machine(), "device": str(where)}
    path = ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-throughput.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    click.echo(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
