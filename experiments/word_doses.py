"""Train the bundled U-Net further on streams of emotion words of different strength, for the grid dose_words.

A dose is f, the share of emotion words that stand on images without an emotion. Each U-Net has the steps, images and
random draws of benchmarks.weaken_words, so that two of them differ in f alone. A training that was stopped resumes.
"""

import subprocess
import sys
from pathlib import Path

import click

from experiments.cell import ROOT
from pipeline.work import place

DOSES = {percent: ROOT / "data" / "overrides" / f"words_{percent}" for percent in (10, 50, 90)}
WORK = ROOT / ".work" / "word_doses"
STEPS = 300


def run(module: str, *arguments: str | Path) -> None:
    """Run a module of benchmarks/. Raises ClickException if it fails."""
    ended = subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)], cwd=ROOT, check=False)
    if ended.returncode:
        raise click.ClickException(f"benchmarks.{module} {arguments[0]} failed; run this again, it resumes")


@click.command()
@click.option("--steps", default=STEPS, show_default=True, type=click.IntRange(min=1), help="Steps of each U-Net.")
@click.option("--scale", default=0.25, show_default=True, help="Share of the recipe's 40,000 images.")
def main(steps: int, scale: float) -> None:
    """Write data/overrides/words_10, words_50 and words_90, each a diffusers folder, unless they are there."""
    missing = {percent: path for percent, path in DOSES.items() if not path.is_dir()}
    models, data = WORK / "models", WORK / "data"
    drawn = ("--models", models, "--data", data, "--scale", f"{scale}")
    if missing and not (data / "weights.npy").is_file():
        run("train_miniature", "unpack", "--models", models)
        run("weaken_words", "draw", *drawn)
    for percent, path in missing.items():
        out = WORK / path.name
        settings = ("--f", f"{percent / 100}", "--steps", f"{steps}", "--work", WORK / "checkpoints", "--out", out)
        run("weaken_words", "unet", *drawn, *settings)
        place(out / "diffusion", path)
        click.echo(f"{path}: {steps} steps with f {percent / 100}")


if __name__ == "__main__":
    main()
