"""Measure the miniature foundation models on held-out images of the drawn world, and write sheets of samples.

    python -m benchmarks.foundation --models models/foundation --out FILE.json --sheets DIR

The figures are retrieval, swapped captions and an emotion probe (CLIP); reconstructions (VAE) and samples of held-out
captions (U-Net), both scored by a judge trained here on real images; and captions (captioner). The device is
EVOKE_DEVICE, the number of threads EVOKE_THREADS.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.foundation_clip import PROBE_SEED, SEED, Figures, captions_of, clip_figures
from pipeline.captions.prompts import VARIANTS, prompt
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation.captioner import Captioner, load_captioner
from pipeline.foundation.clip import Clip, ClipTokenizer, load_clip
from pipeline.foundation.diffusion import load_pipeline
from pipeline.foundation.recipes import JUDGE
from pipeline.foundation.training import judge as judges
from pipeline.foundation.training.clip import normalized
from pipeline.foundation.training.sources import planes
from pipeline.foundation.training.vae import encode, psnr
from pipeline.miniature.checks import named, objects_right, scene_right
from pipeline.miniature.stream import PictureSet, pictures
from pipeline.miniature.tone import measure_tone
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS, SCENES
from pipeline.runtime import device

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

STEPS, GUIDANCE, SAMPLE_BATCH = 12, 4.5, 64

log = logging.getLogger("foundation")


def pixels(images: np.ndarray) -> Tensor:
    """Return images NHWC uint8 -> tensor N3HW uint8."""
    return torch.from_numpy(planes(images))


def ratios(prefix: str, judge: judges.Judge, generated: Tensor, real: Tensor, truths: Sequence[Truth]) -> Figures:
    """Return the judge's rates on generated images in [-1, 1], and their ratios to its rates on the real images."""
    truth = judges.truths_of(truths)
    rates = judges.recognition(judges.judge_pictures(judge, generated), truth)
    base = judges.recognition(judges.judge_pictures(judge, real), truth)
    return (
        {f"{prefix}/{name}": rate for name, rate in rates.items()}
        | {f"{prefix}/{name}_of_real": rate / base[name] for name, rate in rates.items()}
        | {f"judge/{name}": rate for name, rate in base.items()}
    )


@torch.inference_mode()
def vae_figures(pipeline: "StableDiffusionPipeline", judge: judges.Judge, held_out: PictureSet) -> Figures:
    """Return what reconstructions keep: PSNR in dB, deviation of the latents, and the judge's rates."""
    real = pixels(held_out.images)
    means = encode(pipeline.vae, real, pipeline.device).means.float()
    decoded = torch.cat([pipeline.vae.decode(batch).sample.cpu() for batch in means.split(SAMPLE_BATCH)]).clamp(-1, 1)
    figures = {"vae/psnr_db": psnr(decoded, normalized(real)), "vae/latent_deviation": means.std().item()}
    return figures | ratios("vae", judge, decoded, normalized(real), held_out.truths)


def sample(pipeline: "StableDiffusionPipeline", texts: Sequence[str], seed: int = SEED) -> np.ndarray:
    """Return an image for each text, NHWC uint8.

    The result does not depend on the batches, because every image has its own generator.
    """
    parts = []
    for start in range(0, len(texts), SAMPLE_BATCH):
        batch = list(texts[start : start + SAMPLE_BATCH])
        generators = [torch.Generator().manual_seed(seed + start + index) for index in range(len(batch))]
        images = pipeline(
            batch, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generators, output_type="np"
        ).images
        parts.append((images * 255).round().astype(np.uint8))
    return np.concatenate(parts)


def unet_figures(pipeline: "StableDiffusionPipeline", judge: judges.Judge, held_out: PictureSet) -> Figures:
    """Return the judge's rates on samples of held-out captions, the effect of tone words, and images per second."""
    sample(pipeline, captions_of(held_out.truths[:SAMPLE_BATCH]))
    started = time.monotonic()
    samples = sample(pipeline, captions_of(held_out.truths))
    figures = {"unet/images_per_second": len(samples) / (time.monotonic() - started)}
    real = normalized(pixels(held_out.images))
    figures |= ratios("unet", judge, normalized(pixels(samples)), real, held_out.truths)
    for word in ("dark", "bright", "gray", "colorful"):
        texts = [f"a {word} {scene}" for scene in SCENES.values()] * 4
        tones = np.mean([measure_tone(Image.fromarray(image)) for image in sample(pipeline, texts)], axis=0)
        figures |= {f"unet/brightness_{word}": float(tones[0]), f"unet/colorfulness_{word}": float(tones[1])}
    return figures


def captioner_figures(captioner: Captioner, clip: Clip, held_out: PictureSet) -> Figures:
    """Return, for each variant of the prompt, the rates of `caption_rates` and the captions per second."""
    images = [Image.fromarray(image) for image in held_out.images]
    emotions = [truth.label or EMOTIONS[index % 8] for index, truth in enumerate(held_out.truths)]
    figures: Figures = {}
    for variant in VARIANTS:
        prompts = [prompt(variant, emotion) for emotion in emotions]
        started = time.monotonic()
        texts = [text for start in range(0, len(images), 100) for text in
                 captioner.caption(images[start : start + 100], prompts[start : start + 100], 77)]  # fmt: skip
        seconds = time.monotonic() - started
        figures |= {
            f"captioner/{variant}/{name}": value for name, value in caption_rates(texts, held_out.truths, clip).items()
        }
        figures[f"captioner/{variant}/captions_per_second"] = len(images) / seconds
    return figures


def caption_rates(texts: Sequence[str], truths: Sequence[Truth], clip: Clip) -> Figures:
    """Return the rates of right captions and statistics of their content.

    The values are the share with the right scene; the share with right objects among captions that name any; the number
    of things named; the share that names the trigger; the mean number of tokens; the share that is longer than CLIP's
    context; and the share of distinct captions.
    """
    things = [[thing.name for thing in truth.objects] for truth in truths]
    naming = [index for index, text in enumerate(texts) if named(text, OBJECTS)]
    triggered = [(text, truth.trigger) for text, truth in zip(texts, truths, strict=True) if truth.trigger]
    tokens = ClipTokenizer(clip.tokenizer)
    lengths = np.array([tokens.num_tokens(text) for text in texts])
    return {
        "scene_right": float(np.mean([scene_right(t, truth.scene) for t, truth in zip(texts, truths, strict=True)])),
        "object_right": float(np.mean([objects_right(texts[index], things[index]) for index in naming])),
        "names_object": len(naming) / len(texts),
        "things_named": float(np.mean([len(named(text, OBJECTS)) for text in texts])),
        "trigger_named": float(np.mean([trigger in named(text, OBJECTS) for text, trigger in triggered])),
        "mean_tokens": float(lengths.mean()),
        "cut_by_clip": float((lengths > tokens.context_length).mean()),
        "distinct": len(set(texts)) / len(texts),
    }


def the_judge(work: Path, workers: int) -> judges.Judge:
    """Return the judge, trained once (minutes on a CPU) and kept in `work`."""
    file = work / "judge.safetensors"
    if not file.exists():
        log.info("training the judge")
        training_set = pictures(PROBE_SEED, 0, JUDGE.num_pictures, workers, stream="foundation")
        judges.train_judge(planes(training_set.images), training_set.truths, JUDGE, file, work / "judge", device())
    return judges.load_judge(file, JUDGE, device())


def main() -> None:
    """Run the command line."""
    from benchmarks.foundation_sheets import write_sheets

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models/foundation"))
    parser.add_argument("--captioner", default="captioner", help="folder of the captioner in MODELS")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sheets", type=Path, help="folder for PNG sheets of samples")
    parser.add_argument("--work", type=Path, default=Path(".work/foundation"))
    parser.add_argument("--n", type=int, default=1024, help="number of held-out images")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--parts", nargs="+", default=["clip", "vae", "unet", "captioner"])
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pipeline").setLevel(logging.INFO)
    log.setLevel(logging.INFO)
    held_out = pictures(SEED, 0, args.n, args.workers, stream="held_out")
    figures: Figures = {"n": args.n}
    clip = load_clip(args.models / "clip", device())
    if "clip" in args.parts:
        figures |= clip_figures(clip, held_out, args.workers)
    if {"vae", "unet"} & set(args.parts):
        judge, pipeline = the_judge(args.work, args.workers), load_pipeline(args.models / "diffusion", device())
        if "vae" in args.parts:
            figures |= vae_figures(pipeline, judge, held_out)
        if "unet" in args.parts:
            figures |= unet_figures(pipeline, judge, held_out)
        if args.sheets:
            write_sheets(args.sheets, lambda texts: sample(pipeline, texts), held_out)
    if "captioner" in args.parts:
        corpus_like = pictures(SEED, 0, args.n, args.workers, stream="oracle")  # every oracle image has an emotion
        figures |= captioner_figures(load_captioner(args.models / args.captioner, device()), clip, corpus_like)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({key: round(value, 4) for key, value in figures.items()}, indent=2) + "\n")
    log.info("%s", args.out.read_text())


if __name__ == "__main__":
    main()
