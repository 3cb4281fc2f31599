"""The baselines trained: cached inputs, batches, the task for the one loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.baselines.model import Baseline
from pipeline.emotions import EMOTIONS
from pipeline.training.denoising import draw_diffusion
from pipeline.training.figures import NO_LOSSES
from pipeline.training.latents import LatentCache, draw_mirrored
from pipeline.training.loop import Batch, Task, Trained
from pipeline.training.rows import row_order
from pipeline.uniemo.correlation import emotion_ids

if TYPE_CHECKING:
    from pipeline.params import DiffusionTraining


@dataclass(frozen=True)
class Inputs:
    """The N train pictures: emotions N, rows N of the latents."""

    emotions: NDArray[np.int64]
    latent_rows: Tensor
    latents: LatentCache


def inputs(train: pa.Table, latents: LatentCache) -> Inputs:
    """train: image_id and emotion of the train pictures."""
    place = {image_id: index for index, image_id in enumerate(latents.image_ids)}
    return Inputs(
        emotion_ids(train), torch.tensor([place[image_id] for image_id in train["image_id"].to_pylist()]), latents
    )


More = Callable[[Tensor, torch.Generator], Mapping[str, Tensor]]


def task(
    name: str, model: Baseline, found: Inputs, settings: "DiffusionTraining", generator: np.random.Generator,
    more: More | None = None,
) -> Task:  # fmt: skip
    """What the loop is given. generator: of the order of pictures; more: what else a batch of rows has."""

    def draw(rows: Tensor, draws: torch.Generator) -> Batch:
        mirrored = draw_mirrored(len(rows), settings.mirror, draws)
        latents = found.latents.draw(found.latent_rows[rows], mirrored, draws)
        return {
            **draw_diffusion(model.schedule, latents, settings.text_dropout, draws),
            "emotions": torch.eye(len(EMOTIONS))[torch.from_numpy(found.emotions)[rows]],
            **(more(rows, draws) if more else {}),
        }

    return Task(name, model, row_order(found.emotions, settings.sampler, generator), draw)


def summary(trained: Trained, found: Inputs) -> dict[str, float]:
    """Numbers of pictures and trained parameters, and the losses at the end."""
    losses = {f"loss_{name}": values[-1] for name, values in trained.curve.items() if name not in NO_LOSSES}
    num_parameters = sum(tensor.numel() for tensor in trained.weights.values())
    return {"num_train": len(found.emotions), "num_parameters": num_parameters, **losses}
