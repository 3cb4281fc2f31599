"""Refuse photographs where the miniature's models would read them: these know drawn images only."""

from collections.abc import Iterable
from pathlib import Path

import click

from pipeline.foundation.recipes import IMAGE_PX

NUM_CHECKED = 16  # images whose size is looked at

miniature_option = click.option(
    "--miniature", is_flag=True, help="Let the miniature's models, which know drawn images only, read photographs."
)


def is_miniature(clip: Path) -> bool:
    """Return True for a CLIP that sees 64 px, as those of this project's recipe do and published ones do not."""
    from evoke.classifier import clip_config

    vision = clip_config(clip)["vision_cfg"]
    return isinstance(vision, dict) and vision.get("image_size") == IMAGE_PX


def check_drawn(sizes: Iterable[tuple[str, tuple[int, int]]], model: Path, instead: str, asked: bool) -> None:
    """Raise ValueError if an image is larger than a drawn one, unless it was asked for.

    sizes: names, widths and heights in px. Call it with the folder of a miniature `model`. instead: the option that
    gives another model.
    """
    for name, (width, height) in sizes:
        if max(width, height) > IMAGE_PX:
            what = (
                f"{name} has {width} x {height} px, but {model} is the miniature's: it knows drawings of {IMAGE_PX} px "
                "only, and its answers on photographs mean nothing"
            )
            if not asked:
                raise ValueError(f"{what}; give {instead}, or pass --miniature to ask it anyway")
            click.echo(what, err=True)
            return
