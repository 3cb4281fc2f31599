"""Train the miniature foundation models on one GPU by `pipeline.foundation.recipes`, two models at the same time.

    python -m benchmarks.train_miniature draw --data DIR
    python -m benchmarks.train_miniature pair clip vae --data DIR --models DIR --work DIR
    python -m benchmarks.train_miniature pair unet captioner --data DIR --models DIR --work DIR
    python -m benchmarks.train_miniature pack clip vae --models DIR --bundle DIR

`draw` caches images, texts and dialogues as arrays; `clip`, `vae`, `unet` and `captioner` train one model each; `pair`
starts a process for each named model. Every training resumes from its work folder. `--captioner-steps 1000 3000` trains
a captioner for each number of steps (folders captioner-1000, captioner-3000), so that one with the wanted error rate
can be chosen. `pack` writes one file per model (the U-Net's in eight bits), and `unpack` makes model folders from them.
`--scale 0.001` reduces images and steps for a trial run.
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

RECIPES: dict[str, Recipe] = {
    "clip": recipes.CLIP,
    "vae": recipes.VAE,
    "unet": recipes.UNET,
    "captioner": recipes.CAPTIONER,
}
MODELS = tuple(RECIPES)
EIGHT_BITS = {"unet"}  # more than half of all weights
PLACES = {"vae": "diffusion", "unet": "diffusion"}

log = logging.getLogger("train_miniature")


def draw(args: argparse.Namespace) -> None:
    """Draw the images of the foundation stream and save what the four trainings need.

    The files are .npy arrays and tokenizer folders in DATA.
    """
    from pipeline.foundation.conversion import load_text_tokenizer
    from pipeline.foundation.training import sources, texts
    from pipeline.foundation.training.tokenizer import chat_tokenizer, text_tokenizer
    from pipeline.miniature.captions import vocabulary_texts

    num, seed = max(recipe.num_pictures for recipe in RECIPES.values()), sources.STREAM_SEED
    image_set = sources.draw(max(64, round(num * args.scale)), args.workers)
    log.info("drew %d images", len(image_set.truths))
    args.data.mkdir(parents=True, exist_ok=True)
    np.save(args.data / "images.npy", sources.planes(image_set.images))
    np.save(args.data / "boxes.npy", texts.foreground_boxes(image_set.truths))
    trained = args.models / "clip"  # from an earlier call; its tokenizer must be kept
    if trained.exists():
        tokenizer = load_text_tokenizer(trained)
    else:
        tokenizer = text_tokenizer(vocabulary_texts(), recipes.CLIP.context_length)
    tokenizer.save_pretrained(str(args.data / "text_tokenizer"))
    ids = texts.text_ids(image_set.truths, tokenizer, recipes.CLIP.texts_per_picture, seed, args.workers)
    np.save(args.data / "text_ids.npy", ids)
    log.info("wrote texts")
    chat = chat_tokenizer(texts.chat_texts(image_set.truths[: sources.CHAT_PICTURES], seed))
    chat.save_pretrained(str(args.data / "chat_tokenizer"))
    dialogues = texts.dialogues(image_set.truths, chat, recipes.CAPTIONER.max_tokens, seed, args.workers)
    np.save(args.data / "dialogue_ids.npy", dialogues.ids)
    np.save(args.data / "dialogue_starts.npy", dialogues.starts)
    log.info("wrote dialogues of at most %d tokens", dialogues.ids.shape[1])


def train(name: str, args: argparse.Namespace) -> None:
    """Train one model, or one captioner for each requested number of steps."""
    if name == "captioner" and args.captioner_steps:
        for steps in args.captioner_steps:
            train_one(name, f"{name}-{steps}", argparse.Namespace(**{**vars(args), "steps": steps}))
    else:
        train_one(name, name, args)


def train_one(name: str, folder: str, args: argparse.Namespace) -> None:
    """Train one model into MODELS/FOLDER, and write its world, recipe and loss to MODELS/FOLDER.json."""
    from pipeline.foundation.conversion import load_text_tokenizer
    from pipeline.foundation.training.clip import train_clip
    from pipeline.foundation.training.llava import train_captioner
    from pipeline.foundation.training.texts import Dialogues
    from pipeline.foundation.training.tokenizer import load_chat_tokenizer
    from pipeline.foundation.training.unet import train_unet
    from pipeline.foundation.training.vae import train_vae
    from pipeline.miniature.identity import world_hash
    from pipeline.runtime import device

    recipe: Any = scaled(RECIPES[name], args)
    images, work, on = rows(args, "images", recipe), args.work / folder, device()
    clip, vae, out, started = args.models / "clip", args.models / "vae", args.models / folder, time.monotonic()
    if name == "clip":
        tokenizer = load_text_tokenizer(args.data / "text_tokenizer")
        loss = train_clip(images, rows(args, "text_ids", recipe), tokenizer, recipe, out, work, on)
    elif name == "vae":
        loss = train_vae(images, rows(args, "boxes", recipe), recipe, out, work, on)
    elif name == "unet":
        if load_text_tokenizer(clip).get_vocab() != load_text_tokenizer(args.data / "text_tokenizer").get_vocab():
            raise ValueError(f"{args.data} was tokenised for a different CLIP than {clip}: run unpack first, then draw")
        loss = train_unet(images, rows(args, "text_ids", recipe), recipe, clip, vae, out, work, on)
    else:
        dialogues = Dialogues(rows(args, "dialogue_ids", recipe), rows(args, "dialogue_starts", recipe))
        chat = load_chat_tokenizer(args.data / "chat_tokenizer")
        loss = train_captioner(images, dialogues, chat, recipe, clip, out, work, on)
    log.info("%s: loss %.4f after %.0f s", folder, loss, time.monotonic() - started)
    facts = {"world": world_hash(), "recipe": recipe.model_dump_json(), "loss": f"{loss:.4f}"}
    (args.models / f"{folder}.json").write_text(json.dumps(facts, indent=2) + "\n")


def pack(args: argparse.Namespace) -> None:
    """Write one file per model, laid out as in models/miniature.

    The paths are such as BUNDLE/clip/clip.safetensors and BUNDLE/diffusion/vae.safetensors.
    """
    from pipeline.foundation import bundle

    for name in args.names:
        source = args.models / name / "unet" if name == "unet" else args.models / name
        facts = json.loads((args.models / f"{name}.json").read_text())
        bundle.pack(source, packed(args, name), facts, in_eight_bits=name in EIGHT_BITS)


def unpack(args: argparse.Namespace) -> None:
    """Make the model folders from the files in the bundle, as trainings and benchmarks need them."""
    from pipeline.foundation import bundle

    files = {name: packed(args, name) for name in MODELS if packed(args, name).is_file()}
    for name, file in files.items():
        if name != "unet":
            bundle.unpack(file, args.models / name)
    if files.keys() >= {"clip", "vae", "unet"}:
        diffusion = args.models / "diffusion"
        bundle.unpack_diffusion(args.bundle / "diffusion", args.models / "clip", diffusion, args.work)


def packed(args: argparse.Namespace, name: str) -> Path:
    """Return the path of a model's file in the bundle."""
    file: Path = args.bundle / PLACES.get(name, name) / f"{name}.safetensors"
    return file


def scaled(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """Return the recipe with the requested number of steps, or reduced for a trial run."""
    steps = args.steps or max(8, round(recipe.steps * args.scale))
    return recipe.model_copy(update={"steps": steps, "warmup_steps": min(recipe.warmup_steps, steps // 4)})


def rows(args: argparse.Namespace, name: str, recipe: Recipe) -> np.ndarray:
    """Return a cached array, cut to the recipe's number of images."""
    return np.load(args.data / f"{name}.npy")[: max(64, round(recipe.num_pictures * args.scale))]


def pair(args: argparse.Namespace) -> None:
    """Train each named model in its own process, all at the same time on one device.

    Exits with an error if one of them fails.
    """
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
    if args.captioner_steps:
        options += ["--captioner-steps", *args.captioner_steps]
    module = [sys.executable, "-m", "benchmarks.train_miniature"]
    running = {name: subprocess.Popen([*module, name, *map(str, options)]) for name in args.names}
    failed = [name for name, process in running.items() if process.wait() != 0]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("draw", "pair", "all", "pack", "unpack", *MODELS))
    parser.add_argument("names", nargs="*", help="models of `pair` and `pack`")
    parser.add_argument("--data", type=Path, default=Path(".work/miniature/data"))
    parser.add_argument("--models", type=Path, default=Path("models/foundation"))
    parser.add_argument("--work", type=Path, default=Path(".work/miniature/checkpoints"))
    parser.add_argument("--bundle", type=Path, default=Path("models/miniature"))
    parser.add_argument("--captioner-steps", type=int, nargs="+", default=[])
    parser.add_argument("--workers", type=int, default=1, help="number of processes that draw and write texts")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the recipes' images and steps")
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
    elif args.command in MODELS:
        train(args.command, args)
    elif args.command != "draw":
        {"pair": pair, "pack": pack, "unpack": unpack}[args.command](args)


if __name__ == "__main__":
    main()
