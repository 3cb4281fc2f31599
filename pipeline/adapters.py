"""HiLoRA (CoEmoGen Eq. 2-3): rank-r adapters on the U-Net's attention, eight for emotions, two for polarities.

    W' = W + A_p B_p + A_e B_e      for a sample of emotion e and polarity p

An emotion without a polarity (emotions.yaml) has the adapter of the emotion alone.

The adapters are ordinary PEFT adapters (alpha = rank, so the scale is 1), each with its own parameters. Only the
forward pass differs from PEFT (GatedLinear): the adapters that occur in a batch are concatenated and their hidden units
are gated per sample, so a batch of mixed emotions costs one pass. An adapter that does not occur is not in the graph:
its gradient is None, and the optimizer leaves its bytes unchanged. With a zero gradient, AdamW's momentum and weight
decay would move it.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor, nn

from pipeline.emotion_set import EMOTIONS, POLARITIES, polarity
from pipeline.memory import recomputed

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

ADAPTERS: tuple[str, ...] = (*EMOTIONS, *POLARITIES)


@dataclass
class Routing:
    """The state that every adapted layer reads in its forward pass: the N adapters of the batch and their gates BN."""

    names: tuple[str, ...] = ()
    gates: Tensor | None = None

    @contextmanager
    def through(self, names: tuple[str, ...], gates: Tensor | None) -> Iterator[None]:
        """Route through these adapters while the context is active."""
        before = self.names, self.gates
        self.names, self.gates = names, gates
        try:
            yield
        finally:
            self.names, self.gates = before

    def again(self) -> AbstractContextManager[None]:
        """Return a context in which the routing is what it is now."""
        return self.through(self.names, self.gates)


class GatedLinear(Linear):
    """A linear layer x -> W x + the sum of gate * B A x over the adapters of the batch.

    Parameters, names and saving are those of PEFT's LoRA layer.
    """

    def __init__(self, *args: Any, routing: Routing, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routing = routing

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result: Tensor = self.base_layer(x, *args, **kwargs)
        names, gates = self.routing.names, self.routing.gates
        if not names or gates is None:
            return result
        down = torch.cat([self.lora_A[name].weight for name in names])
        up = torch.cat([self.lora_B[name].weight for name in names], 1)
        ranks = torch.tensor([self.r[name] for name in names], device=gates.device)
        gates = gates.repeat_interleave(ranks, 1).repeat(len(x) // len(gates), 1)
        hidden = F.linear(x, down.to(x.dtype)) * gates[:, None].to(x.dtype)
        return result + F.linear(hidden, up.to(x.dtype))


@dataclass(frozen=True)
class HiLora:
    """The adapters of one U-Net.

    `ranks` maps the names of the enabled adapters, a subset of ADAPTERS, to their ranks.
    """

    unet: "UNet2DConditionModel"
    ranks: Mapping[str, int]
    routing: Routing

    @property
    def layers(self) -> dict[str, GatedLinear]:
        """Return the adapted layers by name."""
        return {name: module for name, module in self.unet.named_modules() if isinstance(module, GatedLinear)}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.ranks)

    def parameters(self) -> dict[str, Tensor]:
        """Return the trainable parameters under PEFT's names, such as down_blocks.0...to_q.lora_A.awe.weight."""
        return {name: p for name, p in self.unet.named_parameters() if ".lora_" in name}

    @contextmanager
    def route(self, weights: Tensor) -> Iterator[None]:
        """Route sample b through the adapters of its emotions, by weight, while the context is active.

        `weights` is B8 >= 0; the row of a single emotion is one-hot, and a row of zeros uses no adapter. A polarity's
        adapter gets the sum over its emotions, so a row that sums to 1 uses one polarity adapter's worth in total. If a
        forward pass has a multiple of B samples (guidance), the rows are repeated.
        """
        gates = gates_of(weights)
        present = [index for index, name in enumerate(ADAPTERS) if name in self.ranks and bool(gates[:, index].any())]
        with self.routing.through(tuple(ADAPTERS[index] for index in present), gates[:, present]):
            yield


def gates_of(weights: Tensor) -> Tensor:
    """Return the gates of the adapters: emotion weights B8 -> gates B10 in the order of ADAPTERS."""
    signs = [torch.tensor([polarity(emotion) == sign for emotion in EMOTIONS]) for sign in POLARITIES]
    of_polarity = [weights[:, sign.to(weights.device)].sum(1, keepdim=True) for sign in signs]
    return torch.cat([weights, *of_polarity], 1).float()


def add_adapters(
    unet: "UNet2DConditionModel", targets: Sequence[str], ranks: Mapping[str, int], generator: torch.Generator
) -> HiLora:
    """Add adapters to the linear layers of a U-Net that `targets` name, freeze all else, and return the adapters.

    `ranks` maps names of ADAPTERS to ranks. The output of the U-Net does not change at first: A is drawn uniformly as
    in PEFT, and B is 0.
    """
    unknown = set(ranks) - set(ADAPTERS)
    assert not unknown, f"no such adapters: {unknown}"
    unet.requires_grad_(False)
    routing = Routing()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # several adapters are intended
        for name, rank in ranks.items():
            config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets))
            config._register_custom_module({nn.Linear: partial(GatedLinear, routing=routing)})
            unet.add_adapter(config, adapter_name=name)
    if unet.is_gradient_checkpointing:
        unet.enable_gradient_checkpointing(partial(recomputed, again=routing.again))
    hilora = HiLora(unet, dict(ranks), routing)
    for name, parameter in hilora.parameters().items():
        parameter.requires_grad_(True)
        if ".lora_A." in name:
            bound = parameter.shape[1] ** -0.5
            with torch.no_grad():
                parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))
    return hilora


def joined(hilora: HiLora, weights: Mapping[str, float]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return several adapters as one ordinary LoRA of the summed rank: layer name -> (A rI, B Or).

    `weights` maps the names of adapters to weights, which are folded into B.
    """
    return {
        name: (
            torch.cat([layer.lora_A[adapter].weight for adapter in weights]).detach().float().cpu(),
            torch.cat([w * layer.lora_B[adapter].weight for adapter, w in weights.items()], 1).detach().float().cpu(),
        )
        for name, layer in hilora.layers.items()
    }
