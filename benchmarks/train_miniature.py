"""Train the miniature foundation models on one GPU: the recipes of `pipeline.foundation.recipes`, two models at once.

    python -m benchmarks.train_miniature draw --data DIR
    python -m benchmarks.train_miniature pair clip vae --data DIR --models DIR --work DIR
    python -m benchmarks.train_miniature pair unet captioner --data DIR --models DIR --work DIR

`draw` caches pictures, texts and dialogues as arrays; `clip`, `vae`, `unet`, `captioner` train one model; `pair` starts a
process for each. Every training resumes from its work folder. `--scale 0.001` shrinks pictures and steps to try things out.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.foundation import recipes
from pipeline.foundation.recipes import Recipe

MODELS = ("clip", "vae", "unet", "captioner")
RECIPES: dict[str, Recipe] = {
    "clip": recipes.CLIP,
    "vae": recipes.VAE,
    "unet": recipes.UNET,
    "captioner": recipes.CAPTIONER,
}
STREAM_SEED = 0
CHAT_PICTURES = 5_000  # whose answers the captioner's tokenizer learns its words from

log = logging.getLogger("train_miniature")


def draw(args: argparse.Namespace) -> None:
    """Pictures of the foundation stream and all that the four trainings need of them, as .npy files and tokenizer folders."""
    from pipeline.foundation import texts
    from pipeline.foundation.tokenizer import chat_tokenizer, text_tokenizer
    from pipeline.miniature.captions import vocabulary_texts
    from pipeline.miniature.stream import pictures

    num = max(recipe.num_pictures for recipe in RECIPES.values())
    drawn = pictures(STREAM_SEED, 0, max(64, round(num * args.scale)), args.workers)
    log.info("drew %d pictures", len(drawn.truths))
    args.data.mkdir(parents=True, exist_ok=True)
    np.save(args.data / "images.npy", np.ascontiguousarray(drawn.images.transpose(0, 3, 1, 2)))
    np.save(args.data / "boxes.npy", texts.foreground_boxes(drawn.truths))
    clip = recipes.CLIP
    tokenizer = text_tokenizer(vocabulary_texts(), clip.context_length)
    tokenizer.save_pretrained(str(args.data / "text_tokenizer"))
    ids = texts.text_ids(drawn.truths, tokenizer, clip.texts_per_picture, STREAM_SEED, args.workers)
    np.save(args.data / "text_ids.npy", ids)
    log.info("wrote texts")
    chat = chat_tokenizer(texts.chat_texts(drawn.truths[:CHAT_PICTURES], STREAM_SEED))
    chat.save_pretrained(str(args.data / "chat_tokenizer"))
    places = (64 // clip.patch_px) ** 2 + 1
    said = texts.dialogues(drawn.truths, chat, recipes.CAPTIONER.max_tokens - places, STREAM_SEED, args.workers)
    np.save(args.data / "dialogue_ids.npy", said.ids)
    np.save(args.data / "dialogue_starts.npy", said.starts)
    log.info("wrote dialogues of at most %d tokens", said.ids.shape[1])


def train(name: str, args: argparse.Namespace) -> None:
    """Train one model into its folder; a line of its figures into MODELS/NAME.json."""
    from pipeline.foundation.captioner import train_captioner
    from pipeline.foundation.clip import train_clip
    from pipeline.foundation.diffusion import train_unet
    from pipeline.foundation.texts import Dialogues
    from pipeline.foundation.tokenizer import load_chat_tokenizer, load_text_tokenizer
    from pipeline.foundation.vae import train_vae
    from pipeline.runtime import device

    recipe: Any = scaled(RECIPES[name], args)
    images, work, on = rows(args, "images", recipe), args.work / name, device()
    clip, vae, started = args.models / "clip", args.models / "vae", time.monotonic()
    if name == "clip":
        tokenizer = load_text_tokenizer(args.data / "text_tokenizer")
        loss = train_clip(images, rows(args, "text_ids", recipe), tokenizer, recipe, clip, work, on)
    elif name == "vae":
        loss = train_vae(images, rows(args, "boxes", recipe), recipe, vae, work, on)
    elif name == "unet":
        loss = train_unet(
            images, rows(args, "text_ids", recipe), recipe, clip, vae, args.models / "diffusion", work, on
        )
    else:
        said = Dialogues(rows(args, "dialogue_ids", recipe), rows(args, "dialogue_starts", recipe))
        tokenizer = load_chat_tokenizer(args.data / "chat_tokenizer")
        loss = train_captioner(images, said, tokenizer, recipe, clip, args.models / "captioner", work, on)
    seconds = time.monotonic() - started
    log.info("%s: loss %.4f after %.0f s", name, loss, seconds)
    figures = {"loss": loss, "seconds": seconds, "recipe": recipe.model_dump(mode="json")}
    (args.models / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def scaled(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """The recipe with the steps asked for, or shrunk to try things out."""
    steps = args.steps or max(8, round(recipe.steps * args.scale))
    return recipe.model_copy(update={"steps": steps, "warmup_steps": min(recipe.warmup_steps, steps // 4)})


def rows(args: argparse.Namespace, name: str, recipe: Recipe) -> np.ndarray:
    """A cached array, as many rows as the recipe has pictures."""
    return np.load(args.data / f"{name}.npy")[: max(64, round(recipe.num_pictures * args.scale))]


def pair(args: argparse.Namespace) -> None:
    """A process for each named model, all at once on the one device; fails if one of them does."""
    options = [
        "--data",
        args.data,
        "--models",
        args.models,
        "--work",
        args.work,
        "--scale",
        args.scale,
        "--steps",
        args.steps,
    ]
    module = [sys.executable, "-m", "benchmarks.train_miniature"]
    running = {name: subprocess.Popen([*module, name, *map(str, options)]) for name in args.names}
    failed = [name for name, process in running.items() if process.wait() != 0]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("draw", "pair", "all", *MODELS))
    parser.add_argument("names", nargs="*", help="models of `pair`")
    parser.add_argument("--data", type=Path, default=Path(".work/miniature/data"))
    parser.add_argument("--models", type=Path, default=Path("models/foundation"))
    parser.add_argument("--work", type=Path, default=Path(".work/miniature/checkpoints"))
    parser.add_argument("--workers", type=int, default=1, help="processes that draw and write texts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the recipes' pictures and steps")
    parser.add_argument("--steps", type=int, default=0, help="steps instead of the recipe's")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {args.command} %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pipeline").setLevel(logging.INFO)
    log.setLevel(logging.INFO)
    args.models.mkdir(parents=True, exist_ok=True)
    if args.command in ("draw", "all"):
        draw(args)
    if args.command == "all":
        for names in (["clip", "vae"], ["unet", "captioner"]):
            pair(argparse.Namespace(**{**vars(args), "names": names}))
    elif args.command == "pair":
        pair(args)
    elif args.command != "draw":
        train(args.command, args)


if __name__ == "__main__":
    main()
