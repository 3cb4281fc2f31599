"""Assign EmoSet's captions to other images, as overrides for the grid null_captions.

Shuffled within an emotion, captions still say what evokes the emotion, but nothing about their image; shuffled over all
images, they say nothing.
"""

from collections.abc import Sequence

import click
import numpy as np

from experiments.cell import ROOT
from pipeline.artifacts import CAPTIONS, EMOSET, read_shards
from pipeline.captions.override import write_csv
from pipeline.runtime import numpy_generator

OVERRIDES = ROOT / "data" / "overrides"
WITHIN, OVER_ALL = OVERRIDES / "shuffled_within.csv", OVERRIDES / "shuffled_over_all.csv"


def shuffled(captions: Sequence[str], groups: Sequence[str], generator: np.random.Generator) -> list[str]:
    """Return captions N in another order within each of the groups N."""
    found, names = np.array(captions, object), np.array(groups, object)
    for name in sorted(set(groups)):
        rows = np.flatnonzero(names == name)
        found[rows] = found[generator.permutation(rows)]
    told: list[str] = found.tolist()
    return told


@click.command()
def main() -> None:
    """Write both files from the captions of the current run, which `dvc repro captions@emoset` makes."""
    written = read_shards(ROOT / CAPTIONS.of("emoset").path, columns=["image_id", "caption"])
    image_ids, captions = (written[name].to_pylist() for name in ("image_id", "caption"))
    emotions = read_shards(ROOT / EMOSET.path, columns=["image_id", "emotion"])["emotion"].to_pylist()
    for path, groups in ((WITHIN, emotions), (OVER_ALL, [""] * len(image_ids))):
        others = shuffled(captions, groups, numpy_generator("shuffled_captions", path.stem))
        click.echo(f"{path}: {write_csv(zip(image_ids, others, strict=True), path)} captions")


if __name__ == "__main__":
    main()
