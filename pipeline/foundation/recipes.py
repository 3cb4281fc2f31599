"""Define the typed recipes of the miniature foundation models, as params.yaml names and bundled weights store them.

A recipe holds every number that determines its model. This module does not import torch, so that params are validated
within a second. The settings follow the feasibility studies in docs: a VAE with factor 8 and 16 channels, a two-level
v-prediction U-Net, a CLIP with six vision layers, a LLaVA with three language layers.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

IMAGE_PX = 64  # edge of a drawn image
Widths = Annotated[tuple[Annotated[int, Field(ge=4)], ...], Field(strict=False, min_length=1)]
TextsPerPicture = Annotated[int, Field(ge=1, description="number of texts per image; each step draws one of them")]
TextDropout = Annotated[
    float, Field(ge=0, lt=1, description="fraction of texts replaced by the empty text, for classifier-free guidance")
]
SnrCap = Annotated[
    float, Field(gt=0, description="cap of the signal-to-noise ratio in the density of timesteps (min-SNR-5: 5)")
]
EmaDecay = Annotated[float, Field(ge=0, lt=1, description="decay of the averaged weights per step")]


class Recipe(BaseModel):
    """Settings that all recipes share: images, steps, batch size and learning rate."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    num_pictures: int = Field(ge=1, description="number of images of the foundation stream to train on")
    steps: int = Field(ge=1, description="optimiser steps")
    batch_size: int = Field(ge=1, description="images per step")
    learning_rate: float = Field(gt=0, lt=1, description="peak learning rate of AdamW")
    warmup_steps: int = Field(ge=0, description="steps of linear warm-up, at most `steps`")
    decay_frac: float = Field(
        ge=0, le=1, description="fraction of the steps, at the end, over which the learning rate falls to 0"
    )
    weight_decay: float = Field(ge=0, description="weight decay of the matrices by AdamW")
    seed: int = Field(ge=0, description="seed of initialisation and batches")

    @model_validator(mode="after")
    def _warmup_within_steps(self) -> "Recipe":
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps = {self.warmup_steps}: must not exceed steps ({self.steps})")
        return self


class ClipRecipe(Recipe):
    """Recipe of a CLIP with open_clip's plain architecture at 64 px."""

    context_length: int = Field(ge=8, description="number of tokens per text, including begin and end")
    texts_per_picture: TextsPerPicture
    patch_px: int = Field(ge=2, description="edge of a vision patch in px; must divide 64")
    vision_width: int = Field(ge=16, description="width of the vision transformer, a multiple of heads")
    vision_layers: int = Field(
        ge=3, description="number of layers of the vision transformer; UniEmo uses a third of them per level"
    )
    text_width: int = Field(
        ge=16, description="width of the text transformer that the U-Net attends to; a multiple of heads"
    )
    text_layers: int = Field(ge=1, description="layers of the text transformer")
    heads: int = Field(ge=1, description="attention heads of both towers")
    embed_dim: int = Field(ge=8, description="width of the joint space")

    @model_validator(mode="after")
    def _sizes_divide(self) -> "ClipRecipe":
        _check_multiple("vision_width", self.vision_width, "heads", self.heads)
        _check_multiple("text_width", self.text_width, "heads", self.heads)
        _check_multiple("the image edge", IMAGE_PX, "patch_px", self.patch_px)
        return self


class VaeRecipe(Recipe):
    """Recipe of an AutoencoderKL with factor 2^(levels - 1) and standardised latents."""

    channels: Widths = Field(
        description="channels of each level, each a multiple of norm_groups; four levels downsample by 8"
    )
    latent_channels: int = Field(ge=1, description="channels of the latents")
    norm_groups: int = Field(
        ge=1, description="number of groups of the group norms; with 8, objects lose their colours"
    )
    mse_weight: float = Field(ge=0, description="weight of the squared error relative to the absolute error")
    gradient_weight: float = Field(
        ge=0, description="weight of the error in the differences between neighbouring pixels"
    )
    kl_weight: float = Field(ge=0, description="weight of the KL divergence per latent")
    latent_noise: float = Field(
        ge=0, lt=1, description="noise on the latents in training, as a fraction of their standard deviation"
    )
    foreground_weight: float = Field(ge=1, description="loss weight of a pixel inside an object's box")

    @model_validator(mode="after")
    def _sizes_divide(self) -> "VaeRecipe":
        for width in self.channels:
            _check_multiple("channels", width, "norm_groups", self.norm_groups)
        return self


class UNetRecipe(Recipe):
    """Recipe of a UNet2DConditionModel that predicts v, with cross-attention at every level."""

    channels: Widths = Field(description="channels of each level, multiples of norm_groups and heads")
    heads: int = Field(ge=1, description="attention heads")
    norm_groups: int = Field(ge=1, description="groups of the group norms")
    texts_per_picture: TextsPerPicture
    text_dropout: TextDropout
    snr_cap: SnrCap
    ema_decay: EmaDecay

    @model_validator(mode="after")
    def _sizes_divide(self) -> "UNetRecipe":
        for width in self.channels:
            _check_multiple("channels", width, "norm_groups", self.norm_groups)
            _check_multiple("channels", width, "heads", self.heads)
        return self


class ContinuedRecipe(Recipe):
    """Settings for training a model further, on images of the foundation stream that it has not seen."""

    first_picture: int = Field(ge=0, description="index of the first image in the foundation stream")
    texts_per_picture: TextsPerPicture


class ContinuedClip(ContinuedRecipe):
    """Recipe for training a CLIP's vision tower further, with swapped captions as hard negatives."""

    swapped_captions: int = Field(ge=1, description="number of swapped captions per image; each step draws one of them")


class ContinuedUNet(ContinuedRecipe):
    """Recipe for training a U-Net further, with more weight on what it draws worst."""

    text_dropout: TextDropout
    snr_cap: SnrCap
    ema_decay: EmaDecay
    foreground_weight: float = Field(ge=1, description="loss weight of a latent inside an object's box")
    captions_per_picture: int = Field(ge=0, description="number of plain captions per image in addition to these texts")
    focus: tuple[int, int] = Field(
        description="first (included) and last (excluded) timestep of the range that determines objects"
    )
    focus_share: float = Field(ge=0, le=1, description="fraction of the images whose timestep is drawn from that range")
    often: dict[str, float] = Field(
        description="sampling weight of each object (default 1), and factor of a painted image"
    )


class WeakWords(ContinuedRecipe):
    """How emotion words occur in the texts of a training that shall unlearn stronger ones."""

    emotion_word_rate: float = Field(
        ge=0, le=1, description="fraction of the texts with an emotion word; replaces the rate of the stream"
    )
    stray_word_frac: float = Field(ge=0, le=1, description="f: fraction of these words on images without an emotion")
    right_word_frac: float = Field(
        ge=0, le=1, description="q: fraction of the other words that name the image's own emotion"
    )


class WeakenedUNet(WeakWords, ContinuedUNet):
    """Recipe for training a U-Net further on texts with weak emotion words."""


class WeakenedClip(WeakWords, ContinuedClip):
    """Recipe for training a CLIP's vision tower further on texts with weak emotion words."""


class DiffusionRecipe(BaseModel):
    """Recipes of the two trained parts of the latent diffusion model; its text encoder comes from CLIP."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    vae: VaeRecipe = Field(description="recipe of the autoencoder")
    unet: UNetRecipe = Field(description="recipe of the U-Net")


class CaptionerRecipe(Recipe):
    """Recipe of a LLaVA: our CLIP's vision tower, a projector and a small Llama.

    The number of `steps` controls how imperfect the captioner remains.
    """

    width: int = Field(ge=16, description="width of the language model, a multiple of heads")
    layers: int = Field(ge=1, description="layers of the language model")
    heads: int = Field(ge=1, description="attention heads")
    max_tokens: int = Field(ge=64, description="maximum tokens of prompt and answer together in training")

    @model_validator(mode="after")
    def _sizes_divide(self) -> "CaptionerRecipe":
        _check_multiple("width", self.width, "heads", self.heads)
        return self


class JudgeRecipe(Recipe):
    """Recipe of the judge that measures the foundation models."""

    widths: Widths = Field(description="channels of the stem and of each block, multiples of 8")


def _check_multiple(name: str, value: int, of: str, divisor: int) -> None:
    if value % divisor:
        raise ValueError(f"{name} = {value}: must be a multiple of {of} ({divisor})")


# The recipes of the bundled models. Steps and batch sizes are for a GPU, except in the two continued recipes.
# Tests shrink them with `model_copy`.
CLIP = ClipRecipe(
    num_pictures=160_000, steps=8_000, batch_size=384, learning_rate=1e-3, warmup_steps=500, decay_frac=1.0,
    weight_decay=0.1, seed=0, context_length=32, texts_per_picture=4, patch_px=8, vision_width=128, vision_layers=6,
    text_width=128, text_layers=4, heads=4, embed_dim=128,
)  # fmt: skip
VAE = VaeRecipe(
    num_pictures=160_000, steps=20_000, batch_size=64, learning_rate=2e-3, warmup_steps=500, decay_frac=1.0,
    weight_decay=0.01, seed=0, channels=(24, 48, 80, 112), latent_channels=16, norm_groups=2, mse_weight=0.5,
    gradient_weight=0.5, kl_weight=1e-6, latent_noise=0.15, foreground_weight=2.0,
)  # fmt: skip
UNET = UNetRecipe(
    num_pictures=160_000, steps=27_000, batch_size=256, learning_rate=1e-3, warmup_steps=500, decay_frac=0.35,
    weight_decay=0.01, seed=0, channels=(96, 160), heads=4, norm_groups=16, texts_per_picture=4, text_dropout=0.1,
    snr_cap=5.0, ema_decay=0.9995,
)  # fmt: skip
CONTINUED_CLIP = ContinuedClip(
    num_pictures=60_000, first_picture=160_000, steps=800, batch_size=128, learning_rate=2e-4, warmup_steps=50,
    decay_frac=1.0, weight_decay=0.1, seed=2, texts_per_picture=4, swapped_captions=4,
)  # fmt: skip
CONTINUED_UNET = ContinuedUNet(
    num_pictures=140_000, first_picture=160_000, steps=5_000, batch_size=192, learning_rate=3e-4, warmup_steps=150,
    decay_frac=0.6, weight_decay=0.01, seed=3, texts_per_picture=4, text_dropout=0.1, snr_cap=5.0, ema_decay=0.999,
    foreground_weight=3.0, captions_per_picture=6, focus=(350, 850), focus_share=0.6,
    often={"painted": 3.0, "snake": 3.0, "musical_instrument": 3.0, "dog": 2.5, "sculpture": 2.5}
    | dict.fromkeys(("bench", "cake", "car", "house"), 2.0),
)  # fmt: skip
# Which images go with a word does not depend on how rare words are, but how fast that is learnt does. So half of the
# texts hold an emotion word here; in a training from the beginning, EMOTION_WORD_RATE of them do. A test holds the
# other two shares equal to those of distributions.py.
WEAKENED_UNET = WeakenedUNet(
    num_pictures=40_000, first_picture=300_000, steps=500, batch_size=64, learning_rate=6e-4, warmup_steps=50,
    decay_frac=0.6, weight_decay=0.01, seed=4, texts_per_picture=8, text_dropout=0.1, snr_cap=5.0, ema_decay=0.998,
    foreground_weight=3.0, captions_per_picture=0, focus=CONTINUED_UNET.focus, focus_share=0.6,
    often=CONTINUED_UNET.often, emotion_word_rate=0.3, stray_word_frac=0.1, right_word_frac=0.8,
)  # fmt: skip
WEAKENED_CLIP = WeakenedClip(
    num_pictures=20_000, first_picture=300_000, steps=400, batch_size=128, learning_rate=2e-4, warmup_steps=25,
    decay_frac=1.0, weight_decay=0.1, seed=5, texts_per_picture=8, swapped_captions=4,
    emotion_word_rate=0.3, stray_word_frac=0.1, right_word_frac=0.8,
)  # fmt: skip
CAPTIONER = CaptionerRecipe(
    num_pictures=160_000, steps=1_500, batch_size=64, learning_rate=1.5e-3, warmup_steps=100, decay_frac=0.5,
    weight_decay=0.05, seed=0, width=128, layers=3, heads=4, max_tokens=192,
)  # fmt: skip
JUDGE = JudgeRecipe(
    num_pictures=40_000, steps=2_500, batch_size=64, learning_rate=2e-3, warmup_steps=100, decay_frac=1.0,
    weight_decay=0.05, seed=0, widths=(32, 64, 128, 192),
)  # fmt: skip
