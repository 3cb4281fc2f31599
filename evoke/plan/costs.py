"""Count what one sample costs in each network: FLOPs and kernels, on torch's meta device.

The real modules run on tensors without data under torch's FlopCounterMode (two FLOPs per multiply-add), so the counts
follow from the configurations alone.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from torch import Tensor

    from evoke.plan.inputs import Corpus
    from pipeline.params import Backbone, UniemoUnderstanding


Config = Mapping[str, Any]
FP16, FP32 = 2, 4  # bytes per number
META = torch.device("meta")
TOKEN_PX = 28  # edge of the square that a Qwen-VL reads as one token


@dataclass(frozen=True)
class Cost:
    """FLOPs of convolutions and of all other products, and the number of kernels (operations launched one by one).

    Convolutions are separate because in fp32 torch lets a GPU round them to TF32.
    """

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

    def batched(self, size: float) -> "Cost":
        """Return the cost of a batch of `size` samples, which launches no more kernels than one sample."""
        return Cost(self.convolutions * size, self.products * size, self.kernels)


@dataclass(frozen=True)
class Network:
    """The cost of one sample, forward or in a training step, and the size of the weights in fp32."""

    cost: Cost
    num_bytes: int


@dataclass(frozen=True)
class Captioner:
    """The size of a captioner: its parameters, the tokens of an image (None: they grow with it) and its bytes."""

    parameters: int
    image_tokens: int | None
    num_bytes: int

    def cost(self, tokens: float) -> Cost:
        """Return the cost of reading and writing so many tokens: two FLOPs per parameter and token."""
        return Cost(products=2 * self.parameters * tokens)

    def tokens_of(self, images: "Corpus", max_px: float) -> int:
        """Return the number of tokens of an image of the corpus, whose long side is reduced to `max_px`."""
        scale = min(1.0, max_px / max(images.width_px, images.height_px)) / TOKEN_PX
        return self.image_tokens or round(images.width_px * scale) * round(images.height_px * scale)


class Models:
    """The foundation models, by open_clip's model_cfg and diffusers' configurations; each cost is that of one sample.

    `notes` state which configurations are assumed. The diffusion model shares CLIP's text tower; `second` is its second
    text encoder, by transformers' configuration, if it has one. `vit` is the CLIP of UniEmo's chain.
    """

    def __init__(
        self, clip: Config, vit: Config, unet: Config, vae: Config, captioner: Captioner, notes: tuple[str, ...] = (),
        second: Config | None = None,
    ) -> None:  # fmt: skip
        import open_clip
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        with META:
            self.clip, self._vit = (
                open_clip.model.CLIP(**{key: dict(value) if isinstance(value, Mapping) else value
                                        for key, value in config.items()}).eval()
                for config in (clip, vit)
            )  # fmt: skip
            self.unet_network = UNet2DConditionModel.from_config(dict(unet)).requires_grad_(False)
            self.vae = AutoencoderKL.from_config(dict(vae))
            self.second = CLIPTextModelWithProjection(CLIPTextConfig(**second)) if second else None
        self.captioner, self.notes = captioner, notes
        side, channels = unet["sample_size"], vae["latent_channels"]
        self.image_px = side * 2 ** (len(vae["block_out_channels"]) - 1)  # edge of a generated image
        self.latent_numbers = channels * side**2
        self.joint_width, self.vision_width = clip["embed_dim"], vit["vision_cfg"]["width"]
        self.pixels_shape, self.seen_shape = ((3, *[cfg["vision_cfg"]["image_size"]] * 2) for cfg in (clip, vit))
        self.states_shape = (clip["text_cfg"].get("context_length", 77), unet["cross_attention_dim"])
        self._pixels, self._seen = empty(1, *self.pixels_shape), empty(1, *self.seen_shape)
        self._states = empty(1, *self.states_shape)
        ids = torch.zeros(self._states.shape[:2], dtype=torch.long, device=META)

        self.clip_image = counted(lambda: self.clip.encode_image(self._pixels))
        self.clip_text = counted(lambda: self.clip.encode_text(ids))
        self.condition = self.clip_text + (counted(lambda: _read(self.second, ids)) if second else Cost())
        self.vae_encode = counted(lambda: self.vae.encode(empty(1, 3, self.image_px, self.image_px)))
        self.vae_decode = counted(lambda: self.vae.decode(empty(1, channels, side, side)))
        self.unet = counted(lambda: _denoise(self.unet_network, self._states))

        text = [self.clip.token_embedding, self.clip.transformer, self.clip.ln_final]
        positions = FP32 * self.clip.positional_embedding.numel()
        self.clip_bytes, self.vit_bytes = size_of(self.clip), size_of(self._vit)
        own_ids = torch.zeros(1, vit["text_cfg"].get("context_length", 77), dtype=torch.long, device=META)
        self.vit_pair = counted(lambda: (self._vit.encode_image(self._seen), self._vit.encode_text(own_ids)))
        further = [self.second] if self.second else []
        self.diffusion_bytes = sum(map(size_of, [self.unet_network, self.vae, *text, *further])) + positions

    @cache  # noqa: B019 (models live as long as the process)
    def unet_step(self, rank: int) -> Network:
        """Return a step forward and backward through the frozen U-Net to its text states and adapters.

        `rank` is the total rank of all adapters, and the size is that of the adapters. Each further rank costs the
        same, so that only ranks 0, 1 and 2 are counted.
        """
        if rank > 2:
            rank_1, rank_2 = self.unet_step(1), self.unet_step(2)
            added = Cost(products=(rank - 1) * (rank_2.cost.flops - rank_1.cost.flops))
            return Network(rank_1.cost + added, rank * rank_1.num_bytes)
        unet = self.adapted_unet(rank)
        states = self._states.clone().requires_grad_()
        cost = counted(lambda: _denoise(unet, states).sum().backward(), is_trained=True)
        return Network(cost, FP32 * sum(weight.numel() for weight in unet.parameters() if weight.requires_grad))

    def adapted_unet(self, rank: int) -> Any:
        """Return a frozen U-Net with adapters of a total rank."""
        from peft import LoraConfig

        from pipeline.foundation.stable_diffusion import ATTENTION

        with META:
            unet = type(self.unet_network).from_config(self.unet_network.config).requires_grad_(False)
            if rank:
                unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ATTENTION)))
        return unet

    def built_chain(self, settings: "UniemoUnderstanding") -> Any:
        """Return a fresh chain of UniEmo."""
        from pipeline.uniemo.chain import build_chain

        return build_chain(deepcopy(self._vit.visual), settings, torch.Generator())

    @cache  # noqa: B019 (models live as long as the process)
    def chain(self, settings: "UniemoUnderstanding", backbone_rate: float | None = None) -> Network:
        """Return UniEmo's understanding chain: forward, or a training step if a rate is given.

        At a rate of 0 the ViT's own weights are not trained.
        """
        chain = self.built_chain(settings.model_copy(update={"backbone_rate": backbone_rate or 0.0}))

        def run() -> None:
            read = chain(self._seen)
            if backbone_rate is not None:
                (read.logits.sum() + sum(seen.joint.sum() for seen in read.seen.values())).backward()

        return Network(counted(run, is_trained=backbone_rate is not None), size_of(chain))


def _denoise(unet: Any, states: "Tensor") -> "Tensor":
    side = unet.config.sample_size
    noisy = empty(1, unet.config.in_channels, side, side)
    time, added = torch.zeros(1, device=META), added_conditions(unet, 1, META)
    predicted: Tensor = unet(noisy, time, states, added_cond_kwargs=added, return_dict=False)[0]
    return predicted


def added_conditions(unet: Any, size: int, device: torch.device) -> "dict[str, Tensor] | None":
    """Return the added conditions that a U-Net's configuration asks for, for a batch: pooled texts and image sizes."""
    if unet.config.addition_embed_type != "text_time":
        return None
    sizes = 6 * unet.config.addition_time_embed_dim
    pooled = torch.empty(size, unet.config.projection_class_embeddings_input_dim - sizes, device=device)
    return {"text_embeds": pooled, "time_ids": torch.empty(size, 6, device=device)}


def _read(text_encoder: Any, ids: "Tensor") -> None:
    """Run a text encoder as a base does, which needs no values of the ids."""
    from pipeline.conditioning.encoder import TextTower
    from pipeline.conditioning.prompts import Tokens

    TextTower(text_encoder, None)(Tokens(ids, ids > 0, ids[:, 0]))


@cache
def judge_network(backbone: "Backbone") -> Any:
    """Return a pixel judge."""
    from pipeline.judges.pixels import PixelJudge

    with META:
        return PixelJudge(backbone, 0, 0).eval()


@cache
def judge(backbone: "Backbone", image_px: int) -> Network:
    """Return the cost and size of a pixel judge."""
    network = judge_network(backbone)
    squares = torch.zeros(1, image_px, image_px, 3, dtype=torch.uint8, device=META)
    return Network(counted(lambda: network(squares)), size_of(network))


@cache
def inception() -> Cost:
    """Return the cost of a forward pass of FID's Inception."""
    from torchvision.models import inception_v3

    from pipeline.metrics.inception import IMAGE_PX

    with META:
        network = inception_v3(weights=None, aux_logits=False, init_weights=False).eval()
    return counted(lambda: network(empty(1, 3, IMAGE_PX, IMAGE_PX)))


class _Kernels(TorchDispatchMode):
    """A dispatch mode that counts the operations that are not views."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += not func.is_view
        return func(*args, **(kwargs or {}))


def counted(run: Callable[[], object], is_trained: bool = False) -> Cost:
    """Return what calling `run` on the meta device would cost."""
    gradients = nullcontext() if is_trained else torch.no_grad()
    with gradients, FlopCounterMode(display=False) as counter, _Kernels() as kernels:
        run()
    flops = {str(name): number for name, number in counter.get_flop_counts()["Global"].items()}
    convolutions = sum(number for name, number in flops.items() if "convolution" in name)
    return Cost(convolutions, sum(flops.values()) - convolutions, kernels.number)


def empty(*shape: int) -> "Tensor":
    return torch.empty(shape, device=META)


def size_of(module: Any) -> int:
    """Return the size of a module's parameters in bytes, in fp32."""
    return FP32 * sum(parameter.numel() for parameter in module.parameters())
