"""Measure the peak memory of the per-image stages at 100, 1,000 and 10,000 images; it must not grow with their number.

    python -m benchmarks.memory

Data sets are drawn in that size. Later stages use the images of data/corpora/emoset, repeated under new ids. Shards
hold a hundred images. As many images are made and scored, rounded down to a multiple of the eight emotions.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
import pyarrow as pa

from pipeline.artifacts import EMOSET, read_shards, shard_name, write_table
from pipeline.emotion_set import EMOTIONS

ROOT = Path(__file__).parents[1]
SIZES, SHARD = (100, 1000, 10_000), 100
DRAWN = ("miniature@emoset", "emoset@emoset", "miniature@wikiart", "emoart@emoart")
OF_TRAIN = (
    "features@emoset", "captions@emoset", "caption_features@emoset", "latents@emoset", "images@stable_diffusion",
    "scores@stable_diffusion",
)  # fmt: skip
OF_TEST = ("real_scores",)
UNITS = (*DRAWN, *OF_TRAIN, *OF_TEST)
LINKED = ("pipeline", "stages", "models", "data/overrides")
REAL = ("data/scores/real", "data/scores/real_reference", "metrics/real_scores.json")  # what scores are compared with


def prepare(folder: Path, unit: str, number: int) -> None:
    """Prepare in a folder the inputs of a unit with `number` images.

    The folder may already hold inputs of other units.
    """
    for linked in (*LINKED, *(REAL if unit in OF_TRAIN else ())):
        if not (folder / linked).exists():
            (folder / linked).parent.mkdir(parents=True, exist_ok=True)
            (folder / linked).symlink_to(ROOT / linked)
    write_params(folder / "params.yaml", number)
    folder_of_corpus = folder / "data/corpora/emoset"
    if unit not in DRAWN and not folder_of_corpus.exists():
        splits = ["train"] * (number // SHARD) if unit in OF_TRAIN else ["train"] + ["test"] * (number // SHARD)
        corpus(folder_of_corpus, splits)


def corpus(folder: Path, splits: list[str]) -> None:
    """Write a corpus with one shard for each of the splits."""
    rows = read_shards(ROOT / "data/corpora/emoset", EMOSET.schema).slice(0, SHARD)
    for index, split in enumerate(splits):
        ids = pa.array([f"emoset/{index:04d}_{row:03d}" for row in range(len(rows))])
        repeated = pa.array([split] * len(rows), rows["split"].type.value_type).cast(rows["split"].type)
        part = rows.set_column(rows.schema.get_field_index("image_id"), "image_id", ids)
        part = part.set_column(part.schema.get_field_index("split"), "split", repeated)
        write_table(folder / shard_name(index), part, EMOSET.schema)


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""  # a process in between, because Linux counts the parent's memory at the fork as memory of the child


def peak_mb(unit: str, folder: Path) -> float:
    """Run a stage in a folder and return its peak memory in MB. Raises CalledProcessError if it fails."""
    stage, _, item = unit.partition("@")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", f"stages.{stage}", *(["--item", item] if item else [])]
    measured = [sys.executable, "-c", MEASURED, *command]
    output = subprocess.run(measured, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(output) / 1024


def write_params(file: Path, number: int) -> None:
    """Write the repository's params.yaml, changed to `number` images and generated images in small shards."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    values = {
        "num_emoset": number, "num_wikiart": number, "num_per_emotion": number // len(EMOTIONS), "shard_images": SHARD,
    }  # fmt: skip
    for name, value in values.items():
        text = re.sub(rf"({name}:) \d+", rf"\1 {value}", text)
    file.write_text(text, encoding="utf-8")


@click.command()
@click.argument("units", nargs=-1, type=click.Choice(UNITS))
def main(units: tuple[str, ...]) -> None:
    """Measure UNITS, or all units, print the figures and write them to benchmarks/results."""
    peaks: dict[str, dict[str, float]] = {unit: {} for unit in units or UNITS}
    for number in SIZES:
        with tempfile.TemporaryDirectory() as name:
            for unit, peaks_of_unit in peaks.items():
                group = next(group for group in (DRAWN, OF_TRAIN, OF_TEST) if unit in group)
                folder = Path(name) / group[0].replace("@", "_")
                prepare(folder, unit, number)
                peaks_of_unit[str(number)] = round(peak_mb(unit, folder), 1)
                click.echo(f"{unit} {number}: {peaks_of_unit[str(number)]} MB")
    for peaks_of_unit in peaks.values():
        peaks_of_unit["growth"] = round(peaks_of_unit[str(SIZES[-1])] / peaks_of_unit[str(SIZES[0])], 3)
    path = ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-memory.json"
    earlier = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(earlier | peaks, indent=2) + "\n")


if __name__ == "__main__":
    main()
