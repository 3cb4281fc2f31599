"""Define the options that `evoke generate` and `evoke export` share: the model and the emotions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoke.completion import emotions, models
from pipeline.generation.defaults import SOURCE, SOURCES

if TYPE_CHECKING:
    from evoke.pipeline import EmotionPipeline
    from pipeline.params import Source

FOLDER = click.Path(path_type=Path, file_okay=False)


def load_model(model: Path, diffusion: Path | None, clip: Path | None, source: "Source") -> "EmotionPipeline":
    """Load the model that the options name, from disk only and without output on the terminal."""
    from pipeline.runtime import forbid_downloads

    forbid_downloads()
    from evoke.pipeline import EmotionPipeline

    return EmotionPipeline.from_pretrained(at_hand(model), diffusion, clip, source=source)


def at_hand(model: Path, stand_in: str = "") -> Path:
    """Return the folder of a model, or of the bundled one if it is a default that has not been trained yet.

    `stand_in` is the name of the bundled model that takes its place; by default it has the same name.
    """
    if model.exists() or model.parent != Path("models"):
        return model
    from evoke.bundled import bundled

    folder = bundled(stand_in or model.name)
    if folder is None:
        return model
    click.echo(f"{model} is not trained yet: the bundled one is used; `evoke repro` trains yours", err=True)
    return folder


def emotion_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command.

    The command then receives emotions (a dict), out, strength, overwrite and the arguments of `load_model`.
    """
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def weights_of(arguments: Iterable[str]) -> dict[str, float]:
    """Return the weight of each emotion: ("awe=0.6", "fear=0.4") -> {"awe": 0.6, "fear": 0.4}.

    A name without a weight has weight 1. Raises ValueError for a repeated name or a weight that is not a number.
    """
    weights: dict[str, float] = {}
    for argument in arguments:
        name, equals, weight = argument.partition("=")
        if name in weights:
            raise ValueError(f"emotion {name} is given twice; give each emotion once, such as awe=0.6 fear=0.4")
        try:
            weights[name] = float(weight) if equals else 1.0
        except ValueError:
            raise ValueError(f"{argument}: the weight must be a number > 0, such as {name}=0.6") from None
    return weights


def check_new(files: Sequence[Path], overwrite: bool) -> None:
    """Raise ValueError if one of the files exists and must not be overwritten."""
    existing = [file for file in files if file.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise ValueError(f"{existing[0]}{more} would be overwritten; choose another --out, or pass --overwrite")


def default_model() -> Path:
    """Return the folder of CoEmoGen on the labelled corpus of params.yaml, or on EmoSet where there is no such file."""
    from pipeline.params import COEMOGEN, load_own_params

    params = load_own_params(Path("params.yaml"), "corpus")
    return Path("models") / f"{COEMOGEN}{params.corpus if params else 'emoset'}"


def _weights(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> Mapping[str, float]:
    return weights_of(value)


OPTIONS = (
    click.argument(
        "emotions", nargs=-1, required=True, metavar="EMOTION[=WEIGHT]...", callback=_weights, shell_complete=emotions
    ),
    click.option("--out", required=True, type=FOLDER, metavar="DIR", help="Output folder; created if missing."),
    click.option(
        "--model", default=default_model, show_default="models/coemogen_CORPUS", type=FOLDER, shell_complete=models,
        help="A generator; by default CoEmoGen on `corpus` of params.yaml.",
    ),
    click.option("--strength", default=1.0, show_default=True, help="Strength of the emotion; 0: none, 1: as trained."),
    click.option(
        "--source", default=SOURCE, show_default=True, type=click.Choice(SOURCES),
        help="Source of v, the vector that describes the content of an image."
    ),
    click.option("--diffusion", type=FOLDER, help="Stable Diffusion of the model.  [foundation/diffusion beside it]"),
    click.option("--clip", type=FOLDER, help="CLIP of the model.  [foundation/clip beside it]"),
    click.option("--overwrite", is_flag=True, help="Replace files with the same names."),
)  # fmt: skip
