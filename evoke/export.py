"""Define `evoke export EMOTION...`, which writes a trained emotion for diffusers, ComfyUI or A1111."""

from typing import TYPE_CHECKING, Any

import click

from evoke.emotion_model import check_new, emotion_options, load_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.foundation.base import Format


@click.command()
@emotion_options
@click.option(
    "--format", "kind", required=True, type=click.Choice(["diffusers", "kohya"]), help="kohya: for ComfyUI and A1111."
)
@click.option("--seed", type=click.IntRange(0), help="Seed in manifest.csv of an image whose v to use.  [the mean v]")
@click.option("--token", help="The word that the embedding stands for.  [<awe> for awe]")
@click.option("--base-model", metavar="NAME", help="Name on the hub of its Stable Diffusion, for the model card.")
def export(
    emotions: "Mapping[str, float]",
    strength: float,
    out: "Path",
    overwrite: bool,
    kind: "Format",
    seed: int | None,
    token: str | None,
    base_model: str | None,
    **model: Any,
) -> None:
    """Write an emotion, or several by weight, as files that other tools load: a LoRA, an embedding, a model card.

    \b
    evoke export awe --format diffusers --out exported/awe
    evoke export awe=0.6 fear=0.4 --format kohya --out exported/mixed

    In these tools the images are those of the model for the one exported v: the mean v, or that of an image made by
    `evoke generate`. The card, DIR/README.md, says how to load the files.
    """
    from pipeline.coemogen.export import gather, names, write
    from pipeline.generation.request import request

    check_new([out / name for name in names(request(emotions, 0))], overwrite)
    exported = gather(load_model(**model), emotions, seed, strength, token)
    for file in write(exported, kind, out, base_model):
        click.echo(file)
