"""Continue the bundled U-Net and CLIP on a stream whose emotion words are as weak as the web's.

    python -m benchmarks.train_miniature unpack --models MODELS
    python -m benchmarks.weaken_words draw --models MODELS --data DIR
    python -m benchmarks.weaken_words unet --models MODELS --data DIR --f 0.3 --steps 600 --out OUT
    python -m benchmarks.word_strength --models OUT --run RUN --images 2048 --out FILE.json
    python -m benchmarks.weaken_words clip --models MODELS --data DIR --f 0.3 --out OUT
    python -m benchmarks.foundation --models OUT --parts clip unet --out FILE.json
    python -m benchmarks.train_miniature pack unet clip --models OUT

`draw` caches images that no model has seen, and their latents; they serve every f, the share of emotion words that
stand on images without an emotion. `unet` writes OUT/{clip,diffusion,unet}; text encoder, CLIP and VAE stay as they
are. `clip` trains the vision tower alone, so that the U-Net's text encoder stays, and writes OUT/clip. Both resume from
their work folder, one for each recipe and model to start from. The f at which `word_strength` reports a ratio of .88 is
frozen as STRAY_WORD_FRAC in pipeline/miniature/distributions.py and in WEAKENED_UNET.
"""

import argparse
import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from benchmarks.continue_miniature import cached, facts, save_continued_clip
from pipeline.foundation import recipes
from pipeline.foundation.clip import WEIGHTS as CLIP_WEIGHTS
from pipeline.foundation.clip import load_clip
from pipeline.foundation.conversion import load_text_tokenizer, save_pipeline
from pipeline.foundation.diffusion import WEIGHTS, load_module
from pipeline.foundation.recipes import WeakWords
from pipeline.foundation.training import continuing, sources, texts
from pipeline.foundation.training.vae import Latents, encode
from pipeline.miniature.identity import world_hash
from pipeline.miniature.stream import drawn
from pipeline.miniature.training_texts import EmotionWords
from pipeline.miniature.truth import Truth
from pipeline.miniature.world import World
from pipeline.runtime import device

Words = TypeVar("Words", bound=WeakWords)


def draw(args: argparse.Namespace) -> None:
    """Draw images that no model has seen and save their latents, boxes and weights as .npy files."""
    from diffusers import AutoencoderKL

    recipe = recipes.WEAKENED_UNET
    vae = load_module(AutoencoderKL, args.models / "diffusion" / "vae").requires_grad_(False).to(device())
    first, stop = recipe.first_picture, recipe.first_picture + num_pictures(args)
    images, means, deviations, truths = [], [], [], []
    for part in drawn(World(sources.STREAM_SEED), "foundation", first, stop):
        images.append(sources.planes(part.images))
        latents = encode(vae, torch.from_numpy(images[-1]), device())
        means.append(latents.means.cpu().numpy())
        deviations.append(latents.deviations.cpu().numpy())
        truths += part.truths
    arrays = {
        "images": np.concatenate(images), "means": np.concatenate(means), "deviations": np.concatenate(deviations),
        "boxes": texts.thing_boxes(truths), "weights": continuing.draw_weights(truths, recipe.often),
    }  # fmt: skip
    args.data.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(args.data / f"{name}.npy", array)


def unet(args: argparse.Namespace) -> None:
    """Continue training the U-Net on words of the requested f, and write its folders and facts to OUT."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    recipe, clip = recipe_of(recipes.WEAKENED_UNET, args), args.models / "clip"
    model = load_module(UNet2DConditionModel, args.models / "diffusion" / "unet")
    names = ("means", "deviations", "boxes", "weights")
    means, deviations, boxes, weights = (cached(args, name)[: recipe.num_pictures] for name in names)
    latents = Latents(torch.from_numpy(means).to(device()), torch.from_numpy(deviations).to(device()))
    work = args.work / training_hash(recipe, args.models / "diffusion" / "unet" / WEIGHTS)
    loss = continuing.continue_unet(
        model, clip, latents, word_ids(args, recipe), boxes, weights, recipe, work, device()
    )
    model.cpu().save_pretrained(str(args.out / "unet" / "unet"))
    shutil.copytree(clip, args.out / "clip", dirs_exist_ok=True)
    save_pipeline(model, load_module(AutoencoderKL, args.models / "diffusion" / "vae"), clip, args.out / "diffusion")
    write_facts("unet", recipe, loss, args)


def clip(args: argparse.Namespace) -> None:
    """Continue training CLIP's vision tower on words of the requested f, and write its folder and facts to OUT."""
    recipe, folder = recipe_of(recipes.WEAKENED_CLIP, args), args.models / "clip"
    model, images = load_clip(folder).model, cached(args, "images")[: recipe.num_pictures]
    swapped = continuing.caption_ids(
        continuing.swapped_captions, truths_of(recipe), recipe.swapped_captions, load_text_tokenizer(folder),
        recipe.first_picture,
    )  # fmt: skip
    work = args.work / training_hash(recipe, folder / CLIP_WEIGHTS)
    loss = continuing.continue_clip(model, images, word_ids(args, recipe), swapped, recipe, work, device())
    save_continued_clip(model, folder, args.out / "clip")
    write_facts("clip", recipe, loss, args)


def write_facts(name: str, recipe: WeakWords, loss: float, args: argparse.Namespace) -> None:
    """Write the metadata of a model that now is of the present world to OUT."""
    notes = facts(name, recipe, loss, args.bundle) | {"world": world_hash()}
    (args.out / f"{name}.json").write_text(json.dumps(notes, indent=2))


def recipe_of(recipe: Words, args: argparse.Namespace) -> Words:
    """Return the recipe with the requested settings in place of its own."""
    steps = args.steps or recipe.steps
    given = {
        "stray_word_frac": args.f, "right_word_frac": args.q, "emotion_word_rate": args.rate,
        "learning_rate": args.learning_rate,
    }  # fmt: skip
    fixed = {
        "num_pictures": min(recipe.num_pictures, num_pictures(args)),
        "steps": steps,
        "warmup_steps": min(recipe.warmup_steps, steps // 4),
    }
    return recipe.model_copy(update=fixed | {name: value for name, value in given.items() if value is not None})


def training_hash(recipe: WeakWords, weights: Path) -> str:
    """Return the first 8 hex digits of the SHA-256 over the recipe and the weights that it starts from."""
    return hashlib.sha256(recipe.model_dump_json().encode() + weights.read_bytes()).hexdigest()[:8]


def truths_of(recipe: WeakWords) -> list[Truth]:
    """Return the truths of the drawn images."""
    world, first = World(sources.STREAM_SEED), recipe.first_picture
    return [world.truth("foundation", first + index) for index in range(recipe.num_pictures)]


def word_ids(args: argparse.Namespace, recipe: WeakWords) -> np.ndarray:
    """Return token ids NKT int16 of the texts of the drawn images, with emotion words as the recipe says."""
    words = EmotionWords(recipe.emotion_word_rate, recipe.stray_word_frac, recipe.right_word_frac)
    tokenizer = load_text_tokenizer(args.models / "clip")
    return texts.text_ids(
        truths_of(recipe), tokenizer, recipe.texts_per_picture, sources.STREAM_SEED, 1, recipe.first_picture, words
    )


def num_pictures(args: argparse.Namespace) -> int:
    """Return the number of drawn images: the recipe's, or fewer for a trial run."""
    return max(64, round(recipes.WEAKENED_UNET.num_pictures * args.scale))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("draw", "unet", "clip"))
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
    {"draw": draw, "unet": unet, "clip": clip}[args.command](args)


if __name__ == "__main__":
    main()
