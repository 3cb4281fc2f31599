"""Provide the selected generated images, and how often each is repeated in training (UniEmo III-D, Table VIII)."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc


def survivors(shards: Iterable[pa.Table], selected: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of each image shard that `selected` (FEEDBACK_SCHEMA) keeps, one shard in memory at a time."""
    kept = selected.filter(selected["kept"])["image_id"].combine_chunks()
    return (shard.filter(pc.is_in(shard["image_id"], kept)) for shard in shards)


def repeats(draws: int, generated_frac: float, num_generated: int, num_real: int) -> dict[str, float]:
    """Return how often a real and a generated image is drawn on average in `draws` draws.

    A share `generated_frac` of the draws uses generated images. The keys are repeats_real and, if there are generated
    images, repeats_generated.
    """
    numbers = {"repeats_real": (1 - generated_frac) * draws / num_real}
    return numbers | ({"repeats_generated": generated_frac * draws / num_generated} if num_generated else {})
