"""Run the training loop of every miniature foundation model: batch, loss, step, average, log, checkpoint.

The randomness of a step depends on (seed, step, process) alone, so that a resumed training equals an uninterrupted one.
On a GPU these models are bound by kernel launches: after a few eager steps the whole step is captured once as a CUDA
graph and replayed (EVOKE_CUDA_GRAPHS=0 disables that, EVOKE_COMPILE=1 compiles the loss). Under torchrun, processes
average their gradients, each over its own batches: on a CPU, two processes of one thread make 1.4 times as many steps
as one process of two threads.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.foundation.recipes import Recipe
from pipeline.runtime import autocast, fast_attention
from pipeline.training.checkpoints import Checkpoints

Batch = tuple[Tensor, ...]
EAGER_STEPS = 3  # before the capture; they create the optimiser's state and tune cuDNN
LOG_SECONDS = 5.0
GRAD_NORM = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A module to train, with the functions that sample its batches and compute its loss.

    `sample` returns a batch of fixed shapes. `loss` returns a scalar of a batch and must not draw random numbers.
    `ema_decay` is the decay of the averaged weights, None for no average.
    """

    module: nn.Module
    sample: Callable[[torch.Generator], Batch]
    loss: Callable[..., Tensor]
    ema_decay: float | None = None


def fit(task: Task, recipe: Recipe, work: Path, device: torch.device) -> float:
    """Train the parameters of `task.module` that require gradients, in place, and return the last mean loss.

    Training resumes from the newest checkpoint in `work`; the loss is nan if no step was left. With an `ema_decay` the
    module ends with the averaged weights. Raises ValueError if `work` holds a checkpoint of another recipe.
    """
    state = TrainingState(task, recipe, device)
    checkpoints = Checkpoints(work, recipe.model_dump_json(), float(os.environ.get("EVOKE_CHECKPOINT_SECONDS", "60")))
    first = state.restore(checkpoints.newest(device))
    generator, step_once = torch.Generator(device), StepFunction(task, state.optimizer, device)
    meter = LossMeter(type(task.module).__name__, recipe.steps, first)
    for step in range(first, recipe.steps):
        generator.manual_seed(step_seed(recipe.seed, step, rank()))
        set_learning_rate(state.optimizer, learning_rate(recipe, step))
        meter.add(step, step_once(task.sample(generator)))
        state.average(step)
        if rank() == 0 and checkpoints.due():
            checkpoints.write(step + 1, state.tensors())
    if rank() == 0 and first < recipe.steps:
        checkpoints.write(recipe.steps, state.tensors())
    state.finish()
    return meter.mean()


class TrainingState:
    """The weights, moments and averages by name: everything that a checkpoint holds besides the step."""

    def __init__(self, task: Task, recipe: Recipe, device: torch.device) -> None:
        self.parameters = {name: p for name, p in task.module.named_parameters() if p.requires_grad}
        matrices = [p for p in self.parameters.values() if p.ndim > 1]
        vectors = [p for p in self.parameters.values() if p.ndim <= 1]
        graphs = uses_graphs(device)
        rate = torch.tensor(recipe.learning_rate, device=device) if graphs else recipe.learning_rate
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=rate, betas=(0.9, 0.98), eps=1e-8, fused=True, capturable=graphs,
        )  # fmt: skip
        self.decay = task.ema_decay
        averaged = self.parameters if task.ema_decay is not None else {}
        self.averages = {name: p.detach().clone() for name, p in averaged.items()}

    def average(self, step: int) -> None:
        """Move the averages towards the weights; early steps count more, as in diffusers' EMAModel."""
        if self.decay is not None:
            weight = 1 - min(self.decay, (1 + step) / (10 + step))
            targets = [p.detach() for p in self.parameters.values()]
            torch._foreach_lerp_(list(self.averages.values()), targets, weight)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the state by name, on the CPU."""
        named = {f"weight/{name}": p.detach() for name, p in self.parameters.items()}
        named |= {f"average/{name}": tensor for name, tensor in self.averages.items()}
        for name, parameter in self.parameters.items():
            moments = self.optimizer.state[parameter]
            named |= {f"{key}/{name}": moments[key] for key in ("step", "exp_avg", "exp_avg_sq")}
        return {name: tensor.cpu().contiguous() for name, tensor in named.items()}

    @torch.no_grad()
    def restore(self, found: tuple[int, dict[str, Tensor]] | None) -> int:
        """Load a checkpoint's tensors, if one was found, and return the step to resume from."""
        if found is None:
            return 0
        step, tensors = found
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weight/{name}"])
            moments = {key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            self.optimizer.state[parameter] = moments
            if name in self.averages:
                self.averages[name].copy_(tensors[f"average/{name}"])
        log.info("resumed at step %d", step)
        return step

    @torch.no_grad()
    def finish(self) -> None:
        """Copy the averaged weights, if there are any, into the module."""
        for name, average in self.averages.items():
            self.parameters[name].copy_(average)


class StepFunction:
    """A callable that makes one optimiser step, replayed as a CUDA graph where that works.

    batch -> loss, detached and on the device
    """

    def __init__(self, task: Task, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.optimizer, self.device, self.calls = optimizer, device, 0
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        compiles = os.environ.get("EVOKE_COMPILE") == "1"
        self.loss = torch.compile(task.loss) if compiles else task.loss
        self.graphs = uses_graphs(device)
        self.stream = torch.cuda.Stream(device) if self.graphs else None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Batch = ()
        self.output = torch.zeros((), device=device)

    def __call__(self, batch: Batch) -> Tensor:
        self.calls += 1
        if not self.graphs:
            return self.update(batch)
        if self.calls <= EAGER_STEPS:
            return self.update_aside(batch)
        if self.graph is None:
            self.capture(batch)
        for target, source in zip(self.inputs, batch, strict=True):
            target.copy_(source)
        assert self.graph is not None
        self.graph.replay()
        return self.output.clone()

    def update(self, batch: Batch) -> Tensor:
        """Make one eager step and return its loss."""
        self.optimizer.zero_grad(set_to_none=True)
        with autocast("bf16", self.device), fast_attention(self.device):
            loss = self.loss(*batch)
        loss.backward()
        average_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, GRAD_NORM, foreach=True)
        self.optimizer.step()
        return loss.detach()

    def update_aside(self, batch: Batch) -> Tensor:
        """Make one eager step on a side stream, as required of the steps before a capture, and return its loss."""
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            loss = self.update(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return loss

    def capture(self, batch: Batch) -> None:
        """Record one step without running it; its batch and its loss are fixed buffers from then on."""
        self.inputs = tuple(tensor.clone() for tensor in batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.output = self.update(self.inputs)


class LossMeter:
    """A meter that logs the mean loss since its last line about every five seconds; losses stay on the device."""

    def __init__(self, name: str, steps: int, first: int) -> None:
        self.name, self.steps, self.last_step = name, steps, first
        self.since = time.monotonic()
        self.losses: list[Tensor] = []
        self.last_mean = math.nan

    def add(self, step: int, loss: Tensor) -> None:
        self.losses.append(loss)
        seconds = time.monotonic() - self.since
        if seconds < LOG_SECONDS and step + 1 < self.steps:
            return
        self.last_mean = torch.stack(self.losses).float().mean().item()
        rate = (step + 1 - self.last_step) / max(seconds, 1e-9)
        left = (self.steps - step - 1) / rate
        log.info(
            "%s step %d/%d loss %.4f %.1f steps/s %.0f s left",
            self.name, step + 1, self.steps, self.last_mean, rate, left,
        )  # fmt: skip
        self.since, self.last_step, self.losses = time.monotonic(), step + 1, []

    def mean(self) -> float:
        """Return the mean loss of the last log line, nan if no step was left."""
        return self.last_mean


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step: linear warm-up, a plateau, then decay to 0 over the last `decay_frac`.

    The decay is a cosine if `decay_frac` is 1, otherwise linear.
    """
    warm = min(1.0, (step + 1) / max(recipe.warmup_steps, 1))
    decay_steps = recipe.decay_frac * recipe.steps
    left = min(1.0, (recipe.steps - step) / decay_steps) if decay_steps else 1.0
    shape = 0.5 - 0.5 * math.cos(math.pi * left) if recipe.decay_frac == 1 else left
    return recipe.learning_rate * warm * shape


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group, in place where it is a tensor on the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def step_seed(seed: int, step: int, process: int = 0) -> int:
    """Return a well mixed 32-bit seed; torch's CPU generator takes no more bits."""
    entropy = (seed, step, process) if process else (seed, step)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def own_batch_size(recipe: Recipe) -> int:
    """Return the number of rows of a batch that this process takes when several train together."""
    return recipe.batch_size // (dist.get_world_size() if dist.is_initialized() else 1)


def rank() -> int:
    """Return the rank of this process among those that train together; 0 for a single process."""
    return dist.get_rank() if dist.is_initialized() else 0


@torch.no_grad()
def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace this process's gradients by the mean over all processes, if there are several."""
    if dist.is_initialized():
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = nn.utils.parameters_to_vector(gradients)
        dist.all_reduce(flat)
        nn.utils.vector_to_parameters(flat / dist.get_world_size(), gradients)


def draw_rows(num_rows: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Return the row indices of a batch, B int64 in [0, num_rows), drawn with replacement."""
    return torch.randint(num_rows, (batch_size,), generator=generator, device=generator.device)


def uses_graphs(device: torch.device) -> bool:
    """Return whether steps are replayed as CUDA graphs."""
    return device.type == "cuda" and os.environ.get("EVOKE_CUDA_GRAPHS", "1") == "1"
