"""Draw ranges of a stream of the drawn world on several processes.

The images do not depend on the number of processes.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.miniature.composition import draw
from pipeline.miniature.truth import Truth
from pipeline.miniature.world import Stream, World
from pipeline.work import die_with_parent

CHUNK = 500


@dataclass(frozen=True)
class PictureSet:
    """Hold images with their truths; `images` is uint8 of shape (N, 64, 64, 3)."""

    images: NDArray[np.uint8]
    truths: list[Truth]


def pictures(
    seed: int, start: int, stop: int, workers: int = 1, stream: Stream = "foundation", polarity_share: float = 1.0
) -> PictureSet:
    """Return images `start` to `stop` (exclusive) of a stream, in order.

    The foundation stream is disjoint from every corpus.
    """
    parts = list(drawn(World(seed, polarity_share), stream, start, stop, workers))
    return PictureSet(
        np.concatenate([part.images for part in parts]), [truth for part in parts for truth in part.truths]
    )


def drawn(world: World, stream: Stream, start: int, stop: int, workers: int = 1) -> Iterator[PictureSet]:
    """Yield images `start` to `stop` (exclusive) in chunks of CHUNK, so that memory does not grow with their number."""
    chunks = [(first, min(first + CHUNK, stop)) for first in range(start, stop, CHUNK)]
    job = partial(draw_chunk, world, stream)
    if workers <= 1:
        yield from map(job, chunks)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=die_with_parent) as pool:
        yield from pool.map(job, chunks)


def draw_chunk(world: World, stream: Stream, chunk: tuple[int, int]) -> PictureSet:
    """Return images chunk[0] to chunk[1] (exclusive) of a stream."""
    truths = [world.truth(stream, index) for index in range(*chunk)]
    return PictureSet(np.stack([np.asarray(draw(truth)) for truth in truths]), truths)
