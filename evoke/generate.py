"""Define `evoke generate EMOTION... --out DIR`, which makes images with a trained model.

A manifest beside the images records how each was made.
"""

from typing import TYPE_CHECKING, Any

import click

from evoke.emotion_model import check_new, emotion_options, load_model
from pipeline.generation.defaults import BATCH_SIZE, GUIDANCE, SOLVER, SOLVERS, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.params import Solver

MAX_IMAGES = 100_000  # file names have five digits


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
@click.option("--steps", default=STEPS, show_default=True, help="Solver steps.")
@click.option(
    "--guidance", default=GUIDANCE, show_default=True, help="Scale of classifier-free guidance; 1 turns it off."
)
@click.option("--solver", default=SOLVER, show_default=True, type=click.Choice(SOLVERS))
@click.option("--batch-size", default=BATCH_SIZE, show_default=True, help="Images per batch; 1 needs least memory.")
def generate(
    emotions: "Mapping[str, float]",
    strength: float,
    out: "Path",
    overwrite: bool,
    num_images: int,
    seed: int,
    prompt: str,
    steps: int,
    guidance: float,
    solver: "Solver",
    batch_size: int,
    **model: Any,
) -> None:
    """Make images of an emotion, or of several by weight, in DIR: awe-00000.png and so on, and manifest.csv.

    \b
    evoke generate awe -n 4 --out images
    evoke generate awe --prompt "{S} street" --out streets     transfer
    evoke generate awe=0.6 fear=0.4 --out mixed                fusion

    Runs with the same seed make the same images: the first of four equals the first of one. manifest.csv has the seed
    of each image; runs into the same DIR share it.
    """
    from pipeline.generation.images import encoded
    from pipeline.generation.manifest import add_to_manifest, entry, read_manifest
    from pipeline.generation.pipeline import planned
    from pipeline.generation.sampling import Sampling
    from pipeline.runtime import progress
    from pipeline.work import written_aside

    requests = planned(emotions, num_images, seed, prompt, strength)
    sampling = Sampling(steps, guidance, solver, batch_size)
    files = [out / f"{request.stem}-{index:05d}.png" for index, request in enumerate(requests)]
    check_new(files, overwrite)
    read_manifest(out)
    pipeline, entries = load_model(**model), []
    images = pipeline.pictures(requests, sampling)
    try:
        for file, request, image in zip(files, requests, progress(images, num_images, "generate"), strict=True):
            out.mkdir(parents=True, exist_ok=True)
            with written_aside(file) as aside:
                aside.write_bytes(encoded(image))
            entries.append(entry(file.name, request, sampling, pipeline.source, pipeline.model))
    finally:
        if entries:
            add_to_manifest(out, entries)
    click.echo(f"{out}: {len(entries)} images of {requests[0].name}; manifest.csv lists the seed of each")
