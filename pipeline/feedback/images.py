"""The generated images that come back, and how often each is shown again (UniEmo III-D, Table VIII)."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc


def survivors(shards: Iterable[pa.Table], selected: pa.Table) -> Iterator[pa.Table]:
    """Of each shard of images the rows that `selected` (FEEDBACK_SCHEMA) keeps, one shard in memory at a time."""
    kept = selected.filter(selected["kept"])["image_id"].combine_chunks()
    return (shard.filter(pc.is_in(shard["image_id"], kept)) for shard in shards)


def repeats(draws: int, generated_frac: float, num_generated: int, num_real: int) -> dict[str, float]:
    """How often a picture is drawn on average in so many draws: `generated_frac` of them fall on generated images."""
    found = {"repeats_real": (1 - generated_frac) * draws / num_real}
    return found | ({"repeats_generated": generated_frac * draws / num_generated} if num_generated else {})
