"""Train the baselines: cached inputs, batches, the task for the shared training loop, and the final summary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.baselines.model import Baseline
from pipeline.emotion_set import EMOTIONS
from pipeline.rows import emotion_indices
from pipeline.training.curves import final_values
from pipeline.training.denoising import draw_diffusion
from pipeline.training.latents import LatentCache, draw_mirrored
from pipeline.training.loop import Batch, Task, Trained
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import row_order

if TYPE_CHECKING:
    from pipeline.params import DiffusionTraining


@dataclass(frozen=True)
class Inputs:
    """The N train images: emotions N, and rows N in the latent cache."""

    emotions: NDArray[np.int64]
    latent_rows: Tensor
    latents: LatentCache


def inputs(train: pa.Table, latents: LatentCache) -> Inputs:
    """Return the inputs of a training. `train` has image_id and emotion of the train images."""
    place = {image_id: index for index, image_id in enumerate(latents.image_ids)}
    return Inputs(
        emotion_indices(train), torch.tensor([place[image_id] for image_id in train["image_id"].to_pylist()]), latents
    )


More = Callable[[Tensor, torch.Generator], Mapping[str, Tensor]]


def task(
    name: str, model: Baseline, inputs: Inputs, settings: "DiffusionTraining", generator: np.random.Generator,
    more: More | None = None,
) -> Task:  # fmt: skip
    """Return the task for the training loop.

    `generator` draws the order of the images. `more` returns further tensors for the rows of a batch.
    """

    def draw(rows: Tensor, draws: torch.Generator) -> Batch:
        mirrored = draw_mirrored(len(rows), settings.mirror, draws)
        latents = inputs.latents.draw(inputs.latent_rows[rows], mirrored, draws)
        return {
            **draw_diffusion(model.base.schedule, latents, settings.text_dropout, draws),
            "emotions": torch.eye(len(EMOTIONS))[torch.from_numpy(inputs.emotions)[rows]],
            **(more(rows, draws) if more else {}),
        }

    order = row_order(inputs.emotions, settings.sampler, generator)
    return Task(name, model, order, draw, optimization_of(settings))


def summary(trained: Trained, inputs: Inputs) -> dict[str, float]:
    """Return the numbers of images and trained parameters, and the final losses."""
    num_parameters = sum(tensor.numel() for tensor in trained.weights.values())
    return {"num_train": len(inputs.emotions), "num_parameters": num_parameters, **final_values(trained)}
