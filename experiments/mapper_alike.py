"""Measure how alike the vectors are that the mapper of CoEmoGen gives for the eight emotions, in every cell of a grid.

    .venv/bin/python -m experiments.mapper_alike coemogen_mapper coemogen_table1

Reads the models that `python -m experiments.run GRID` has left. Writes experiments/results/mapper_alike.json: by grid
and row, for each training, the mean cosine between the mapper's vectors e of two emotions, the share of the variance
of the word e^v that lies between emotions (the rest lies between the v of one emotion), and the Emo-A by the judge.
"""

from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.cell import Cell, cells, read_grid, read_result, write_result
from experiments.kept import result_of
from experiments.verdicts import rounded
from pipeline.coemogen.generator import CoEmoGenGenerator, load
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import load_foundation
from pipeline.generation.request import request
from pipeline.runtime import seed_of

NAME = "mapper_alike"
MODEL = "models/coemogen_emoset"
EMO_A = "scores/coemogen_emoset:emo_a/judge"
NUM_DRAWS = 64  # of v, for each emotion


def measure_cell(cell: Cell) -> dict[str, float]:
    """Return the mean cosine of e between emotions, and the share of the variance of e^v between emotions."""
    foundation = load_foundation(cell.folder / "models/foundation/diffusion", cell.folder / "models/foundation/clip")
    generator = load(cell.folder / MODEL, foundation, "diagonal")
    with torch.inference_mode():
        vectors = generator.model.embedding.mapper(torch.eye(len(EMOTIONS)))
        return {"cosine": mean_cosine(vectors), "between": share_between(words(generator))}


def words(generator: CoEmoGenGenerator) -> Tensor:
    """Return e^v of every emotion with as many drawn v, 8 x NUM_DRAWS x W."""
    requests = [request(emotion, seed_of(index, emotion)) for emotion in EMOTIONS for index in range(NUM_DRAWS)]
    return generator.embeddings(requests).unflatten(0, (len(EMOTIONS), NUM_DRAWS))


def mean_cosine(vectors: Tensor) -> float:
    """Return the mean cosine between any two of N vectors NW."""
    unit = F.normalize(vectors, dim=1)
    return float((unit @ unit.T)[~torch.eye(len(unit), dtype=torch.bool)].mean())


def share_between(groups: Tensor) -> float:
    """Return the share of the variance of GNW that lies between the G groups."""
    middle = groups.mean((0, 1))
    return float((groups.mean(1) - middle).square().sum(-1).mean() / (groups - middle).square().sum(-1).mean())


@click.command()
@click.argument("grids", nargs=-1, required=True)
def main(grids: tuple[str, ...]) -> None:
    """Measure the mapper of every cell of GRIDS that has left a CoEmoGen, and add them to the result."""
    result: dict[str, Any] = read_result(NAME)
    for grid in grids:
        found: dict[str, dict[str, list[float]]] = {}
        for cell in cells(grid, read_grid(grid)):
            finished = result_of(cell)
            if finished and (cell.folder / MODEL / "meta.json").is_file():
                for key, value in {**measure_cell(cell), "emo_a": finished.metrics[EMO_A]}.items():
                    found.setdefault(cell.row, {}).setdefault(key, []).append(value)
        result[grid] = found
        for row, values in found.items():
            click.echo(f"{grid}: {row}: {rounded(values)}")
    write_result(NAME, rounded(result))


if __name__ == "__main__":
    main()
