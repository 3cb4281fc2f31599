"""Every resumable stage killed at random instants, in a clone on the smoke preset: no byte may differ.

python -m benchmarks.endurance --kills 100 goes on for hours; finished units are kept. The last commit is what runs.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
CLONE = ROOT / ".work" / "endurance"
RESULTS = ROOT / "benchmarks" / "results"
UNITS = (  # those that keep pieces or checkpoints
    "emoset", "emoart", "features@emoset", "judges", "captions@emoset", "caption_features@emoset", "latents@emoset",
    "coemogen@emoset", "textual_inversion", "dreambooth", "emogen", "uniemo_understanding", "uniemo_joint",
    "uniemo_feedback", "images@coemogen_emoset", "real_scores", "scores@coemogen_emoset", "understanding_scores",
)  # fmt: skip
CHECKPOINT_SECONDS = "0.2"  # so that trainings of seconds have some


def command(*arguments: str) -> str:
    """What a command says in the clone; CalledProcessError where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(CLONE), "EVOKE_CHECKPOINT_SECONDS": CHECKPOINT_SECONDS}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(arguments, cwd=CLONE, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, cwd=CLONE, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def prepare() -> None:
    """A clone with every input made, unless it is there."""
    if not (CLONE / "params.yaml").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(CLONE)], check=True)
    command(sys.executable, "-m", "evoke", "preset", "smoke")
    command(sys.executable, "-m", "evoke", "repro")


@click.command()
@click.argument("units", nargs=-1)
@click.option("--kills", default=100, show_default=True, type=click.IntRange(min=1), help="Of each unit.")
def main(units: tuple[str, ...], kills: int) -> None:
    """Kill UNITS, or all that keep pieces, and write what became of them to benchmarks/results."""
    prepare()
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-endurance.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for unit in units or UNITS:
        if found.get(unit, {}).get("kills", 0) >= kills:
            continue
        said = command(sys.executable, "-m", "tests.endurance", unit, "--kills", str(kills))
        found[unit] = json.loads(said.splitlines()[-1]) | {"commit": commit()}
        path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
        click.echo(said.splitlines()[-1])


if __name__ == "__main__":
    main()
