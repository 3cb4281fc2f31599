"""Store weights in half precision, or matrices in eight bits with one scale a row, and restore them to float32.

Eight bits halve a file once more; the error of a weight is at most 1/254 of the largest weight of its row.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = "::scale"
LEVELS = 127


def compact(tensors: Mapping[str, Tensor], in_eight_bits: bool) -> dict[str, Tensor]:
    """Return floating-point tensors as float16, and those of two or more dimensions as int8 if `in_eight_bits`."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            stored[name] = tensor
        elif in_eight_bits and tensor.dim() > 1:
            rows = tensor.float().flatten(1)
            scales = (rows.abs().amax(1) / LEVELS).half().float().clamp(min=2.0**-24)
            levels = (rows / scales[:, None]).round().clamp(-LEVELS, LEVELS)
            stored |= {name: levels.to(torch.int8).reshape(tensor.shape), name + SCALE: scales.half()}
        else:
            stored[name] = tensor.half()
    return stored


def restored(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what `compact` stored, with floating-point tensors as float32."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        if (scales := stored.get(name + SCALE)) is not None:
            rows = tensor.float().flatten(1) * scales.float()[:, None]
            tensors[name] = rows.reshape(tensor.shape)
        else:
            tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors
