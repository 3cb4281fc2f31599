"""Define `evoke generate EMOTION... --out DIR`, which makes images with a trained model.

A manifest beside the images records how each was made.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.emotion_model import check_new, emotion_options, load_model
from pipeline.generation.defaults import BATCH_SIZE, GUIDANCE, SOLVER, SOLVERS, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from evoke.pipeline import EmotionPipeline
    from pipeline.generation.request import Request
    from pipeline.generation.sampling import Sampling
    from pipeline.params import Solver

MAX_IMAGES = 100_000  # file names have five digits
MAX_SHEET = 64  # images on a contact sheet
TAKEN = (
    "emotions",
    "prompt",
    "negative_prompt",
    "strength",
    "steps",
    "guidance",
    "solver",
    "source",
    "model",
)  # from a recipe, by --again


def _recipe(context: click.Context, _parameter: click.Parameter, file: Path | None) -> "Mapping[str, Any] | None":
    """Return the recipe of a PNG file, and make it the default of all options that are not given."""
    if file is None or context.resilient_parsing:
        return None
    from evoke.png import recipe_of

    recipe = recipe_of(file.read_bytes())
    if recipe is None or not isinstance(recipe.get("seed"), int) or not isinstance(recipe.get("emotions"), dict):
        raise ValueError(f"{file} carries no recipe of one image; name a PNG file that `evoke generate` has written")
    context.default_map = {name: recipe[name] for name in TAKEN if name in recipe} | {
        "emotions": tuple(f"{name}={weight}" for name, weight in recipe["emotions"].items())
    }
    return recipe


@click.command()
@emotion_options
@click.option(
    "-n", "--num-images", default=1, show_default=True, type=click.IntRange(1, MAX_IMAGES), help="Number of images."
)
@click.option(
    "--seed", default=0, show_default=True, help="Seed of the run; the seed of each image is derived from it."
)
@click.option(
    "--prompt", default="{S}", show_default=True, help='{S} stands for the emotion: "{S} street" transfers it.'
)
@click.option("--negative-prompt", default="", help="What guidance leads away from, such as fog.")
@click.option("--steps", default=STEPS, show_default=True, help="Solver steps.")
@click.option(
    "--guidance", default=GUIDANCE, show_default=True, help="Scale of classifier-free guidance; 1 turns it off."
)
@click.option("--solver", default=SOLVER, show_default=True, type=click.Choice(SOLVERS))
@click.option("--batch-size", default=BATCH_SIZE, show_default=True, help="Images per batch; 1 needs least memory.")
@click.option(
    "--again", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png", callback=_recipe, is_eager=True,
    help="Make the image of this file again, from what it carries; options that you give replace its own.",
)  # fmt: skip
def generate(
    emotions: "Mapping[str, float]",
    strength: float,
    out: "Path",
    overwrite: bool,
    num_images: int,
    seed: int,
    prompt: str,
    negative_prompt: str,
    steps: int,
    guidance: float,
    solver: "Solver",
    batch_size: int,
    again: "Mapping[str, Any] | None",
    **model: Any,
) -> None:
    """Make images of an emotion, or of several by weight, in DIR: awe-00000.png and so on, and manifest.csv.

    \b
    evoke generate awe -n 4 --out images
    evoke generate awe --prompt "{S} street" --out streets     transfer
    evoke generate awe=0.6 fear=0.4 --out mixed                fusion
    evoke generate --again mixed/awe-fear-00000.png --strength 1.3 --out stronger

    Runs with the same seed make the same images: the first of four equals the first of one. manifest.csv has the seed
    of each image; runs into the same DIR share it. Each PNG file carries prompt, seed and model, as manifest.csv does.
    Several images come with a contact sheet of the first 64, awe-sheet.png.
    """
    from evoke.manifest import add_to_manifest, entry, read_manifest
    from evoke.pipeline import planned
    from evoke.png import SHEET, png_bytes
    from pipeline.generation.request import request
    from pipeline.generation.sampling import Sampling
    from pipeline.runtime import progress

    if again and (num_images > 1 or seed):
        raise ValueError("--again makes one image, from the seed in its file; leave out -n and --seed")
    requests = planned(emotions, num_images, seed, prompt, strength)
    if again:
        requests = [request(emotions, again["seed"], prompt, strength)]
    sampling = Sampling(steps, guidance, solver, batch_size, negative_prompt=negative_prompt)
    files = [out / f"{request.stem}-{index:05d}.png" for index, request in enumerate(requests)]
    sheet = out / f"{requests[0].stem}{SHEET}"
    check_new([*files, *([sheet] if len(files) > 1 else [])], overwrite)
    read_manifest(out)
    pipeline, entries = load_model(**model), []
    shown: list[NDArray[np.uint8]] = []
    if again and again.get("model_hash") != pipeline.model:
        click.echo(f"{model['model']} is not the model that made the file: the image will differ", err=True)
    images = pipeline.pictures(requests, sampling)
    try:
        for file, one, image in zip(files, requests, progress(images, num_images, "generate"), strict=True):
            _write(file, png_bytes(image, recipe(one, sampling, pipeline, model["model"])))
            entries.append(entry(file.name, one, sampling, pipeline.source, pipeline.model))
            shown += [image] if len(shown) < MAX_SHEET else []
    finally:
        if entries:
            add_to_manifest(out, entries)
    if len(shown) > 1:
        about = recipe(requests[0], sampling, pipeline, model["model"])
        _write(sheet, _sheet(shown, about | {"seed": [request.seed for request in requests[:MAX_SHEET]]}))
    click.echo(f"{out}: {len(entries)} images of {requests[0].name}; manifest.csv lists the seed of each")


def recipe(request: "Request", sampling: "Sampling", pipeline: "EmotionPipeline", model: Path) -> dict[str, Any]:
    """Return what a PNG file carries of its image: enough to make it again, as `--again` does."""
    return {
        "prompt": request.prompt, "emotions": request.mixture, "strength": request.strength, "seed": request.seed,
        "steps": sampling.steps, "guidance": sampling.guidance, "solver": sampling.solver, "model": model.as_posix(),
        "model_hash": pipeline.model, **({"source": pipeline.source} if pipeline.source else {}),
        **({"negative_prompt": sampling.negative_prompt} if sampling.negative_prompt else {}),
    }  # fmt: skip


def _sheet(images: "Iterable[NDArray[np.uint8]]", about: "Mapping[str, Any]") -> bytes:
    """Return a contact sheet, about as wide as high, as the bytes of a PNG file that says what it shows."""
    from evoke.png import png_bytes
    from pipeline.sheet import contact_sheet

    shown = list(images)
    return png_bytes(contact_sheet(shown, math.ceil(len(shown) ** 0.5)), about)


def _write(file: Path, data: bytes) -> None:
    from pipeline.work import written_aside

    file.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(file) as aside:
        aside.write_bytes(data)
