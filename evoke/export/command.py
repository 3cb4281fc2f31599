"""Define `evoke export EMOTION...`, which writes a trained emotion for diffusers, ComfyUI or A1111."""

from typing import TYPE_CHECKING, Any

import click

from evoke.emotion_model import check_new, emotion_options, load_model
from evoke.hub import Push, push_options, send
from evoke.origin import origin_of

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
@click.option(
    "--base-model",
    metavar="NAME",
    help="Name on the hub of its Stable Diffusion, for the model card.  [that of the last run]",
)
@click.option("--license", "licence", metavar="ID", help="Licence for the model card, such as cc-by-4.0.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="ORG/NAME", help="Training images on the hub, for the card."
)
@push_options
def export(
    emotions: "Mapping[str, float]",
    strength: float,
    out: "Path",
    overwrite: bool,
    kind: "Format",
    seed: int | None,
    token: str | None,
    base_model: str | None,
    licence: str | None,
    datasets: tuple[str, ...],
    push_to_hub: Push | None,
    **model: Any,
) -> None:
    """Write an emotion, or several by weight, as files that other tools load: a LoRA, an embedding, a model card.

    \b
    evoke export awe --format diffusers --out exported/awe
    evoke export awe=0.6 fear=0.4 --format kohya --out exported/mixed

    In these tools the images are those of the model for the one exported v: the mean v, or that of an image made by
    `evoke generate`. The card, DIR/README.md, says how to load the files. ComfyUI opens DIR/awe-workflow.json.

    --push-to-hub ORG/NAME lists what would be sent to the Hugging Face Hub, and sends it with --yes
    (and --overwrite, if DIR has the files already).
    """
    origin = origin_of(model["model"], model["diffusion"], base_model, licence, datasets)
    if push_to_hub and not origin.licence:
        raise ValueError(
            "the licence of this model is not known; give one that you may grant, as in --license cc-by-4.0"
        )
    from evoke.export.emotion import gather, names, write
    from pipeline.generation.request import request

    check_new([out / name for name in names(request(emotions, 0))], overwrite)
    exported = gather(load_model(**model), emotions, seed, strength, token)
    files = write(exported, kind, out, origin)
    for file in files:
        click.echo(file)
    if push_to_hub:
        send(push_to_hub, "model", out, files)
