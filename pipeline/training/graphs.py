"""Replay training steps as CUDA graphs.

Models as small as the miniature's foundation models are bound by kernel launches on a GPU. After a few eager steps the
whole step is captured once and then replayed.
"""

import os
from collections.abc import Callable

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
EAGER_STEPS = 3  # before the capture; they create the optimizer's state and tune cuDNN


class GraphedStep:
    """A step function, batch -> losses by name, that is captured as a CUDA graph after EAGER_STEPS calls.

    All batches must have the same shapes, and the step must neither draw random numbers on the CPU nor wait for the
    device.
    """

    def __init__(self, update: Callable[[Tensors], Tensors], zero_gradients: Callable[[], None]) -> None:
        self.update, self.zero_gradients = update, zero_gradients
        self.calls, self.stream = 0, torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Tensors = {}
        self.losses: Tensors = {}

    def __call__(self, batch: Tensors) -> Tensors:
        """Take one step and return its losses."""
        self.calls += 1
        if self.calls <= EAGER_STEPS:
            return self._update_aside(batch)
        graph = self.graph or self._capture(batch)
        for name, tensor in batch.items():
            self.inputs[name].copy_(tensor)
        graph.replay()
        return {name: loss.clone() for name, loss in self.losses.items()}

    def _update_aside(self, batch: Tensors) -> Tensors:
        """Take an eager step on a side stream, as is required of the steps before a capture."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            losses = self.update(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses

    def _capture(self, batch: Tensors) -> torch.cuda.CUDAGraph:
        """Record one step without running it; its batch and its losses are fixed buffers from then on."""
        self.inputs = {name: tensor.clone() for name, tensor in batch.items()}
        self.zero_gradients()
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.losses = self.update(self.inputs)
        return self.graph


def uses_graphs(device: torch.device) -> bool:
    """Return whether a device replays steps of fixed shapes as CUDA graphs; EVOKE_CUDA_GRAPHS=0 turns it off."""
    return device.type == "cuda" and os.environ.get("EVOKE_CUDA_GRAPHS", "1") == "1"
