"""Save GPU memory without changing a result, on cards that are too small for the papers' shapes.

The U-Net keeps the inputs of its blocks alone and computes the rest anew in the backward pass, a third more work for a
fraction of the memory, and the autoencoder decodes the images of a batch one by one. EVOKE_LOW_MEMORY=1 or 0 decides,
otherwise the size of the card.

Two savings are deliberately left out. Tiles of the autoencoder change pixels along their seams, and one image of
512 px needs none. The text encoder stays on the GPU: in every training except DreamBooth's it sees a trained
placeholder, so that nothing can be cached, and it has an eighth of the U-Net's bytes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.runtime import fast_attention

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

LARGE_BYTES = 30e9  # a card of this size trains at the papers' shapes as it is


def is_low(card_bytes: float) -> bool:
    """Return whether memory is to be saved: EVOKE_LOW_MEMORY, else by the bytes of the card, 0 for a CPU.

    Raises ValueError if the variable is neither 0 nor 1.
    """
    value = os.environ.get("EVOKE_LOW_MEMORY", "")
    if value not in ("", "0", "1"):
        raise ValueError(f"EVOKE_LOW_MEMORY = {value!r}: allowed are 0 and 1; unset it to go by the GPU's memory")
    return value == "1" if value else 0 < card_bytes < LARGE_BYTES


def save_memory(pipeline: "StableDiffusionPipeline") -> None:
    """Let a pipeline recompute activations and decode images one by one, where memory is to be saved."""
    device = pipeline.device
    if is_low(torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0):
        pipeline.unet.enable_gradient_checkpointing(recomputed)
        pipeline.vae.enable_slicing()


def recomputed(
    block: nn.Module, *inputs: Any, again: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Tensor:
    """Call a block, and once more in the backward pass instead of keeping its activations.

    `again` is called in the forward pass and returns the context of the second call, which restores what the block
    reads besides its inputs.
    """
    restored = _as_in_forward(again(), inputs[0].device)
    output: Tensor = checkpoint(block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), restored))
    return output


@contextmanager
def _as_in_forward(restored: AbstractContextManager[None], device: torch.device) -> Iterator[None]:
    with restored, fast_attention(device):
        yield
