"""Train a foundation model by the shared training loop: a model with its loss, and a recipe's settings of AdamW."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.foundation.recipes import Recipe
from pipeline.training.loop import Batch, Task, fit
from pipeline.training.optimization import Optimization
from pipeline.training.rows import Order

BETAS = (0.9, 0.98)

Draw = Callable[[Tensor, torch.Generator], Batch]


class Objective(nn.Module):
    """A model with its loss: batch -> {"total": loss(model, **batch)}. The loss must not draw random numbers."""

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> Batch:
        return {"total": self.loss(self.model, **batch)}


def train(
    objective: Objective,
    order: Order,
    draw: Draw,
    recipe: Recipe,
    work: Path,
    device: torch.device,
    ema_decay: float | None = None,
) -> float:
    """Train the parameters of the model that require gradients, in place, and return the last mean loss.

    `draw` maps rows B and a generator, both on `device`, to a batch whose shapes never change. A training resumes from
    the newest checkpoint in `work`. Raises ValueError if `work` holds a checkpoint of another recipe.
    """
    name = type(objective.model).__name__
    task = Task(name, objective, order, draw, optimization_of(recipe, ema_decay), draws_on=device, is_static=True)
    trained = fit(task, recipe.seed, work, recipe.model_dump_json())
    return trained.curve["total"][-1]


def optimization_of(recipe: Recipe, ema_decay: float | None = None) -> Optimization:
    """Return the settings of a recipe as the training loop takes them: a cosine if `decay_frac` is 1, else a line."""
    return Optimization(
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup_steps,
        decay_frac=recipe.decay_frac,
        is_linear=recipe.decay_frac < 1,
        ema_decay=ema_decay,
        betas=BETAS,
        decays_vectors=False,
    )


def choose(number: int, rows: Tensor, generator: torch.Generator) -> Tensor:
    """Return for each of the rows B a number in [0, `number`), B int64, such as which of an image's texts to take."""
    return torch.randint(number, rows.shape, generator=generator, device=generator.device)
