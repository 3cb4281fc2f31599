"""Choose the images of each step: in turn, reshuffled, oversampled as in EmoGen, or drawn by weights.

The rows of a step depend on the order, the seed and the step alone, so a resumed training takes the same next batch.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.params import Sampler
from pipeline.runtime import numpy_generator

Rows = NDArray[np.int64]


class Order(Protocol):
    """An order in which the rows of a training come, step by step."""

    def at(self, step: int, batch_size: int, seed: int) -> torch.Tensor:
        """Return the rows of a step, B int64."""


@dataclass(frozen=True)
class Shuffled:
    """The rows 0 to `num_rows` - 1, shuffled anew in each epoch. A batch may reach from one epoch into the next."""

    num_rows: int

    def at(self, step: int, batch_size: int, seed: int) -> torch.Tensor:
        """Return the rows of a step, B int64."""
        epochs, places = np.divmod(step * batch_size + np.arange(batch_size), self.num_rows)
        rows = np.empty(batch_size, np.int64)
        for epoch in np.unique(epochs):
            rows[epochs == epoch] = shuffled(self.num_rows, seed, int(epoch))[places[epochs == epoch]]
        return torch.from_numpy(rows)


@lru_cache(maxsize=2)
def shuffled(num_rows: int, seed: int, epoch: int) -> Rows:
    """Return the rows 0 to `num_rows` - 1 in the order of an epoch."""
    return numpy_generator(seed, "epoch", epoch).permutation(num_rows)


@dataclass(frozen=True)
class RowOrder:
    """An order of images: one epoch of rows, which is repeated.

    With `weights` N, rows are drawn with replacement instead.
    """

    rows: Rows
    weights: NDArray[np.float64] | None = None

    def at(self, step: int, batch_size: int, seed: int) -> torch.Tensor:
        """Return the rows of a step, B int64."""
        if self.weights is not None:
            uniform = numpy_generator(seed, "rows", step).random(batch_size)
            return torch.from_numpy(self.rows[self._cumulative.searchsorted(uniform, "right")])
        places = (step * batch_size + np.arange(batch_size)) % len(self.rows)
        return torch.from_numpy(self.rows[places])

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Return the cumulative distribution function of the rows, N, which ends at exactly 1."""
        assert self.weights is not None
        sums = self.weights.cumsum()
        return sums / sums[-1]


def row_order(emotions: NDArray[np.int64], sampler: Sampler, generator: np.random.Generator) -> RowOrder:
    """Return an order of images by their emotions N (0 to 7). Raises ValueError if there are no images."""
    if not len(emotions):
        raise ValueError("No image left to train on: the train split of the corpus is empty, or its filter keeps none.")
    rows = np.arange(len(emotions))
    match sampler:
        case "oversample":
            return RowOrder(oversampled(emotions, generator))
        case "weighted":
            weights = 1.0 / np.bincount(emotions)[emotions]
            return RowOrder(rows, weights / weights.sum())
        case "plain":
            return RowOrder(generator.permutation(rows))


def mixed_order(emotions: NDArray[np.int64], sampler: Sampler, num_generated: int, generated_frac: float) -> RowOrder:
    """Return an order of real images followed by generated ones, drawn with replacement (UniEmo Table VIII).

    `emotions` N are those of the real images. The share `generated_frac` of the draws, in [0, 1), falls evenly on the
    generated images. Real images are drawn evenly if the sampler is `plain`, otherwise by inverse frequency of their
    emotion. Raises ValueError if a share falls on no image.
    """
    if generated_frac and not num_generated:
        raise ValueError(
            f"generated_frac = {generated_frac}, but no generated image passed the filter. Widen feedback.low and "
            "feedback.high, raise images.num_per_emotion, or set uniemo_feedback.generated_frac to 0"
        )
    real = np.ones(len(emotions)) if sampler == "plain" else 1.0 / np.bincount(emotions)[emotions]
    generated = np.ones(num_generated) / max(num_generated, 1)
    weights = np.concatenate([(1 - generated_frac) * real / real.sum(), generated_frac * generated])
    return RowOrder(np.arange(len(weights)), weights)


def oversampled(emotions: NDArray[np.int64], generator: np.random.Generator) -> Rows:
    """Return EmoGen's balanced list: for each emotion, the indices 0..max-1 modulo its size, all shuffled once.

    An image occurs floor or ceil(max / n) times, where n is the number of images of its emotion. Later epochs repeat
    the same order.
    """
    sizes = np.bincount(emotions)
    members = [np.flatnonzero(emotions == emotion) for emotion in np.flatnonzero(sizes)]
    repeated = [rows[np.arange(sizes.max()) % len(rows)] for rows in members]
    return generator.permutation(np.concatenate(repeated))
