"""Settings of the optimizer and the learning-rate schedule, for every training: methods, judges, foundation models."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.params import Training


@dataclass(frozen=True)
class Optimization:
    """How AdamW trains a module.

    The learning rate rises linearly over `warmup_steps` and falls to 0 over the last share `decay_frac` of the steps,
    as a cosine or, with `is_linear`, in a line. `ema_decay` is the decay of averaged weights per step, None for none.
    `sheet_steps` is the number of steps between two sheets of samples, 0 for none. Weight decay applies to vectors
    (biases, norms) only with `decays_vectors`.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: float = 0
    decay_frac: float = 1.0
    is_linear: bool = False
    max_grad_norm: float | None = 1.0
    ema_decay: float | None = None
    precision: Precision = "bf16"
    betas: tuple[float, float] = (0.9, 0.999)
    decays_vectors: bool = True
    sheet_steps: int = 0

    def rate_factor(self, step: int) -> float:
        """Return the learning rate of a step as a share of the peak."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay_steps = self.decay_frac * self.steps
        fallen = max(0.0, step - (self.steps - decay_steps)) / decay_steps if decay_steps else 0.0
        return warm * (1 - fallen if self.is_linear else 0.5 + 0.5 * math.cos(math.pi * fallen))

    def weight_decay_of(self, parameter: nn.Parameter) -> float:
        """Return AdamW's weight decay of a parameter."""
        return self.weight_decay if self.decays_vectors or parameter.ndim > 1 else 0.0


def optimization_of(settings: "Training") -> Optimization:
    """Return the settings of a method's section of params.yaml as the training loop takes them."""
    return Optimization(
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps,
        decay_frac={"constant": 0.0, "cosine": 1.0}[settings.schedule],
        max_grad_norm=settings.max_grad_norm,
        ema_decay=settings.ema_decay,
        precision=settings.precision,
        sheet_steps=settings.sheet_steps,
    )
