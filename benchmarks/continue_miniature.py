"""Continue training the bundled CLIP and U-Net where they are worst (`pipeline.foundation.training.continuing`).

    python -m benchmarks.train_miniature unpack --models MODELS
    python -m benchmarks.continue_miniature draw --models MODELS --data DIR
    torchrun --nproc-per-node 2 -m benchmarks.continue_miniature unet --models MODELS --data DIR --out OUT
    python -m benchmarks.continue_miniature clip --models MODELS --data DIR --out OUT
    python -m benchmarks.train_miniature pack unet clip --models OUT

`draw` caches images, latents and texts as arrays. CLIP's text tower stays unchanged, so the U-Net does not have to
adapt to the new CLIP. Trainings are resumable. `--scale 0.001` reduces images and steps for a trial run.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.train_miniature import PLACES, scaled
from pipeline.foundation import recipes
from pipeline.foundation.clip import CONFIG, load_clip
from pipeline.foundation.conversion import load_text_tokenizer
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.recipes import ContinuedRecipe
from pipeline.foundation.training import continuing, sources, texts
from pipeline.foundation.training.clip import save_clip
from pipeline.foundation.training.vae import Latents, encode
from pipeline.miniature.identity import world_hash
from pipeline.miniature.stream import pictures
from pipeline.runtime import device, rank
from pipeline.weights import load_safetensors

if TYPE_CHECKING:
    from open_clip import CLIP

RECIPES: dict[str, ContinuedRecipe] = {"clip": recipes.CONTINUED_CLIP, "unet": recipes.CONTINUED_UNET}
UNPACKED = ("files", "weights", "figures")  # the facts in a bundled file that `pack` and `add_facts` write


def draw(args: argparse.Namespace) -> None:
    """Draw images that the models have not seen and save what the two trainings need, as .npy files."""
    from diffusers import AutoencoderKL

    recipe, clip = recipes.CONTINUED_UNET, recipes.CONTINUED_CLIP
    assert (clip.first_picture, clip.texts_per_picture) == (recipe.first_picture, recipe.texts_per_picture)
    first, num = recipe.first_picture, max(64, round(recipe.num_pictures * args.scale))
    drawn = pictures(sources.STREAM_SEED, first, first + num, args.workers, stream="foundation")
    images, tokenizer = sources.planes(drawn.images), load_text_tokenizer(args.models / "clip")
    autoencoder = load_module(AutoencoderKL, args.models / "diffusion" / "vae").requires_grad_(False).to(device())
    latents = encode(autoencoder, torch.from_numpy(images), device())
    ids = texts.text_ids(
        drawn.truths, tokenizer, recipe.texts_per_picture, sources.STREAM_SEED, args.workers, first=first
    )
    plain = continuing.caption_ids(
        continuing.plain_captions, drawn.truths, recipe.captions_per_picture, tokenizer, first
    )  # fmt: skip
    swapped = continuing.caption_ids(
        continuing.swapped_captions, drawn.truths[: clip.num_pictures], clip.swapped_captions, tokenizer, first
    )
    arrays = {
        "images": images, "means": latents.means.cpu().numpy(), "deviations": latents.deviations.cpu().numpy(),
        "text_ids": ids, "plain": plain, "swapped": swapped,
        "boxes": texts.thing_boxes(drawn.truths), "weights": continuing.draw_weights(drawn.truths, recipe.often),
    }  # fmt: skip
    args.data.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(args.data / f"{name}.npy", array)


def unet(args: argparse.Namespace) -> float:
    """Continue training the U-Net into OUT/unet/unet and return the last mean loss."""
    from diffusers import UNet2DConditionModel

    recipe: Any = scaled(recipes.CONTINUED_UNET, args)
    model = load_module(UNet2DConditionModel, args.models / "diffusion" / "unet")
    means, deviations = (torch.from_numpy(cached(args, name)).to(device()) for name in ("means", "deviations"))
    text_ids = np.concatenate([cached(args, "text_ids"), cached(args, "plain")], axis=1)
    boxes, weights = cached(args, "boxes"), cached(args, "weights")
    loss = continuing.continue_unet(
        model, args.models / "clip", Latents(means, deviations), text_ids, boxes, weights, recipe,
        args.work / "unet", device(),
    )  # fmt: skip
    if rank() == 0:
        model.cpu().save_pretrained(str(args.out / "unet" / "unet"))
    return loss


def clip(args: argparse.Namespace) -> float:
    """Continue training CLIP's vision tower into OUT/clip and return the last mean loss."""
    recipe: Any = scaled(recipes.CONTINUED_CLIP, args)
    folder = args.models / "clip"
    model = load_clip(folder).model
    images, text_ids, swapped = (
        cached(args, name)[: recipe.num_pictures] for name in ("images", "text_ids", "swapped")
    )
    loss = continuing.continue_clip(model, images, text_ids, swapped, recipe, args.work / "clip", device())
    if rank() == 0:
        save_continued_clip(model, folder, args.out / "clip")
    return loss


def save_continued_clip(model: "CLIP", folder: Path, out: Path) -> None:
    """Write the open_clip folder `out` of a model that was loaded from `folder` and trained further."""
    config = json.loads((folder / CONFIG).read_text())["model_cfg"]
    state = {name: tensor.float().cpu() for name, tensor in model.state_dict().items()}
    save_clip(state, config, load_text_tokenizer(folder), out)


def cached(args: argparse.Namespace, name: str) -> np.ndarray:
    """Return a cached array."""
    return np.load(args.data / f"{name}.npy")


def facts(name: str, recipe: ContinuedRecipe, loss: float, bundle: Path) -> dict[str, str]:
    """Return the metadata of the bundled model with this continued training added.

    The added step holds its recipe, world hash and loss.
    """
    _, metadata = load_safetensors(bundle / PLACES.get(name, name) / f"{name}.safetensors")
    before = json.loads(metadata.get("continued", "[]"))
    before = before if isinstance(before, list) else [before]
    step = {"recipe": json.loads(recipe.model_dump_json()), "world": world_hash(), "loss": round(loss, 4)}
    kept = {key: value for key, value in metadata.items() if key not in UNPACKED}
    return kept | {"continued": json.dumps([*before, step])}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("draw", *RECIPES))
    parser.add_argument("--models", type=Path, default=Path("models/foundation"), help="folders of the bundled models")
    parser.add_argument("--data", type=Path, default=Path(".work/continued/data"))
    parser.add_argument("--work", type=Path, default=Path(".work/continued/checkpoints"))
    parser.add_argument("--out", type=Path, default=Path(".work/continued/models"))
    parser.add_argument("--bundle", type=Path, default=Path("models/miniature"))
    parser.add_argument("--workers", type=int, default=1, help="number of processes that draw and write texts")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the recipes' images and steps")
    parser.add_argument("--steps", type=int, default=0, help="steps instead of the recipe's")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {args.command} %(message)s", datefmt="%H:%M:%S")
    if args.command == "draw":
        draw(args)
        return
    loss = {"clip": clip, "unet": unet}[args.command](args)
    if rank() == 0:
        notes = facts(args.command, RECIPES[args.command], loss, args.bundle)
        (args.out / f"{args.command}.json").write_text(json.dumps(notes, indent=2))


if __name__ == "__main__":
    main()
