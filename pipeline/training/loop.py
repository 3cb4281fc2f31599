"""The training loop of methods, judges and foundation models: batch, losses, step, average, log, checkpoint.

It runs on Hugging Face Accelerate. The randomness of a step comes from (seed, step) alone, and the whole batch is drawn
before each process takes its part. A resumed training therefore equals an uninterrupted one, and two processes see the
same batch as one. A parameter that has no part in a batch has no gradient and stays unchanged, byte for byte.
"""

import itertools
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.runtime import autocast, device, fast_attention, seed_of
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.graphs import GraphedStep, uses_graphs
from pipeline.training.optimization import STATE, Optimization, optimizer_of, restored_state, saved_state
from pipeline.training.rows import Order
from pipeline.training.tracking import tracker, tracker_folder
from pipeline.work import leaving_later

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL import Image

Batch = dict[str, Tensor]
LOG_SECONDS = 10.0
CURVE_POINTS = 100
CPU = torch.device("cpu")

log = logging.getLogger("evoke.training")


@dataclass(frozen=True)
class Task:
    """A module to train, with all that the loop needs for it.

    - `module` maps a batch to losses by name, of which `total` is minimised. Its parameters that require gradients are
      trained.
    - `order` chooses the rows B of each step.
    - `draw` maps (rows B int64, generator) to the whole batch. All tensors of a batch have the same first dimension.
    - `rates` maps prefixes of parameter names, up to a dot, to peak learning rates that differ from the one of
      `optimization`. The longest prefix counts.
    - `sheet` returns an image of samples in the current state; None turns sheets off.
    - `score` returns how good the current weights are. It is called every `score_steps` steps and at the end, and the
      best weights, the first among equals, are the result. It must depend on the weights alone.
    - `draws_on` is the device of the generator. Numbers drawn on the CPU are the same for every device.
    - `is_static` says that the steps can be captured as a CUDA graph (see graphs.py).
    """

    name: str
    module: nn.Module
    order: Order
    draw: Callable[[Tensor, torch.Generator], Batch]
    optimization: Optimization
    rates: Mapping[str, float] = field(default_factory=dict)
    sheet: "Callable[[], Image.Image] | None" = None
    score: Callable[[], float] | None = None
    score_steps: int = 0
    draws_on: torch.device = CPU
    is_static: bool = False


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    `weights` are the trained parameters by name, averaged if there is an EMA decay. `curve` has the mean losses at
    steps, by name. `scores` has `step` and `score` of each scoring. The weights are those of `best_step`, which without
    scores is the last step.
    """

    weights: dict[str, Tensor]
    curve: dict[str, list[float]]
    sheets: list[Path]
    scores: dict[str, list[float]]
    best_step: int


def fit(task: Task, seed: int, work: Path, key: str) -> Trained:
    """Train a task to its last step, resuming from the newest complete checkpoint in `work`.

    Returns the result, whose weights the module keeps. `key` names the recipe of the checkpoint; a checkpoint with
    another key raises ValueError.
    """
    state, settings = TrainingState(task, work, key), task.optimization
    first = state.restore()
    meter = Meter(task.name, settings.steps, first)
    with leaving_later() as is_asked_to_leave:
        for step in range(first, settings.steps):
            losses = state.step(_batch(task, seed, step, state.accelerator), step)
            state.record(step, losses)
            meter.tell(step, losses)
            if state.scores_after(step):
                state.take_score(step + 1)
            if task.sheet and state.is_main and settings.sheet_steps and (step + 1) % settings.sheet_steps == 0:
                state.save_sheet(step + 1)
            leaves = state.any_of(is_asked_to_leave())
            if state.checkpoints.due() or leaves or step + 1 == settings.steps:
                state.save(step + 1)
            if leaves:
                break
    return state.finish()


def _batch(task: Task, seed: int, step: int, accelerator: "Accelerator") -> Batch:
    """Return this process's part of the batch of a step, on its device."""
    rows = task.order.at(step, task.optimization.batch_size, seed).to(task.draws_on)
    whole = task.draw(rows, torch.Generator(task.draws_on).manual_seed(seed_of(seed, task.name, step)))
    process, number, size = accelerator.process_index, accelerator.num_processes, len(next(iter(whole.values())))
    mine = slice(process * size // number, (process + 1) * size // number)
    return {name: tensor[mine].to(accelerator.device) for name, tensor in whole.items()}


class TrainingState:
    """Parameters, optimizer, averages and curve: everything that a step changes and a checkpoint holds."""

    def __init__(self, task: Task, work: Path, key: str) -> None:
        self.task, self.settings, self.work = task, task.optimization, work
        self.accelerator = accelerator_of(self.settings)
        self.accelerator.init_trackers(task.name)
        interval = float(os.environ.get("EVOKE_CHECKPOINT_SECONDS", "60"))
        self.checkpoints = Checkpoints(work / "checkpoints", key, interval)
        self.parameters = {name: p for name, p in task.module.named_parameters() if p.requires_grad}
        self.buffer_names = {name for name, _ in task.module.named_buffers()}
        self.module = self.accelerator.prepare_model(task.module.to(self.accelerator.device))
        self.is_captured = (
            task.is_static and self.accelerator.num_processes == 1 and uses_graphs(self.accelerator.device)
        )
        self.optimizer = self._optimizer()
        self.update = GraphedStep(self._update, self.optimizer.zero_grad) if self.is_captured else self._update
        self.averages = (
            {name: p.detach().clone() for name, p in self.parameters.items()} if self.settings.ema_decay else {}
        )
        self.pending: list[dict[str, Tensor]] = []
        self.curve: dict[str, list[float]] = {}
        self.scores: dict[str, list[float]] = {"step": [], "score": []}
        self.best: dict[str, Tensor] = {}

    def _optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer with a group for each combination of peak learning rate and weight decay."""

        def group_of(name: str) -> tuple[float, float]:
            return self._rate(name), self.settings.weight_decay_of(self.parameters[name])

        groups = [
            {"params": [*map(self.parameters.get, names)], "lr": self._lr(rate), "rate": rate, "weight_decay": decay}
            for (rate, decay), names in itertools.groupby(sorted(self.parameters, key=group_of), group_of)
        ]
        return optimizer_of(self.settings, groups, self.is_captured)

    def _lr(self, rate: float) -> float | Tensor:
        """Return a learning rate as AdamW takes it: a captured step reads it from the device."""
        return torch.tensor(rate, device=self.accelerator.device) if self.is_captured else rate

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def any_of(self, flag: bool) -> bool:
        """Return whether any process received a request to stop.

        All processes then stop after the same step, because none can continue alone.
        """
        if self.accelerator.num_processes == 1:
            return flag
        number = self.accelerator.reduce(torch.tensor(float(flag), device=self.accelerator.device), "sum")
        return bool(number > 0)

    def step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one optimizer step and return the losses, detached."""
        factor = self.settings.rate_factor(step)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):  # a captured step reads it from the device
                group["lr"].fill_(group["rate"] * factor)
            else:
                group["lr"] = group["rate"] * factor
        losses = self.update(batch)
        self._average(step)
        return {name: loss.detach().float() for name, loss in losses.items()}

    def _update(self, batch: Batch) -> Batch:
        """Compute losses and gradients of a batch and update the parameters."""
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.settings.precision, self.accelerator.device), fast_attention(self.accelerator.device):
            losses: Batch = self.module(batch)
        self.accelerator.backward(losses["total"])
        if self.settings.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.parameters.values(), self.settings.max_grad_norm)
        self.optimizer.step()
        torch.autograd.graph.increment_version(self.parameters.values())  # the fused step does not count its writes
        return losses

    def record(self, step: int, losses: dict[str, Tensor]) -> None:
        """Add losses to the curve. A point is the mean since the last one; there are about CURVE_POINTS."""
        self.pending.append(losses)
        if (step + 1) % max(1, self.settings.steps // CURVE_POINTS) and step + 1 < self.settings.steps:
            return
        means = {name: torch.stack([each[name] for each in self.pending]).mean() for name in self.pending[0]}
        means = {name: self.accelerator.reduce(value, "mean") for name, value in means.items()}
        means = {name: float(value) for name, value in means.items()}
        for name, value in {"step": step + 1, **means, "rate_factor": self.settings.rate_factor(step)}.items():
            self.curve.setdefault(name, []).append(float(value))
        self.accelerator.log(means, step=step + 1)
        self.pending = []

    def save_sheet(self, step: int) -> None:
        """Save an image of samples with the current weights among the sheets of the work folder."""
        assert self.task.sheet is not None
        path = self.work / "sheets" / f"step-{step:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        modes = {module: module.training for module in self.task.module.modules()}
        self.task.module.eval()
        self.task.sheet().save(path)
        for module, is_training in modes.items():
            module.training = is_training

    def scores_after(self, step: int) -> bool:
        """Return whether the weights are scored after a step: at the task's interval and at the end."""
        last = step + 1 == self.settings.steps
        return self.task.score is not None and (last or (step + 1) % self.task.score_steps == 0)

    @torch.no_grad()
    def take_score(self, step: int) -> None:
        """Score the averaged weights, or the current ones without averages, and keep them if they are the best.

        Among equals the first are kept. All processes score.
        """
        assert self.task.score is not None
        present = {name: p.detach().clone() for name, p in self.parameters.items()} if self.averages else {}
        self._put(self.averages)
        value = torch.tensor(self.task.score(), device=self.accelerator.device, dtype=torch.float64)
        score = float(self.accelerator.reduce(value, "mean"))
        assert math.isfinite(score), f"the score of {self.task.name} after step {step} is {score}"
        if score > max(self.scores["score"], default=-math.inf):
            self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._put(present)
        for name, number in (("step", float(step)), ("score", score)):
            self.scores[name].append(number)
        log.info("%s has score %.4f after step %d", self.task.name, score, step)

    def save(self, step: int) -> None:
        """Write a checkpoint from the main process alone; the other processes do not wait for it."""
        if self.is_main:
            self.checkpoints.write(step, self._tensors())

    @torch.no_grad()
    def restore(self) -> int:
        """Restore the newest checkpoint and return the step to resume at, 0 without a checkpoint.

        Raises ValueError if the checkpoint was written by another number of processes.
        """
        newest = self._newest()
        if newest is None:
            return 0
        step, tensors = newest
        if int(tensors["processes"]) != self.accelerator.num_processes:
            raise ValueError(
                f"{self.work}: the checkpoint was written by {int(tensors['processes'])} processes, this run has "
                f"{self.accelerator.num_processes}; start the same number as before, or delete the folder"
            )
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weight/{name}"])
            if f"step/{name}" in tensors:
                keys = ("step", *STATE[self.settings.optimizer])
                saved = {key: tensors[f"{key}/{name}"] for key in keys if f"{key}/{name}" in tensors}
                self.optimizer.state[parameter] = restored_state(self.settings.optimizer, saved, parameter)
            if name in self.averages:
                self.averages[name].copy_(tensors[f"average/{name}"])
        for name, buffer in self._buffers().items():
            buffer.copy_(tensors[f"buffer/{name}"])
        self.curve = {name: values.tolist() for name, values in _columns("curve/", tensors).items()}
        self.scores |= {name: values.tolist() for name, values in _under("score/", tensors).items()}
        self.best, self.pending = _under("best/", tensors), _unstacked(_columns("pending/", tensors))
        log.info("%s resumes at step %d", self.task.name, step)
        return step

    def _newest(self) -> tuple[int, dict[str, Tensor]] | None:
        """Return step and tensors of the main process's newest checkpoint, on all processes."""
        from accelerate.utils import broadcast_object_list

        shared = [self.checkpoints.newest(self.accelerator.device) if self.is_main else None]
        broadcast_object_list(shared)
        if shared[0] is None:
            return None
        step, tensors = shared[0]
        return step, {name: tensor.to(self.accelerator.device) for name, tensor in tensors.items()}

    @torch.no_grad()
    def finish(self) -> Trained:
        """Return the result, and leave its weights in the module.

        These are the best weights if there are scores, otherwise the averages if there are any, otherwise the current
        weights.
        """
        self.accelerator.end_training()
        self._put(self.best or self.averages)
        weights = {name: p.detach().float().cpu().contiguous() for name, p in self.parameters.items()}
        scores = self.scores["score"]
        best_step = int(self.scores["step"][scores.index(max(scores))]) if scores else self.settings.steps
        return Trained(weights, self.curve, sorted((self.work / "sheets").glob("*.png")), self.scores, best_step)

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        """Copy weights into the module; an empty mapping changes nothing."""
        for name, tensor in weights.items():
            self.parameters[name].copy_(tensor)

    def _buffers(self) -> dict[str, Tensor]:
        """Return what training may change besides parameters, such as the running statistics of batch norms."""
        return {name: tensor for name, tensor in self.task.module.state_dict().items() if name in self.buffer_names}

    def _rate(self, name: str) -> float:
        beginnings = [each for each in self.task.rates if name.startswith(f"{each}.")]
        return self.task.rates[max(beginnings, key=len)] if beginnings else self.settings.learning_rate

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the averages towards the weights; early steps count more, as in diffusers' EMAModel."""
        if self.averages:
            weight = 1 - min(self.settings.ema_decay or 0.0, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.averages.values()), [p.detach() for p in self.parameters.values()], weight)

    def _tensors(self) -> dict[str, Tensor]:
        named: dict[str, Tensor] = {"processes": torch.tensor(self.accelerator.num_processes)}
        named |= {f"weight/{name}": p.detach() for name, p in self.parameters.items()}
        named |= {f"buffer/{name}": tensor for name, tensor in self._buffers().items()}
        named |= {f"average/{name}": tensor for name, tensor in self.averages.items()}
        for name, parameter in self.parameters.items():
            state = saved_state(self.optimizer.state.get(parameter, {}))
            named |= {f"{key}/{name}": tensor for key, tensor in state.items()}
        named |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        named |= {f"score/{name}": torch.tensor(each, dtype=torch.float64) for name, each in self.scores.items()}
        for place, (name, each) in enumerate(self.curve.items()):
            named[f"curve/{place:03d}/{name}"] = torch.tensor(each, dtype=torch.float64)
        for place, name in enumerate(self.pending[0] if self.pending else ()):
            named[f"pending/{place:03d}/{name}"] = torch.stack([losses[name] for losses in self.pending])
        return {name: tensor.cpu().contiguous() for name, tensor in named.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _columns(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under a prefix by name, in the order of the positions that precede the names.

    The positions are needed because a safetensors file has no order.
    """
    return {name.partition("/")[2]: tensor for name, tensor in sorted(_under(prefix, tensors).items())}


def _unstacked(stacked: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return stacked losses as a list over steps: name -> N becomes N times name -> scalar."""
    length = len(next(iter(stacked.values()))) if stacked else 0
    return [{name: values[index] for name, values in stacked.items()} for index in range(length)]


class Meter:
    """Progress log: a line with losses, speed and remaining time about every ten seconds."""

    def __init__(self, name: str, steps: int, first: int) -> None:
        self.name, self.steps, self.first = name, steps, first
        self.begin = self.last_line_s = time.monotonic()

    def tell(self, step: int, losses: dict[str, Tensor]) -> None:
        now = time.monotonic()
        if now - self.last_line_s < LOG_SECONDS and step + 1 < self.steps:
            return
        self.last_line_s = now
        rate = (step + 1 - self.first) / max(now - self.begin, 1e-9)
        text = " ".join(f"{name} {float(loss):.4f}" for name, loss in losses.items())
        left = (self.steps - step - 1) / rate
        log.info("%s step %d/%d  %s  %.2f steps/s, %.0f s left", self.name, step + 1, self.steps, text, rate, left)


def accelerator_of(settings: Optimization) -> "Accelerator":
    """Return the Accelerator on the device of EVOKE_DEVICE. The loop chooses the number format itself.

    Raises ValueError if the batch size is not divisible by the number of processes.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs

    unused, chosen = DistributedDataParallelKwargs(find_unused_parameters=True), device()
    if chosen.index is not None:
        torch.cuda.set_device(chosen)
    accelerator = Accelerator(
        cpu=chosen.type == "cpu", mixed_precision="no", kwargs_handlers=[unused], log_with=tracker(),
        project_dir=tracker_folder(),
    )  # fmt: skip
    if settings.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size = {settings.batch_size}: must be a multiple of the {accelerator.num_processes} processes"
        )
    return accelerator
