"""The optimizer, its settings and the learning-rate schedule of every training: methods, judges, foundation models."""

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.params import Optimizer, Training

# What an optimizer keeps of a parameter, beside its number of steps; bitsandbytes has the scales of moments in 8 bits.
STATE: Mapping["Optimizer", tuple[str, ...]] = {
    "adamw": ("exp_avg", "exp_avg_sq"),
    "adamw_8bit": ("state1", "state2", "qmap1", "qmap2", "absmax1", "absmax2"),
}
SHARED = ("qmap1", "qmap2")  # the 256 values of an 8-bit moment, one tensor for all parameters of bitsandbytes


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
    optimizer: "Optimizer" = "adamw"

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
        optimizer=settings.optimizer,
    )


def optimizer_of(
    settings: Optimization, groups: list[dict[str, Any]], is_captured: bool = False
) -> torch.optim.Optimizer:
    """Return AdamW over groups of parameters, or its form with moments in 8 bits.

    With `is_captured`, its steps can be captured as a CUDA graph. Raises ValueError if bitsandbytes is not installed.
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=settings.betas, fused=True, capturable=is_captured)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(
            "optimizer = 'adamw_8bit': bitsandbytes is not installed; run `pip install bitsandbytes`, or set optimizer "
            "to adamw"
        )
    from bitsandbytes.optim import AdamW8bit

    optimizer: torch.optim.Optimizer = AdamW8bit(groups, betas=settings.betas)
    return optimizer


def saved_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return an optimizer's state of a parameter as tensors, which share no memory with those of other parameters."""
    tensors = {key: torch.as_tensor(value) for key, value in state.items()}
    return {key: tensor.clone() if key in SHARED else tensor for key, tensor in tensors.items()}


def restored_state(optimizer: "Optimizer", saved: Mapping[str, Tensor], parameter: Tensor) -> dict[str, Any]:
    """Return an optimizer's state of a parameter from `saved_state`, on the device of the parameter.

    AdamW's moments are laid out as the parameter; its fused form reads the number of steps from the device, that of
    bitsandbytes takes an integer.
    """
    kept = {key: saved[key] for key in STATE[optimizer] if key in saved}
    if optimizer == "adamw_8bit":
        return {"step": int(saved["step"]), **{key: tensor.to(parameter.device) for key, tensor in kept.items()}}
    moments = {key: torch.empty_like(parameter).copy_(tensor) for key, tensor in kept.items()}
    return {"step": saved["step"].to(parameter.device), **moments}
