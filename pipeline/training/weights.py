"""Load the trained parameters of a module from a file, and only these; frozen weights come from elsewhere."""

from pathlib import Path

import torch
from torch import nn

from pipeline.weights import load_safetensors


def load_trained(module: nn.Module, file: Path, beside: str | None = None) -> None:
    """Copy the weights of a file into the parameters of a module that require gradients.

    `beside` is the prefix of such parameters that are stored elsewhere. Raises ValueError unless the file holds exactly
    the remaining ones.
    """
    wanted = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if beside is not None:
        wanted = {name: p for name, p in wanted.items() if not name.startswith(beside)}
    state, _ = load_safetensors(file)
    is_same = {name: t.shape for name, t in state.items()} == {name: p.shape for name, p in wanted.items()}
    if not is_same or not all(tensor.is_floating_point() for tensor in state.values()):
        raise ValueError(
            f"{file} does not match the weights recorded in meta.json; delete the folder and run `dvc repro`"
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(state[name])
