"""Measure what each step of UniEmo contributes to its understanding: paired accuracy on oracle images, with verdicts.

Reads the models that `python -m experiments.run uniemo_understanding` left. The reference is the annotated emotion, so
the best possible accuracy is the Bayes rate of the drawn world.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evoke.comparison import compare
from experiments.cell import ROOT, read_grid, write_result
from experiments.key import merged
from experiments.verdicts import complete, rounded
from pipeline.artifacts import read_table
from pipeline.emotion_set import INDEX
from pipeline.foundation.clip import load_clip
from pipeline.generation.folder import model_hash
from pipeline.judges.head import load_head
from pipeline.miniature.identity import world_hash
from pipeline.runtime import device
from pipeline.uniemo.folder import load_understanding
from pipeline.uniemo.pictures import Squares, cached_squares
from pipeline.uniemo.understanding import read
from pipeline.work import WorkFolder, written_aside

GRID = "uniemo_understanding"
CLIP = Path("models/foundation/clip")
BATCH_SIZE = 250
SYSTEMS = {  # name: (row of the grid, folder of its model)
    "head on frozen CLIP": ("whole", "models/emotion_classifier"),
    "ViT without queries": ("without queries", "models/uniemo_understanding"),
    "ViT with queries passed on as Q": ("plain queries", "models/uniemo_understanding"),
    "ViT with scene queries": ("scene queries", "models/uniemo_understanding"),
    "ViT with object queries": ("object queries", "models/uniemo_understanding"),
    "ViT with queries": ("whole", "models/uniemo_understanding"),
    "after joint training": ("whole", "models/uniemo_joint"),
    "after joint training without implicit feedback": ("without implicit feedback", "models/uniemo_joint"),
    "after as many steps of L_U alone": ("L_U alone", "models/uniemo_joint"),
    "after feedback": ("whole", "models/uniemo_feedback"),
    "after a random filter": ("random filter", "models/uniemo_feedback"),
    "after as many steps without": ("no generated images", "models/uniemo_feedback"),
}
CLAIMS = (  # the first is better than the second: 1 if the paper says so, None if it says nothing
    ("ViT without queries", "head on frozen CLIP", None),
    ("ViT with queries", "ViT without queries", 1),
    ("ViT with queries", "ViT with queries passed on as Q", None),
    ("ViT with queries", "ViT with scene queries", 1),  # Fig. 6
    ("ViT with queries", "ViT with object queries", 1),
    ("after joint training", "ViT with queries", None),  # after joint training it has had more steps
    ("after joint training", "after as many steps of L_U alone", 1),
    ("after joint training", "after joint training without implicit feedback", 1),  # Fig. 8
    ("after feedback", "after joint training", 1),
    ("after feedback", "after as many steps without", None),  # this project's own controls
    ("after feedback", "after a random filter", None),
)


@dataclass(frozen=True)
class Oracle:
    """N images that are in no corpus: squares NHW3 and their emotions N, in a folder for this drawn world."""

    folder: Path
    squares: Squares
    emotions: NDArray[np.int64]


def drawn(folder: Path, number: int) -> Oracle:
    """Return the oracle images of a folder, drawing them first if they are not there."""
    if not (folder / "truth.parquet").is_file():
        command = [sys.executable, "-m", "evoke", "oracle", str(folder), "--num", str(number)]
        subprocess.run(command, cwd=ROOT, check=True)
    truth = read_table(folder / "truth.parquet", columns=["image_id", "label"])
    paths = {path.stem: path for path in (folder / "image").rglob("*.jpg")}
    files = [paths[image_id.rsplit("/", 1)[-1]] for image_id in truth["image_id"].to_pylist()]
    images = (pa.table({"image": [{"bytes": file.read_bytes()}]}) for file in files)
    labels = np.array([INDEX[label] for label in truth["label"].to_pylist()], np.int64)
    work = WorkFolder("squares", world_hash(), folder)
    with work.lock():
        return Oracle(folder, cached_squares(work, images, 64), labels)


def right(cell: Path, model: str, oracle: Oracle) -> NDArray[np.float64]:
    """Return which of the N images a cell's model reads correctly, 1 or 0.

    The result is stored beside the images, because it takes a while to compute.
    """
    kept = oracle.folder / "right" / f"{model_hash(cell / CLIP)}-{model_hash(cell / model)}.npy"
    if not kept.is_file():
        said = by_head(cell, model, oracle) if model == "models/emotion_classifier" else by_chain(cell, model, oracle)
        kept.parent.mkdir(exist_ok=True)
        with written_aside(kept) as aside, aside.open("wb") as file:
            np.save(file, said == oracle.emotions)
    is_right: NDArray[np.float64] = np.load(kept).astype(np.float64)
    return is_right


def by_head(cell: Path, model: str, oracle: Oracle) -> NDArray[np.int64]:
    """Return the emotions N that the classifier on frozen CLIP features predicts."""
    from PIL import Image

    clip, head = load_clip(cell / CLIP, device()), load_head(cell / model, device())
    parts = []
    for start in range(0, len(oracle.emotions), BATCH_SIZE):
        images = [Image.fromarray(square) for square in oracle.squares[start : start + BATCH_SIZE]]
        raw = clip.encode_images(images, normalize=False).numpy()
        norms = np.linalg.norm(raw, axis=1)
        parts.append(head.logits(raw / norms[:, None], norms).argmax(1))
    return np.concatenate(parts)


def by_chain(cell: Path, model: str, oracle: Oracle) -> NDArray[np.int64]:
    """Return the emotions N that an understanding model predicts."""
    chain = load_understanding(cell / model, cell / CLIP, device()).chain
    said: NDArray[np.int64] = read(chain, oracle.squares, np.arange(len(oracle.emotions)), BATCH_SIZE).logits.argmax(1)
    return said


def table(oracle: Oracle) -> dict[str, Any]:
    """Return the accuracy of each system and the verdict on each claim.

    A system counts if every seed of its row is finished, and a claim if both of its systems count.
    """
    grid = read_grid(GRID)
    comparable = complete(GRID, grid, rows=1)
    at, seeds = {(cell.row, cell.seed): cell.folder for cell in comparable.finished}, grid["seeds"]
    values: Mapping[str, list[NDArray[np.float64]]] = {
        name: [right(at[row, seed], model, oracle) for seed in seeds]
        for name, (row, model) in SYSTEMS.items()
        if all((row, seed) in at and (at[row, seed] / model).is_dir() for seed in seeds)
    }
    accuracy = {name: {"mean": float(np.mean(each)), "by_seed": [float(one.mean()) for one in each]}
                for name, each in values.items()}  # fmt: skip
    claims = {
        f"{one} - {other}": {**compare(values[one], values[other], direction, shared=True), "paper": direction}
        for one, other, direction in CLAIMS
        if one in values and other in values
    }
    return {"num_pictures": len(oracle.emotions), "seeds": seeds, "base": grid["base"],
            "key": merged(result.key for result in comparable.finished.values() if result.key), "accuracy": accuracy,
            "claims": claims}  # fmt: skip


@click.command()
@click.option("--num", default=20_000, show_default=True, type=click.IntRange(min=1), help="Pictures to draw.")
def main(num: int) -> None:
    """Compare the models of the grid, print the results, and write experiments/results/uniemo_understanding.json."""
    result = rounded(table(drawn(ROOT / ".work" / f"oracle-{world_hash()}-{num}", num)))
    write_result(GRID, result)
    for name, each in result["accuracy"].items():
        click.echo(f"{name:30s} {each['mean']:.4f}  {each['by_seed']}")
    for name, each in result["claims"].items():
        click.echo(f"{name:60s} {each['difference']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}] {each['verdict']}")


if __name__ == "__main__":
    main()
