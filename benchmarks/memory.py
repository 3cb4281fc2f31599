"""Peak memory of the per-image stages at 100, 1,000 and 10,000 pictures: it must not grow with them.

    python -m benchmarks.memory

Pictures are those of data/corpora/emoset, repeated under new ids, in shards of a hundred.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
import pyarrow as pa

from pipeline.artifacts import EMOSET, read_shards, shard_name, write_table

ROOT = Path(__file__).parents[1]
STAGES = ("features", "captions", "caption_features", "latents")
SIZES, SHARD = (100, 1000, 10_000), 100
LINKED = ("pipeline", "stages", "models", "params.yaml", "data/overrides")


def corpus(folder: Path, number: int) -> None:
    """So many pictures as a corpus, all in the train split, so that every stage takes all of them."""
    rows = read_shards(ROOT / "data/corpora/emoset", EMOSET.schema).slice(0, SHARD)
    train = pa.array(["train"] * len(rows), rows["split"].type.value_type).cast(rows["split"].type)
    rows = rows.set_column(rows.schema.get_field_index("split"), "split", train)
    for index in range(number // SHARD):
        ids = pa.array([f"emoset/{index:04d}_{row:03d}" for row in range(len(rows))])
        part = rows.set_column(rows.schema.get_field_index("image_id"), "image_id", ids)
        write_table(folder / shard_name(index), part, EMOSET.schema)


def peak_mb(stage: str, folder: Path) -> float:
    """Of a stage run to its end in a folder. RuntimeError where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}", "--item", "emoset"], cwd=folder, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{stage} fails in {folder}")
    return usage.ru_maxrss / 1024


@click.command()
def main() -> None:
    """Measure, print and keep the figures under benchmarks/results."""
    peaks: dict[str, dict[str, float]] = {stage: {} for stage in STAGES}
    for number in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for linked in LINKED:
                (folder / linked).parent.mkdir(parents=True, exist_ok=True)
                (folder / linked).symlink_to(ROOT / linked)
            corpus(folder / "data/corpora/emoset", number)
            for stage in STAGES:
                peaks[stage][str(number)] = round(peak_mb(stage, folder), 1)
                click.echo(f"{stage} {number}: {peaks[stage][str(number)]} MB")
    for found in peaks.values():
        found["growth"] = round(found[str(SIZES[-1])] / found[str(SIZES[0])], 3)
    path = ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-memory.json"
    path.write_text(json.dumps(peaks, indent=2) + "\n")


if __name__ == "__main__":
    main()
