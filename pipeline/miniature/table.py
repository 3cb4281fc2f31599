"""Build the table of truths of many images. Judges' reports and metrics read it; no training stage declares it."""

from collections.abc import Iterable

import pyarrow as pa

from pipeline.miniature.truth import Truth
from pipeline.miniature.world import World
from pipeline.schemas import TRUTH_SCHEMA


def truth_table(world: World, rows: Iterable[tuple[str, Truth]]) -> pa.Table:
    """Return the truths as a table under TRUTH_SCHEMA, one row per image, sorted by image_id.

    `rows` holds (image_id, truth) in any order.
    """
    ordered = sorted(rows, key=lambda row: row[0])
    rows_made = [row_of(world, image_id, truth) for image_id, truth in ordered]
    return pa.Table.from_pylist(rows_made, schema=TRUTH_SCHEMA.arrow)


def row_of(world: World, image_id: str, truth: Truth) -> dict[str, object]:
    """Return one image's row for TRUTH_SCHEMA; columns that are not fields of the truth are computed from it."""
    derived = {
        "image_id": image_id,
        "objects": [{"name": thing.name, "box": thing.box} for thing in truth.objects],
        "posterior": [] if truth.emotion is None else world.posterior(truth).tolist(),
        "person_box": None if truth.person is None else truth.person.box,
    }
    return {name: derived[name] if name in derived else getattr(truth, name) for name in TRUTH_SCHEMA.names}
