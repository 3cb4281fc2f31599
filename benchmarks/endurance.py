"""Kill every resumable stage at random instants, in a clone with the smoke preset, and check that no byte differs.

python -m benchmarks.endurance --kills 100 runs for hours. For each unit the stage is killed, and then, a fifth as
often, the dvc that started it ("UNIT of dvc" in the figures). The last commit is what runs. A unit that already has a
figure of at least as many kills is not killed again, even if that figure is from another commit; with --anew only
figures of today count.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
CLONE = ROOT / ".work" / "endurance"
RESULTS = ROOT / "benchmarks" / "results"
UNITS = (  # the units that keep pieces or checkpoints
    "emoset@emoset", "emoart@emoart", "features@emoset", "judges", "captions@emoset", "caption_features@emoset",
    "latents@emoset", "coemogen@emoset", "textual_inversion@emoset", "dreambooth@emoset", "emogen@emoset",
    "uniemo_understanding", "uniemo_joint", "uniemo_feedback", "images@coemogen_emoset", "real_scores",
    "scores@coemogen_emoset", "understanding_scores",
)  # fmt: skip
DVC_SHARE = 5  # kills of a stage per kill of its dvc
CHECKPOINT_SECONDS = "0.2"  # so that trainings that take seconds write some checkpoints


def command(*arguments: str) -> str:
    """Run a command in the clone and return its output. Raises CalledProcessError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(CLONE), "EVOKE_CHECKPOINT_SECONDS": CHECKPOINT_SECONDS}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(arguments, cwd=CLONE, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def git(*arguments: str) -> str:
    """Run git on the clone, and on no repository around it, and return its output."""
    command_line = ["git", f"--git-dir={CLONE / '.git'}", f"--work-tree={CLONE}", *arguments]
    return subprocess.run(command_line, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def update() -> None:
    """Bring the clone to the last commit of this repository.

    Files that git ignores stay, so that little has to be made again.
    """
    if not (CLONE / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(CLONE)], check=True)
    git("fetch", "--quiet", str(ROOT), "HEAD")
    git("reset", "--quiet", "--hard", "FETCH_HEAD")


def prepare() -> None:
    """Prepare the clone and make every input."""
    update()
    command(sys.executable, "-m", "evoke", "preset", "smoke")
    command(sys.executable, "-m", "evoke", "repro")


def most_kills(paths: Iterable[Path]) -> dict[str, int]:
    """Return the largest number of kills of each unit, and of its dvc, in files of figures."""
    most: dict[str, int] = {}
    for path in paths:
        for name, figures in json.loads(path.read_text()).items():
            most[name] = max(figures["kills"], most.get(name, 0))
    return most


def passes(units: Iterable[str], kills: int, paths: Iterable[Path]) -> Iterator[tuple[str, str, str, int]]:
    """Yield name of the figure, unit, what is killed ("stage" or "dvc") and how often.

    Passes that have a figure of as many kills in one of the files are left out.
    """
    num_kills = most_kills(paths)
    for unit in units:
        for name, killed, number in ((unit, "stage", kills), (f"{unit} of dvc", "dvc", max(kills // DVC_SHARE, 1))):
            if num_kills.get(name, 0) < number:
                yield name, unit, killed, number


@click.command()
@click.argument("units", nargs=-1)
@click.option(
    "--kills", default=100, show_default=True, type=click.IntRange(min=1), help="Number of kills of each stage."
)
@click.option("--anew", is_flag=True, help="Kill units again that have figures of earlier days.")
def main(units: tuple[str, ...], kills: int, anew: bool) -> None:
    """Kill UNITS, or all units that keep pieces, and write the results to benchmarks/results."""
    prepare()
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-endurance.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    counted = RESULTS.glob(path.name if anew else "*-endurance.json")
    for name, unit, killed, number in passes(units or UNITS, kills, counted):
        output = command(sys.executable, "-m", "tests.endurance", unit, "--kills", str(number), "--of", killed)
        results[name] = json.loads(output.splitlines()[-1]) | {"commit": git("rev-parse", "--short", "HEAD")}
        path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
        click.echo(f"{name}: {json.dumps(results[name])}")


if __name__ == "__main__":
    main()
