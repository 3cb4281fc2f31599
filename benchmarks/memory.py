"""Peak memory of the per-image stages at 100, 1,000 and 10,000 pictures: it must not grow with them.

    python -m benchmarks.memory

Pictures are those of data/corpora/emoset, repeated under new ids, in shards of a hundred; images are made and scored in
equal numbers, but for what eight emotions leave of a hundred.
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
from pipeline.emotions import EMOTIONS

ROOT = Path(__file__).parents[1]
UNITS = (
    "features@emoset", "captions@emoset", "caption_features@emoset", "latents@emoset", "images@stable_diffusion",
    "scores@stable_diffusion",
)  # fmt: skip
SIZES, SHARD = (100, 1000, 10_000), 100
LINKED = ("pipeline", "stages", "models", "data/overrides", "data/scores/real", "data/scores/real_reference",
          "metrics/real_scores.json")  # fmt: skip


def corpus(folder: Path, number: int) -> None:
    """So many pictures as a corpus, all in the train split, so that every stage takes all of them."""
    rows = read_shards(ROOT / "data/corpora/emoset", EMOSET.schema).slice(0, SHARD)
    train = pa.array(["train"] * len(rows), rows["split"].type.value_type).cast(rows["split"].type)
    rows = rows.set_column(rows.schema.get_field_index("split"), "split", train)
    for index in range(number // SHARD):
        ids = pa.array([f"emoset/{index:04d}_{row:03d}" for row in range(len(rows))])
        part = rows.set_column(rows.schema.get_field_index("image_id"), "image_id", ids)
        write_table(folder / shard_name(index), part, EMOSET.schema)


def peak_mb(unit: str, folder: Path) -> float:
    """Of a stage run to its end in a folder. RuntimeError where it fails."""
    stage, _, item = unit.partition("@")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    process = subprocess.Popen([sys.executable, "-m", f"stages.{stage}", "--item", item], cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{unit} fails in {folder}")
    return usage.ru_maxrss / 1024


def write_params(file: Path, number: int) -> None:
    """params.yaml of the repository, for so many images."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file.write_text(re.sub(r"(num_per_emotion:) \d+", rf"\1 {number // len(EMOTIONS)}", text), encoding="utf-8")


@click.command()
@click.argument("units", nargs=-1)
def main(units: tuple[str, ...]) -> None:
    """Measure UNITS, or all, print the figures and keep them under benchmarks/results."""
    peaks: dict[str, dict[str, float]] = {unit: {} for unit in units or UNITS}
    for number in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for linked in LINKED:
                (folder / linked).parent.mkdir(parents=True, exist_ok=True)
                (folder / linked).symlink_to(ROOT / linked)
            write_params(folder / "params.yaml", number)
            corpus(folder / "data/corpora/emoset", number)
            for unit, found in peaks.items():
                found[str(number)] = round(peak_mb(unit, folder), 1)
                click.echo(f"{unit} {number}: {found[str(number)]} MB")
    for found in peaks.values():
        found["growth"] = round(found[str(SIZES[-1])] / found[str(SIZES[0])], 3)
    path = ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-memory.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | peaks, indent=2) + "\n")


if __name__ == "__main__":
    main()
