"""Assign EmoSet's captions to other images, as overrides for the grids null_captions and dose_captions.

Shuffled within an emotion, captions still say what evokes the emotion, but nothing about their image; shuffled over all
images, they say nothing. A dose shuffles so many percent of them over all images and leaves the others as they are.
"""

from collections.abc import Sequence

import click
import numpy as np
from numpy.typing import NDArray

from experiments.cell import ROOT
from pipeline.artifacts import CAPTIONS, EMOSET, read_shards
from pipeline.captions.override import write_csv
from pipeline.runtime import numpy_generator

OVERRIDES = ROOT / "data" / "overrides"
WITHIN, OVER_ALL = OVERRIDES / "shuffled_within.csv", OVERRIDES / "shuffled_over_all.csv"
DOSES = {percent: OVERRIDES / f"shuffled_{percent}.csv" for percent in (25, 50)}


def shuffled(captions: Sequence[str], groups: Sequence[str], generator: np.random.Generator) -> list[str]:
    """Return captions N in another order within each of the groups N."""
    mixed, names = np.array(captions, object), np.array(groups, object)
    for name in sorted(set(groups)):
        rows = np.flatnonzero(names == name)
        mixed[rows] = mixed[generator.permutation(rows)]
    captions_mixed: list[str] = mixed.tolist()
    return captions_mixed


def chosen(num: int, percent: int) -> NDArray[np.int64]:
    """Return the rows of so many percent of N captions, sorted; a larger dose contains a smaller one."""
    order = numpy_generator("shuffled_captions", "doses").permutation(num)
    return np.sort(order[: round(num * percent / 100)])


@click.command()
def main() -> None:
    """Write all files from the captions of the current run, which `dvc repro captions@emoset` makes."""
    written = read_shards(ROOT / CAPTIONS.of("emoset").path, columns=["image_id", "caption"])
    image_ids, captions = (written[name].to_pylist() for name in ("image_id", "caption"))
    emotions = read_shards(ROOT / EMOSET.path, columns=["image_id", "emotion"])["emotion"].to_pylist()
    for path, groups in ((WITHIN, emotions), (OVER_ALL, [""] * len(image_ids))):
        others = shuffled(captions, groups, numpy_generator("shuffled_captions", path.stem))
        click.echo(f"{path}: {write_csv(zip(image_ids, others, strict=True), path)} captions")
    for percent, path in DOSES.items():
        rows = chosen(len(captions), percent)
        others = shuffled([captions[row] for row in rows], [""] * len(rows), numpy_generator("dose", percent))
        pairs = zip([image_ids[row] for row in rows], others, strict=True)
        click.echo(f"{path}: {write_csv(pairs, path)} captions")


if __name__ == "__main__":
    main()
