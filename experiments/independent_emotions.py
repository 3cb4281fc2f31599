"""EmoSet with its emotions dealt out anew to the pictures of each split, for the grid null_emotions.

Pictures, attributes and numbers of each emotion stay; that an emotion goes with a picture is chance.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from experiments.run import ROOT
from pipeline.corpora.records import SPLITS
from pipeline.runtime import numpy_generator

SOURCE, TARGET = ROOT / "data" / "miniature" / "emoset", ROOT / "data" / "overrides" / "independent_emotions"


def deal(source: Path, target: Path) -> int:
    """Writes the folder of the official layout anew; the number of its pictures. Pictures are linked, not copied."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copy2(source / "info.json", target / "info.json")
    numbers: Counter[str] = Counter()
    for split in SPLITS:
        rows = json.loads((source / f"{split}.json").read_text())
        dealt = numpy_generator("independent_emotions", split).permutation([row[0] for row in rows]).tolist()
        written = list(relabelled(source, target, rows, dealt, numbers))
        (target / f"{split}.json").write_text(json.dumps(written))
    return numbers.total()


def relabelled(
    source: Path, target: Path, rows: list[list[str]], emotions: list[str], numbers: Counter[str]
) -> Iterator[list[str]]:
    """The rows of one split under their new emotions, whose files are numbered by `numbers` and written."""
    for (_, _, image, annotation), emotion in zip(rows, emotions, strict=True):
        stem = f"{emotion}_{numbers[emotion]:05d}"
        numbers[emotion] += 1
        paths = [f"image/{emotion}/{stem}{Path(image).suffix}", f"annotation/{emotion}/{stem}.json"]
        for path in paths:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(source / image, target / paths[0])
        told = json.loads((source / annotation).read_text()) | {"image_id": stem, "emotion": emotion}
        (target / paths[1]).write_text(json.dumps(told))
        yield [emotion, stem, *paths]


@click.command()
def main() -> None:
    """Write the folder from the drawn EmoSet; `dvc repro miniature` makes that."""
    click.echo(f"{TARGET}: {deal(SOURCE, TARGET)} pictures")


if __name__ == "__main__":
    main()
