"""Continue the bundled U-Net on a stream whose emotion words are as weak as the web's, and measure how weak they are.

    python -m benchmarks.train_miniature unpack --models MODELS
    python -m benchmarks.weaken_words draw --models MODELS --data DIR
    python -m benchmarks.weaken_words unet --models MODELS --data DIR --f 0.3 --steps 600 --out OUT
    python -m benchmarks.word_strength --models OUT --run RUN --images 2048 --out FILE.json
    python -m benchmarks.foundation --models OUT --parts unet --out FILE.json
    python -m benchmarks.train_miniature pack unet --models OUT

`draw` caches the latents of images that no model has seen; they serve every f, the share of emotion words that stand on
images without an emotion. `unet` writes OUT/{clip,diffusion,unet}; text encoder, CLIP and VAE stay as they are. It
resumes from its work folder, one for each recipe and U-Net to start from. The f at which `word_strength` reports a
ratio of .88 is frozen as STRAY_WORD_FRAC in pipeline/miniature/distributions.py and in WEAKENED_UNET.
"""

import argparse
import hashlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import torch

from benchmarks.continue_miniature import cached, facts
from pipeline.foundation import recipes
from pipeline.foundation.assembly import save_pipeline
from pipeline.foundation.conversion import load_text_tokenizer
from pipeline.foundation.diffusion import WEIGHTS, load_module
from pipeline.foundation.recipes import WeakenedUNet
from pipeline.foundation.training import continuing, sources, texts
from pipeline.foundation.training.vae import Latents, encode
from pipeline.miniature.identity import world_hash
from pipeline.miniature.stream import drawn
from pipeline.miniature.training_texts import EmotionWords
from pipeline.miniature.world import World
from pipeline.runtime import device


def draw(args: argparse.Namespace) -> None:
    """Draw images that no model has seen and save their latents, boxes and weights as .npy files."""
    from diffusers import AutoencoderKL

    recipe = recipes.WEAKENED_UNET
    vae = load_module(AutoencoderKL, args.models / "diffusion" / "vae").requires_grad_(False).to(device())
    first, stop = recipe.first_picture, recipe.first_picture + num_pictures(args)
    means, deviations, truths = [], [], []
    for part in drawn(World(sources.STREAM_SEED), "foundation", first, stop):
        latents = encode(vae, torch.from_numpy(sources.planes(part.images)), device())
        means.append(latents.means.cpu().numpy())
        deviations.append(latents.deviations.cpu().numpy())
        truths += part.truths
    arrays = {
        "means": np.concatenate(means), "deviations": np.concatenate(deviations),
        "boxes": texts.thing_boxes(truths), "weights": continuing.draw_weights(truths, recipe.often),
    }  # fmt: skip
    args.data.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(args.data / f"{name}.npy", array)


def unet(args: argparse.Namespace) -> None:
    """Continue training the U-Net on words of the requested f, and write its folders and facts to OUT."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    recipe, clip = recipe_of(args), args.models / "clip"
    model = load_module(UNet2DConditionModel, args.models / "diffusion" / "unet")
    names = ("means", "deviations", "boxes", "weights")
    means, deviations, boxes, weights = (cached(args, name)[: recipe.num_pictures] for name in names)
    latents = Latents(torch.from_numpy(means).to(device()), torch.from_numpy(deviations).to(device()))
    work = args.work / training_hash(recipe, args.models)
    loss = continuing.continue_unet(
        model, clip, latents, word_ids(args, recipe), boxes, weights, recipe, work, device()
    )
    model.cpu().save_pretrained(str(args.out / "unet" / "unet"))
    shutil.copytree(clip, args.out / "clip", dirs_exist_ok=True)
    save_pipeline(model, load_module(AutoencoderKL, args.models / "diffusion" / "vae"), clip, args.out / "diffusion")
    told = facts("unet", recipe, loss, args.bundle) | {"world": world_hash()}
    (args.out / "unet.json").write_text(json.dumps(told, indent=2))


def recipe_of(args: argparse.Namespace) -> WeakenedUNet:
    """Return the recipe with the requested settings in place of its own."""
    recipe, steps = recipes.WEAKENED_UNET, args.steps or recipes.WEAKENED_UNET.steps
    given = {
        "stray_word_frac": args.f, "right_word_frac": args.q, "emotion_word_rate": args.rate,
        "learning_rate": args.learning_rate,
    }  # fmt: skip
    fixed = {"num_pictures": num_pictures(args), "steps": steps, "warmup_steps": min(recipe.warmup_steps, steps // 4)}
    return recipe.model_copy(update=fixed | {name: value for name, value in given.items() if value is not None})


def training_hash(recipe: WeakenedUNet, models: Path) -> str:
    """Return the first 8 hex digits of the SHA-256 over the recipe and the U-Net that it starts from."""
    weights = (models / "diffusion" / "unet" / WEIGHTS).read_bytes()
    return hashlib.sha256(recipe.model_dump_json().encode() + weights).hexdigest()[:8]


def word_ids(args: argparse.Namespace, recipe: WeakenedUNet) -> np.ndarray:
    """Return token ids NKT int16 of the texts of the drawn images, with emotion words as the recipe says."""
    world, first = World(sources.STREAM_SEED), recipe.first_picture
    truths = [world.truth("foundation", first + index) for index in range(recipe.num_pictures)]
    words = EmotionWords(recipe.emotion_word_rate, recipe.stray_word_frac, recipe.right_word_frac)
    tokenizer = load_text_tokenizer(args.models / "clip")
    return texts.text_ids(truths, tokenizer, recipe.texts_per_picture, sources.STREAM_SEED, 1, first, words)


def num_pictures(args: argparse.Namespace) -> int:
    """Return the number of drawn images: the recipe's, or fewer for a trial run."""
    return max(64, round(recipes.WEAKENED_UNET.num_pictures * args.scale))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("draw", "unet"))
    parser.add_argument("--models", type=Path, default=Path(".work/weakened/models"), help="folders of bundled models")
    parser.add_argument("--data", type=Path, default=Path(".work/weakened/data"))
    parser.add_argument("--work", type=Path, default=Path(".work/weakened/checkpoints"))
    parser.add_argument("--out", type=Path, default=Path(".work/weakened/out"))
    parser.add_argument("--bundle", type=Path, default=Path("models/miniature"))
    parser.add_argument("--f", type=float, help="share of emotion words on images without an emotion")
    parser.add_argument("--q", type=float, help="share of the other emotion words that are right")
    parser.add_argument("--rate", type=float, help="share of the texts with an emotion word")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--steps", type=int, default=0, help="steps instead of the recipe's")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the recipe's pictures, for a trial run")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {args.command} %(message)s", datefmt="%H:%M:%S")
    {"draw": draw, "unet": unet}[args.command](args)


if __name__ == "__main__":
    main()
