"""Write an EmoSet whose emotions are dealt out at random to the images of each split, for the grid null_emotions.

Images, attributes and the number of images of each emotion stay; which emotion an image has is chance.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from experiments.cell import ROOT, repository_params
from pipeline.corpora.records import SPLITS
from pipeline.runtime import numpy_generator

TARGET = ROOT / "data" / "overrides" / "independent_emotions"


def deal(source: Path, target: Path) -> int:
    """Write the folder of the official layout anew and return its number of images.

    Images are linked, not copied.
    """
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
    """Write the files of one split under their new emotions and yield its new rows.

    `numbers` counts the files of each emotion and gives them their numbers.
    """
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
    """Write the folder from the EmoSet that params.yaml names; `dvc repro miniature` makes the drawn one."""
    click.echo(f"{TARGET}: {deal(ROOT / repository_params()['emoset']['folder'], TARGET)} pictures")


if __name__ == "__main__":
    main()
