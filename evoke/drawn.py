"""Warn a user who applies the bundled models, which know only drawn images, to photographs."""

from pathlib import Path

import click

PARAMS = Path("params.yaml")


def warn_of_drawings(options: str) -> None:
    """Write a warning to standard error if params.yaml selects the bundled models.

    options: the options by which other models are given.
    """
    from pipeline.params import load_own_params

    params = load_own_params(PARAMS, "foundation_clip")
    if params and params.foundation_clip.source == "bundled":
        click.echo(
            f"the bundled CLIP was trained on drawn images only; for photographs, give {options}, or train the "
            "models after `evoke preset paper`",
            err=True,
        )
