"""Write an EmoSet whose emotions are dealt out at random, for the grids null_emotions and dose_labels.

Images, attributes and the number of images of each emotion stay. For null_emotions every emotion is chance; a dose
deals out those of so many percent of the train split among these images, and leaves val and test as they are.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from experiments.cell import ROOT, repository_params
from pipeline.corpora.records import SPLITS
from pipeline.runtime import numpy_generator

OVERRIDES = ROOT / "data" / "overrides"
TARGET = OVERRIDES / "independent_emotions"
DOSES = {percent: OVERRIDES / f"noisy_emotions_{percent}" for percent in (20, 40)}


def deal(source: Path, target: Path, percent: int = 100, splits: Sequence[str] = SPLITS) -> int:
    """Write the folder of the official layout anew and return its number of images.

    The emotions of so many percent of the images of `splits` are dealt out among them; a larger dose contains a smaller
    one. Images are linked, not copied.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copy2(source / "info.json", target / "info.json")
    numbers: Counter[str] = Counter()
    for split in SPLITS:
        rows = json.loads((source / f"{split}.json").read_text())
        dealt = dealt_out([row[0] for row in rows], percent if split in splits else 0, split)
        written = list(relabelled(source, target, rows, dealt, numbers))
        (target / f"{split}.json").write_text(json.dumps(written))
    return numbers.total()


def dealt_out(emotions: list[str], percent: int, split: str) -> list[str]:
    """Return emotions of which so many percent have changed places at random."""
    generator = numpy_generator("independent_emotions", split)
    if percent == 100:
        every: list[str] = generator.permutation(emotions).tolist()
        return every
    rows = generator.permutation(len(emotions))[: round(len(emotions) * percent / 100)]
    dealt = np.array(emotions, object)
    dealt[rows] = dealt[generator.permutation(rows)]
    emotions_dealt: list[str] = dealt.tolist()
    return emotions_dealt


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
        content = json.loads((source / annotation).read_text()) | {"image_id": stem, "emotion": emotion}
        (target / paths[1]).write_text(json.dumps(content))
        yield [emotion, stem, *paths]


@click.command()
def main() -> None:
    """Write the folders from the EmoSet that params.yaml names; `dvc repro miniature` makes the drawn one."""
    source = ROOT / repository_params()["emoset"]["folder"]
    click.echo(f"{TARGET}: {deal(source, TARGET)} images")
    for percent, target in DOSES.items():
        click.echo(f"{target}: {deal(source, target, percent, ('train',))} images")


if __name__ == "__main__":
    main()
