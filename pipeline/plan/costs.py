"""Count what one image, text or step costs on a device: FLOPs and kernels, on torch's meta device.

The real modules run on tensors without data, under torch's own FlopCounterMode (two FLOPs per multiply-add), so that
the count follows from the configurations. Convolutions are counted separately, because in fp32 torch lets a GPU round
them to TF32.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from pipeline.plan.shapes import Shapes

if TYPE_CHECKING:
    from pipeline.judges.pixels import Backbone
    from pipeline.params import UniemoUnderstanding

META = torch.device("meta")
FORWARD_AND_BACKWARD = 3  # cost of a step that trains all weights, in forward passes


@dataclass(frozen=True)
class Cost:
    """FLOPs of convolutions and all other products, and the number of kernels (operations launched one by one)."""

    convolutions: float = 0.0
    products: float = 0.0
    kernels: float = 0.0

    @property
    def flops(self) -> float:
        return self.convolutions + self.products

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.convolutions + other.convolutions, self.products + other.products, self.kernels + other.kernels
        )

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.convolutions * times, self.products * times, self.kernels * times)

    def batched(self, size: int) -> "Cost":
        """Return the cost of a batch of `size` samples, which launches no more kernels than one sample."""
        return Cost(self.convolutions * size, self.products * size, self.kernels)


NOTHING = Cost()


class Costs:
    """The costs of one sample through models of the given shapes, each counted at its first use."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes

    @cached_property
    def unet(self) -> Cost:
        """Return the cost of a forward pass of the U-Net."""
        unet = self._unet(0)
        return counted(lambda: self._denoise(unet), grad=False)

    def unet_step(self, rank: int) -> Cost:
        """Return the cost of forward and backward through the frozen U-Net to its text states and adapters.

        `rank` is the total rank of all adapters. Each further rank costs the same, so that three counts give all
        others.
        """
        if rank == 0:
            return self._steps[0]
        _, one, two = self._steps
        each = two.flops - one.flops
        return Cost(one.convolutions, one.products + (rank - 1) * each, one.kernels)

    @cached_property
    def vae_encode(self) -> Cost:
        vae, edge = self._vae(), self.shapes.image_px
        return counted(lambda: vae.encode(empty(1, 3, edge, edge)), grad=False)

    @cached_property
    def vae_decode(self) -> Cost:
        vae, side = self._vae(), self.shapes.unet["sample_size"]
        return counted(lambda: vae.decode(empty(1, self.shapes.vae["latent_channels"], side, side)), grad=False)

    @cached_property
    def clip_image(self) -> Cost:
        clip, edge = self._clip(), self.shapes.clip_px
        return counted(lambda: clip.encode_image(empty(1, 3, edge, edge)), grad=False)

    @cached_property
    def clip_text(self) -> Cost:
        """Return the cost of CLIP's text tower, which the diffusion model shares."""
        clip = self._clip()
        ids = torch.zeros(1, self.shapes.context_length, dtype=torch.long, device=META)
        return counted(lambda: clip.encode_text(ids), grad=False)

    def chain(self, settings: "UniemoUnderstanding") -> Cost:
        """Return the cost of a forward pass of UniEmo's understanding chain."""
        return _chain(self, settings, grad=False)

    def chain_step(self, settings: "UniemoUnderstanding", backbone_rate: float) -> Cost:
        """Return the cost of forward and backward through UniEmo's understanding chain.

        The ViT's own weights are trained unless `backbone_rate` is 0.
        """
        return _chain(self, settings.model_copy(update={"backbone_rate": backbone_rate}), grad=True)

    def caption(self, tokens: float) -> Cost:
        """Return the cost of one caption: two FLOPs per parameter and token."""
        return Cost(products=2 * self.shapes.captioner.parameters * tokens)

    def adapter_parameters(self, rank: int) -> int:
        """Return the number of parameters of one adapter of this rank."""
        return rank * self._rank_parameters

    def chain_parameters(self, settings: "UniemoUnderstanding") -> int:
        return size_of(_build_chain(self, settings))

    def parameters(self) -> dict[str, int]:
        """Return the numbers of parameters of CLIP, U-Net and VAE, and of CLIP's text tower alone (`text`)."""
        clip = self._clip()
        texts = [clip.token_embedding, clip.transformer, clip.ln_final]
        return {
            "clip": size_of(clip), "unet": size_of(self._unet(0)), "vae": size_of(self._vae()),
            "text": sum(map(size_of, texts)) + clip.positional_embedding.numel(),
        }  # fmt: skip

    @cached_property
    def _steps(self) -> tuple[Cost, ...]:
        """Return the costs of `unet_step` for ranks 0, 1 and 2."""
        states = empty(1, self.shapes.context_length, self.shapes.unet["cross_attention_dim"]).requires_grad_()

        def step(unet: Any) -> Cost:
            return counted(lambda: self._denoise(unet, states).sum().backward(), grad=True)

        return tuple(step(self._unet(rank)) for rank in range(3))

    @cached_property
    def _rank_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._unet(1).parameters() if parameter.requires_grad)

    def _denoise(self, unet: Any, states: Tensor | None = None) -> Tensor:
        channels, side = unet.config.in_channels, unet.config.sample_size
        if states is None:
            states = empty(1, self.shapes.context_length, unet.config.cross_attention_dim)
        out: Tensor = unet(empty(1, channels, side, side), torch.zeros(1, device=META), states, return_dict=False)[0]
        return out

    def _unet(self, rank: int) -> Any:
        """Return the frozen U-Net on the meta device, with an adapter unless the rank is 0."""
        from diffusers import UNet2DConditionModel

        with META:
            unet = UNet2DConditionModel.from_config(dict(self.shapes.unet)).requires_grad_(False)
            if rank:
                from peft import LoraConfig

                from pipeline.adapters import TARGETS

                unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)))
        return unet

    def _vae(self) -> Any:
        from diffusers import AutoencoderKL

        with META:
            return AutoencoderKL.from_config(dict(self.shapes.vae))

    def _clip(self) -> Any:
        import open_clip

        with META:
            return open_clip.model.CLIP(**{key: dict(value) if isinstance(value, dict) else value
                                           for key, value in self.shapes.clip.items()}).eval()  # fmt: skip


def costs_of(shapes: Shapes) -> Costs:
    """Return the costs of these shapes, counted once per process."""
    return _KNOWN.setdefault(repr(shapes), Costs(shapes))


_KNOWN: dict[str, Costs] = {}


@cache
def judge(backbone: "Backbone", image_px: int) -> Cost:
    """Return the cost of a forward pass of the pixel judge."""
    network = _judge(backbone)
    squares = torch.zeros(1, image_px, image_px, 3, dtype=torch.uint8, device=META)
    return counted(lambda: network(squares), grad=False)


@cache
def judge_parameters(backbone: "Backbone") -> int:
    return size_of(_judge(backbone))


def _judge(backbone: "Backbone") -> Any:
    from pipeline.judges.pixels import PixelJudge

    with META:
        return PixelJudge(backbone, 0, 0).eval()


@cache
def inception() -> Cost:
    """Return the cost of a forward pass of FID's Inception."""
    from torchvision.models import inception_v3

    from pipeline.metrics.inception import IMAGE_PX

    with META:
        network = inception_v3(weights=None, aux_logits=False, init_weights=False).eval()
    return counted(lambda: network(empty(1, 3, IMAGE_PX, IMAGE_PX)), grad=False)


@cache
def _chain(costs: Costs, settings: "UniemoUnderstanding", grad: bool) -> Cost:
    chain = _build_chain(costs, settings)
    pixels = empty(1, 3, costs.shapes.clip_px, costs.shapes.clip_px)

    def run() -> None:
        found = chain(pixels)
        if grad:
            (found.logits.sum() + sum(seen.joint.sum() for seen in found.seen.values())).backward()

    return counted(run, grad)


@cache
def _build_chain(costs: Costs, settings: "UniemoUnderstanding") -> Any:
    from pipeline.uniemo.chain import build_chain

    return build_chain(costs._clip().visual, settings, torch.Generator())


class _Kernels(TorchDispatchMode):
    """A dispatch mode that counts the operations that are not views."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += not func.is_view
        return func(*args, **(kwargs or {}))


def counted(run: Callable[[], object], grad: bool) -> Cost:
    """Return what calling `run` on the meta device would cost."""
    with nullcontext() if grad else torch.no_grad(), FlopCounterMode(display=False) as counter, _Kernels() as kernels:
        run()
    of = {str(name): flops for name, flops in counter.get_flop_counts()["Global"].items()}
    convolutions = sum(flops for name, flops in of.items() if "convolution" in name)
    return Cost(convolutions, sum(of.values()) - convolutions, kernels.number)


def empty(*shape: int) -> Tensor:
    return torch.empty(shape, device=META)


def size_of(module: Any) -> int:
    """Return the number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
