"""Compare where the queries of a trained understanding model look with the boxes of the drawn objects (UniEmo Fig. 9).

    python -m benchmarks.understanding_attention --sheet attention.png       the test split of the drawn EmoSet

pipeline/uniemo/attention.py defines the attention. The boxes come from the truth of the drawn world, which no training
sees. The controls are the area of the boxes, a Gaussian about the centre, and the same chain with its queries as
initialised. `objects` are the boxes of all objects, `trigger` the boxes of the object that was put there for the
emotion.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from pipeline.artifacts import read_shards
from pipeline.features import batches, pictures
from pipeline.foundation.clip import load_clip
from pipeline.sheet import contact_sheet
from pipeline.uniemo.attention import Map, compare_masses, coverage, overlay
from pipeline.uniemo.chain import UnderstandingChain, build_chain
from pipeline.uniemo.folder import Understanding, load_understanding
from pipeline.uniemo.pictures import ClipInput, Squares, square_of

ROOT = Path(__file__).parents[1]
BATCH_SIZE, SHOWN = 100, 8


@torch.inference_mode()
def maps_of(chain: UnderstandingChain, squares: Squares) -> dict[str, Map]:
    """Return the attention of each kind of query: squares NHW3 uint8 -> maps NHW over the patches."""
    maps_of_kind: dict[str, list[Map]] = {kind: [] for kind in chain.kinds}
    for start in range(0, len(squares), BATCH_SIZE):
        pixels = ClipInput(chain.backbone)(torch.from_numpy(squares[start : start + BATCH_SIZE]))
        for kind, output in chain(pixels, attention=True).seen.items():
            maps_of_kind[kind].append(output.attention.numpy().reshape(-1, *chain.backbone.grid_size))
    return {kind: np.concatenate(maps) for kind, maps in maps_of_kind.items()}


def untrained_chain(understanding: Understanding, clip: Path) -> UnderstandingChain:
    """Return the same chain with CLIP's own ViT weights and queries as initialised."""
    generator = torch.Generator().manual_seed(1)
    return build_chain(load_clip(clip).model.visual, understanding.settings, generator)


def boxes_of(truth: Mapping[str, Any], target: str) -> list[Sequence[float]]:
    """Return the boxes of all objects of an image, or of its trigger only."""
    chosen = [thing for thing in truth["objects"] if target == "objects" or thing["name"] == truth["trigger"]]
    return [thing["box"] for thing in chosen]


def sheet_of(squares: Squares, maps: Mapping[str, Map]) -> Image.Image:
    """Return a sheet with a row of images and, below it, one row of overlays for each kind of query."""
    edge = 160
    images = [Image.fromarray(square).resize((edge, edge), Image.Resampling.NEAREST) for square in squares]
    rows = [images, *([overlay(square, attention) for square, attention in zip(images, kind_maps, strict=True)]
                     for kind_maps in maps.values())]  # fmt: skip
    return contact_sheet([np.asarray(image) for row in rows for image in row], len(images))


@click.command()
@click.option("--model", default=ROOT / "models/uniemo_understanding", type=click.Path(path_type=Path))
@click.option("--clip", default=ROOT / "models/foundation/clip", type=click.Path(path_type=Path))
@click.option(
    "--data", default=ROOT / "data", type=click.Path(path_type=Path), help="Folder with corpora/ and miniature/."
)
@click.option("--sheet", type=click.Path(path_type=Path), help="PNG file to write, with a few images and their maps.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(model: Path, clip: Path, data: Path, sheet: Path | None, out: Path | None) -> None:
    """Measure the attention inside the boxes and print it as JSON."""
    understanding = load_understanding(model, clip)
    rows = read_shards(data / "corpora/emoset", columns=["image_id", "image", "split"])
    rows = rows.filter(np.array(rows["split"].to_pylist()) == "test")
    edge = understanding.settings.image_px
    squares = np.stack([square_of(image, edge) for part in batches(rows, BATCH_SIZE) for image in pictures(part)])
    trained, untrained = (
        maps_of(chain, squares) for chain in (understanding.chain, untrained_chain(understanding, clip))
    )
    truths = {row["image_id"]: row for row in pq.read_table(data / "miniature/emoset_truth.parquet").to_pylist()}
    figures: dict[str, float] = {}
    for target in ("objects", "trigger"):
        boxes = [boxes_of(truths[image_id], target) for image_id in rows["image_id"].to_pylist()]
        for kind, maps in trained.items():
            covered = np.stack([coverage(image_boxes, maps.shape[1:]) for image_boxes in boxes])
            numbers = compare_masses(maps, untrained[kind], covered)
            figures |= {f"{target}.{kind}.{name}": round(number, 4) for name, number in numbers.items()}
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")
    if sheet:
        some = np.linspace(0, len(squares) - 1, SHOWN).astype(int)
        sheet_of(squares[some], {kind: maps[some] for kind, maps in trained.items()}).save(sheet)


if __name__ == "__main__":
    main()
