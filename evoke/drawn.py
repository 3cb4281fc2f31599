"""The bundled models know drawn pictures alone: whoever asks them about photographs is told so."""

from pathlib import Path

import click

PARAMS = Path("params.yaml")


def warn_of_drawings(options: str) -> None:
    """A line on standard error where params.yaml has the bundled models. options: by which others are given."""
    from pipeline.params import load_own_params

    params = load_own_params(PARAMS, "foundation_clip")
    if params and params.foundation_clip.source == "bundled":
        click.echo(
            f"CLIP is the bundled one and knows drawn pictures alone; for photographs give {options}, or make the "
            "models by `evoke preset paper`",
            err=True,
        )
