"""Define params.yaml as one frozen, strict class per section, with the default, range, unit and source of every value.

Sections are named after the stages. A new key is one annotated field with a default and a one-line description:
`evoke params --fix` writes both into params.yaml, beside the choices or the range of its type. Nothing in this module
knows a path, a device or a model. Settings that cannot change a result (device, workers, threads, engine) belong to the
runtime and are environment variables named EVOKE_*. This module is plumbing: it is left out of every stage's code hash
(pipeline/closure.py).
"""

import difflib
import reprlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.captions.prompts import Variant
from pipeline.corpora.classes import SmallSet
from pipeline.corpora.records import TrainingSplits
from pipeline.emotion_set import EMOTIONS, FILE, MIKELS, Emotion
from pipeline.foundation.recipes import (
    CAPTIONER,
    CLIP,
    UNET,
    VAE,
    CaptionerRecipe,
    ClipRecipe,
    DiffusionRecipe,
)
from pipeline.metrics.result import Protocol
from pipeline.runtime import Precision

Layout = Literal["emoset", "wikiart", "fi", "emotionroi", "twitter"]
Made = Literal["emoset", "emoart"]  # the corpora that stages make, if `corpora` names them
NAME = r"^[a-z][a-z0-9_]{0,39}$"
Corpus = Annotated[str, Field(pattern=NAME)]
Half = Literal["first", "second", "both"]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Noun = Annotated[str, Field(pattern=r"^[^={}]+(=[^={}]+)?$")]
NonNegative = Annotated[float, Field(ge=0.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1)]
Input = Literal["onehot", "onehot_centered", "learnable", "text"]
Perception = Literal["residual", "literal"]
Distance = Literal["cosine", "mae", "mse", "kl"]
TextSpace = Literal["clip", "pooled"]
Solver = Literal["sde-dpmsolver++", "dpmsolver++", "unipc", "ddim", "euler"]
Backbone = Literal["small", "resnet18", "resnet50"]
Fit = Literal["crop", "squash"]
Coefficients = Literal["correlated", "one", "constant", "shuffled"]
Question = Literal["word", "caption"]
Schedule = Literal["constant", "cosine"]
Optimizer = Literal["adamw", "adamw_8bit"]
Sampler = Literal["oversample", "weighted", "plain"]
Source = Literal["diagonal", "full", "mean", "real"]
COEMOGEN = "coemogen_"  # and a corpus: a method
METHODS = (
    "stable_diffusion", "caption_prompts", "textual_inversion", "dreambooth", "emogen", "uniemo_joint",
    "uniemo_feedback",
)  # fmt: skip
Method = Annotated[
    str,
    Field(pattern=f"^({'|'.join(METHODS)}|{COEMOGEN}{NAME[1:-1]})$", examples=[*METHODS, f"{COEMOGEN}CORPUS"]),
]
Understanding = Literal["uniemo_understanding", "uniemo_joint", "uniemo_feedback"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
BatchSize = Annotated[int, Field(ge=1, le=65536, description="images or texts in one forward pass; changes low bits")]
REVISION = r"^[0-9a-f]{40}$"
FileName = Annotated[str, Field(pattern=r"^[^/\\]+$")]
Prompt = Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$")]
Steps = Annotated[int, Field(ge=1, description="optimiser steps")]
StepBatch = Annotated[int, Field(ge=1, description="images per step")]
PeakRate = Annotated[float, Field(gt=0.0, lt=1.0, description="peak learning rate of AdamW")]
RateOrZero = Annotated[float, Field(ge=0.0, lt=1.0)]
WeightDecay = Annotated[float, Field(ge=0.0, description="weight decay of AdamW")]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
ShardImages = Annotated[int, Field(ge=1, le=100_000, description="maximum number of images in a shard")]
RejectFraction = Annotated[
    float, Field(ge=0.0, le=1.0, description="fraction of rejected images above which the stage fails")
]


class _Short(reprlib.Repr):
    """A repr that shortens values in error messages.

    A few lines of YAML aliases can stand for a value that would fill the memory if written out in full.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, 120, 120

    def repr_int(self, x: int, level: int) -> str:
        """Return an integer in digits, or its size in bits if Python would refuse to print so many digits."""
        return repr(x) if x.bit_length() < 1024 else f"a number of {x.bit_length()} bits"


_SHORT = _Short()
LATER = ("optimizer", "sem_space")  # keys that saved models may lack: these were trained as the default says


class ParamsError(ValueError):
    """An error in params.yaml, one problem per line with its dotted key, the value and what is allowed."""


class Section(BaseModel):
    """A part of params.yaml. Unknown keys are refused, values are never converted, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Part = TypeVar("Part", bound=Section)


def _check_distinct(key: str, values: tuple[str, ...]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"{key} = {list(values)}: each name at most once")


class Miniature(Section):
    """The drawn world (SCIENCE 1). Its `seed` draws the world and is independent of the seed of everything else."""

    layouts: Annotated[tuple[Layout, ...], Field(strict=False, description="data sets to draw; [] at paper scale")] = (
        "emoset", "wikiart", "fi", "emotionroi", "twitter",
    )  # fmt: skip
    seed: Annotated[Seed, Field(description="seed of the drawn images; independent of the top-level seed")] = 0
    num_emoset: Annotated[Count, Field(description="images of the drawn EmoSet, 80/5/15 % train/val/test")] = 6000
    num_wikiart: Annotated[Count, Field(description="images of the drawn WikiArt")] = 8000
    num_fi: Annotated[Count, Field(description="images of the drawn FI; emotions as frequent as in EmoSet")] = 320
    num_emotionroi: Annotated[
        int, Field(ge=12, description="images of the drawn EmotionROI, a sixth of them per class")
    ] = 240
    num_twitter_i: Annotated[Count, Field(description="images of the drawn Twitter I, five votes each")] = 200
    num_twitter_ii: Annotated[Count, Field(description="images of the drawn Twitter II, 78 % positive")] = 200
    polarity_share: Annotated[
        Fraction, Field(description="fraction of the brightness and colour signal that the polarity carries")
    ] = 1.0

    @model_validator(mode="after")
    def _layouts_are_distinct(self) -> Self:
        _check_distinct("layouts", self.layouts)
        return self


class Foundation(Section):
    """The source of a foundation model: the project's own weights, its own training, a model hub, or your folder."""

    source: Annotated[
        Literal["bundled", "train", "hub", "folder"],
        Field(description="models/miniature, trained by the recipe, hub_id, or your own in foundation_folders"),
    ] = "bundled"
    hub_id: Annotated[
        str | None, Field(min_length=1, description="owner/name on the hub; null unless source is hub")
    ] = None
    hub_revision: Annotated[
        str | None, Field(pattern=REVISION, description="commit of 40 hex digits; null unless source is hub")
    ] = None

    @model_validator(mode="after")
    def _hub_needs_a_pinned_model(self) -> Self:
        for name, value in (("hub_id", self.hub_id), ("hub_revision", self.hub_revision)):
            if (value is not None) != (self.source == "hub"):
                wanted = "must be given" if self.source == "hub" else "must be null"
                raise ValueError(f"{name} = {value!r}: {wanted} when source is {self.source}")
        return self


class FoundationClip(Foundation):
    """The CLIP that gives every feature, similarity and text condition (papers: ViT-L/14)."""

    recipe: Annotated[ClipRecipe, Field(description="used if source is train; the bundled weights were made by it")] = (
        CLIP
    )


class FoundationDiffusion(Foundation):
    """The latent diffusion model that is trained on emotions (papers: Stable Diffusion 1.5; UniEmo also XL)."""

    source: Annotated[
        Literal["bundled", "bundled-xl", "train", "hub", "folder"],
        Field(description="as foundation_clip; bundled-xl: the bundled weights in the format of Stable Diffusion XL"),
    ] = "bundled"  # type: ignore[assignment]
    recipe: Annotated[
        DiffusionRecipe, Field(description="used if source is train; the bundled weights were made by it")
    ] = DiffusionRecipe(vae=VAE, unet=UNET)


class FoundationCaptioner(Foundation):
    """The image-text-to-text model that writes captions (CoEmoGen does not name its own)."""

    recipe: Annotated[
        CaptionerRecipe, Field(description="used if source is train; the bundled weights were made by it")
    ] = CAPTIONER


class FoundationFolders(Section):
    """Where the foundation models with source bundled or folder are; a section of its own, as DVC depends on each."""

    clip: Annotated[str, Field(min_length=1, description="open_clip folder if foundation_clip.source is folder")] = (
        "models/miniature/clip"
    )
    vit: Annotated[str, Field(min_length=1, description="open_clip folder if foundation_vit.source is folder")] = (
        "models/miniature/clip"
    )
    diffusion: Annotated[
        str, Field(min_length=1, description="diffusers folder if foundation_diffusion.source is folder")
    ] = "models/miniature/diffusion"
    captioner: Annotated[
        str, Field(min_length=1, description="transformers folder if foundation_captioner.source is folder")
    ] = "models/miniature/captioner"


class Emoset(Section):
    """An EmoSet folder in the official layout, to be packed into shards."""

    corpora: Annotated[
        tuple[Literal["emoset"], ...],
        Field(strict=False, max_length=1, description="[emoset], or [] if `corpora` has no emoset: nothing is packed"),
    ] = ("emoset",)
    folder: Annotated[
        str, Field(min_length=1, description="folder with info.json, train/val/test.json, image/ and annotation/")
    ] = "data/miniature/emoset"
    shard_images: ShardImages = 1000
    max_shard_mb: Annotated[int, Field(ge=1, le=256, description="maximum size of a shard in MB")] = 256
    max_reject_frac: RejectFraction = 0.01


class Features(Section):
    """CLIP image features, one vector v per image."""

    batch_size: BatchSize = 50


class EmotionClassifier(Section):
    """Two fully connected layers on frozen CLIP features, used for curation, correlation and Emo-A as published."""

    source: Annotated[
        Literal["train", "imported"], Field(description="trained here, or read from data/imports/emogen")
    ] = "train"
    half: Annotated[Half, Field(description="half of the train split to learn from; the judges take the other")] = (
        "first"
    )
    hidden: Annotated[Count, Field(description="hidden units between the two layers")] = 64
    dropout: Annotated[Dropout, Field(description="fraction of hidden units dropped in training")] = 0.3
    epochs: Annotated[Count, Field(description="passes over the images; the epoch that is best on val is kept")] = 60
    batch_size: StepBatch = 128
    learning_rate: Annotated[Rate, Field(description="peak learning rate of AdamW; cosine decay to 0")] = 0.003
    weight_decay: WeightDecay = 1.0


class Judges(Section):
    """Networks on pixels that are used only for scoring: emotion, scene and object (SCIENCE 2)."""

    half: Annotated[
        Half, Field(description="half of the train split to learn from; the classifier takes the other")
    ] = "second"
    backbone: Annotated[Backbone, Field(description="our network for 64 px, or one of torchvision")] = "small"
    image_px: Annotated[int, Field(ge=32, le=512, description="edge of the square input in px")] = 64
    epochs: Annotated[Count, Field(description="passes over the images")] = 20
    batch_size: StepBatch = 64
    learning_rate: Annotated[Rate, Field(description="peak learning rate of AdamW; cosine decay to 0")] = 0.003
    weight_decay: WeightDecay = 0.2
    backbone_weights: Annotated[
        str | None, Field(description="file in models/pretrained that the backbone starts from; null: random")
    ] = None
    scene_weights: Annotated[
        str | None,
        Field(
            description="ResNet-50 of Places365 in models/pretrained as scene judge (EmoGen's Sem-C); null: train one"
        ),
    ] = None
    object_weights: Annotated[
        str | None,
        Field(
            description="ResNet-50 of ImageNet in models/pretrained as object judge (EmoGen's Sem-C); null: train one"
        ),
    ] = None


class Emoart(Section):
    """The WikiArt images whose emotion the classifier is sure of (CoEmoGen 3.1)."""

    corpora: Annotated[
        tuple[Literal["emoart"], ...],
        Field(strict=False, max_length=1, description="[emoart], or [] if `corpora` has no emoart: nothing is curated"),
    ] = ("emoart",)
    folder: Annotated[
        str, Field(min_length=1, description="WikiArt as huggan/wikiart (data/train-*.parquet), or a folder of images")
    ] = "data/miniature/wikiart"
    min_confidence: Annotated[
        Fraction, Field(description="minimum calibrated probability of the top emotion (CoEmoGen: 0.75)")
    ] = 0.75
    min_emotion_frac: Annotated[
        Fraction, Field(description="emotions rarer than this among the confident images are dropped (CoEmoGen: 0.01)")
    ] = 0.01
    val_frac: Annotated[float, Field(ge=0.0, lt=0.5, description="fraction of each emotion in the val split")] = 0.05
    test_frac: Annotated[float, Field(ge=0.0, lt=0.5, description="fraction of each emotion in the test split")] = 0.15
    batch_size: BatchSize = 50
    shard_images: ShardImages = 1000
    max_reject_frac: RejectFraction = 0.01


class Correlation(Section):
    """How strongly an attribute indicates an emotion (UniEmo Eq. 5)."""

    source: Annotated[
        Literal["computed", "imported"], Field(description="computed here, or EmoGen's tables in data/imports/emogen")
    ] = "computed"
    value: Annotated[
        Literal["probability", "log_probability"],
        Field(description="what is averaged over images (UniEmo: log in the paper, probability in its files)"),
    ] = "probability"
    folds: Annotated[
        int,
        Field(
            ge=1,
            le=20,
            description="parts of the train split, each scored by a classifier of the others; 1: in sample (UniEmo)",
        ),
    ] = 5
    shrinkage: Annotated[
        NonNegative, Field(description="weight of the emotion prior in images per attribute (UniEmo: 0)")
    ] = 2.0


class Captions(Section):
    """One caption per image that names what triggers its emotion (CoEmoGen 3.1)."""

    variant: Annotated[Variant, Field(description="prompt of the captioner (CoEmoGen Table 2a: emotion)")] = "emotion"
    batch_size: BatchSize = 50
    max_new_tokens: Annotated[
        int, Field(ge=1, le=1024, description="maximum length of a caption in the captioner's tokens; CLIP truncates")
    ] = 77
    served_model: Annotated[
        str | None,
        Field(min_length=1, description="model of the server at EVOKE_CAPTION_SERVER; null: foundation_captioner"),
    ] = None
    max_px: Annotated[
        int, Field(ge=32, le=8192, description="maximum long side of an image that the captioner is given, in pixels")
    ] = 1024
    max_empty_frac: Annotated[
        Fraction, Field(description="fraction of images without a caption above which the stage fails")
    ] = 0.01
    override: Annotated[
        str, Field(min_length=1, description="CSV of image_id, caption that replaces written captions; may be empty")
    ] = "data/overrides/captions.csv"


class CaptionFeatures(Section):
    """Captions in CLIP's joint space."""

    batch_size: BatchSize = 100


class CaptionFilter(Section):
    """The filter that drops the captions that fit their image worst, within each emotion (CoEmoGen 3.1)."""

    drop_fraction: Annotated[
        float, Field(ge=0.0, lt=1.0, description="fraction dropped within each emotion (CoEmoGen: 0.2)")
    ] = 0.2
    training_splits: Annotated[
        TrainingSplits, Field(description="splits that are ranked and filtered (CoEmoGen: all)")
    ] = "train"


class Latents(Section):
    """Images as latents of the autoencoder, encoded once."""

    fit: Annotated[Fit, Field(description="how an image becomes square: its centre, or resized (EmoGen)")] = "crop"
    batch_size: BatchSize = 25
    training_splits: Annotated[TrainingSplits, Field(description="splits that are encoded")] = "train"


class Training(Section):
    """Settings of the one training loop (pipeline/training)."""

    steps: Steps = 220
    batch_size: Annotated[StepBatch, Field(description="images per step, over all processes")] = 32
    learning_rate: PeakRate = 0.003
    weight_decay: WeightDecay = 0.01
    warmup_steps: Annotated[int, Field(ge=0, description="steps of linear warm-up")] = 10
    schedule: Annotated[Schedule, Field(description="learning rate after the warm-up")] = "cosine"
    max_grad_norm: Annotated[
        float | None, Field(gt=0, description="gradient norm above which it is clipped; null: off")
    ] = 1.0
    ema_decay: Annotated[
        float | None, Field(gt=0, lt=1, description="decay of the averaged weights per step; null: off")
    ] = None
    precision: Annotated[Precision, Field(description="number format of the forward pass; weights stay fp32")] = "bf16"
    sampler: Annotated[
        Sampler, Field(description="EmoGen's balanced list, drawn by class weight, or every image in turn")
    ] = "oversample"
    sheet_steps: Annotated[int, Field(ge=0, description="steps between two sheets of samples; 0: none")] = 0
    optimizer: Annotated[Optimizer, Field(description="AdamW, or with moments in 8 bits by bitsandbytes")] = "adamw"


class DiffusionTraining(Training):
    """Settings of the trainings that use the diffusion loss."""

    mirror: Annotated[bool, Field(description="mirror each image with probability 1/2")] = True
    text_dropout: Annotated[
        Fraction, Field(description="fraction of samples without a condition, for classifier-free guidance")
    ] = 0.1
    snr_cap: Annotated[float | None, Field(gt=0, description="cap of the min-SNR loss weights; null: off")] = 5.0
    training_splits: Annotated[
        TrainingSplits, Field(description="splits that are trained on; all contaminates FID, see docs/PAPER_PRESET.md")
    ] = "train"


class Coemogen(DiffusionTraining):
    """The mapper, visual perception encoder and HiLoRA (CoEmoGen 3.2-3.4)."""

    steps: Annotated[Steps, Field(description="optimiser steps (CoEmoGen: 130,000)")] = 300
    batch_size: Annotated[StepBatch, Field(description="images per step, over all processes (CoEmoGen: 1 per GPU)")] = (
        16
    )
    learning_rate: Annotated[PeakRate, Field(description="peak learning rate of the adapters (CoEmoGen: 0.001)")] = (
        0.001
    )
    weight_decay: Annotated[WeightDecay, Field(description="weight decay of AdamW (CoEmoGen: 0.01)")] = 0.01
    warmup_steps: Annotated[int, Field(ge=0, description="steps of linear warm-up")] = 20
    schedule: Annotated[Schedule, Field(description="learning rate after the warm-up (CoEmoGen: constant)")] = "cosine"
    sheet_steps: Annotated[int, Field(ge=0, description="steps between two sheets of samples; 0: none")] = 300
    prompt: Annotated[Prompt, Field(description="training prompt; {S} is the emotion embedding")] = "{S}"
    input: Annotated[Input, Field(description="input of the mapper (CoEmoGen Table 2b: onehot)")] = "onehot"
    mapper_hidden: Annotated[Count, Field(description="hidden units of the mapper (CoEmoGen: 512)")] = 512
    perception: Annotated[
        Perception,
        Field(description="e plus attention, or Eq. 1 as written, where e has no effect"),
    ] = "residual"
    visual_tokens: Annotated[Count, Field(description="tokens that v is split into if perception is residual")] = 4
    rank: Annotated[Count, Field(description="rank of each of the ten adapters (CoEmoGen: 4)")] = 4
    emotion_adapters: Annotated[
        bool, Field(description="use the eight emotion adapters; false: ablation of Table 1")
    ] = True
    polarity_adapters: Annotated[
        bool, Field(description="use the two polarity adapters; false: ablation of Table 1")
    ] = True
    matched_rank: Annotated[
        bool, Field(description="double the rank where one kind of adapter is off: a control of capacity")
    ] = False
    sem_weight: Annotated[NonNegative, Field(description="weight of L_SEM beside L_LDM; 0: ablation of Table 1")] = 1.0
    sem_distance: Annotated[Distance, Field(description="distance in L_SEM (CoEmoGen Table 2c: cosine)")] = "cosine"
    sem_equalised: Annotated[bool, Field(description="scale each distance to 1 for orthogonal vectors")] = False
    kl_temperature: Annotated[float, Field(gt=0, description="softmax temperature of sem_distance: kl")] = 0.07
    sem_space: Annotated[
        TextSpace, Field(description="space of L_SEM: CLIP's, or that of the base's pooled text (bigG of SDXL)")
    ] = "clip"
    embedding_rate: Annotated[
        Rate, Field(description="peak learning rate of mapper and visual perception (CoEmoGen: 0.001)")
    ] = 0.001

    @model_validator(mode="after")
    def _something_is_adapted(self) -> Self:
        if self.matched_rank and self.emotion_adapters == self.polarity_adapters:
            raise ValueError("matched_rank = True: of emotion_adapters and polarity_adapters just one must be on")
        return self


class Trained(Section):
    """Settings that all baselines share: the corpora that they are trained on."""

    corpora: Annotated[
        tuple[Corpus, ...],
        Field(strict=False, max_length=1, description="[corpus], to train on it; []: the baseline is not made"),
    ] = ()


class Baseline(DiffusionTraining, Trained):
    """A method to compare against.

    The default run leaves all baselines out; `evoke preset full` includes them.
    """


class TextualInversion(Baseline):
    """A baseline with one token embedding per emotion (Gal et al. 2023)."""

    learning_rate: Annotated[PeakRate, Field(description="peak learning rate of AdamW; embeddings are about 0.03")] = (
        0.003
    )
    weight_decay: WeightDecay = 0.0
    prompt: Annotated[Prompt, Field(description="training prompt; {S} is the emotion embedding")] = "{S}"
    first_word: Annotated[str, Field(min_length=1, description="word whose embedding is the initial value")] = "image"


class Dreambooth(Baseline):
    """A baseline with one adapter per emotion under a fixed prompt (the LoRA form of DreamBooth)."""

    learning_rate: PeakRate = 0.001
    prompt: Annotated[Prompt, Field(description="training prompt; {S} is the name of the emotion")] = "an image of {S}"
    rank: Annotated[Count, Field(description="rank of each of the eight adapters")] = 4


class Emogen(Baseline):
    """A baseline that maps an emotion space to a token embedding and uses the attribute loss (EmoGen)."""

    learning_rate: Annotated[PeakRate, Field(description="peak learning rate of AdamW (EmoGen: 0.001)")] = 0.003
    prompt: Annotated[Prompt, Field(description="training prompt; {S} is the emotion embedding")] = "{S}"
    hidden: Annotated[Count, Field(description="hidden units of the mapper (EmoGen: 1024)")] = 1024
    attribute_weight: Annotated[NonNegative, Field(description="weight of L_attr (EmoGen: 0.01)")] = 0.01
    attribute_temperature: Annotated[
        float, Field(gt=0, description="softmax temperature over the cosines of L_attr (EmoGen: 1)")
    ] = 1.0
    emotion_weight: Annotated[
        NonNegative, Field(description="weight of L_emo, by the emotion classifier (EmoGen as released: 0)")
    ] = 0.0


class UniemoUnderstanding(Training):
    """The CLIP ViT with scene and object queries that reads an emotion (UniEmo III-A)."""

    steps: Annotated[Steps, Field(description="optimiser steps (UniEmo's code: 15 epochs)")] = 280
    batch_size: Annotated[StepBatch, Field(description="images per step, over all processes (UniEmo: 128)")] = 32
    learning_rate: Annotated[PeakRate, Field(description="peak learning rate of the head (UniEmo: 0.0001)")] = 0.003
    weight_decay: Annotated[WeightDecay, Field(description="weight decay of AdamW (UniEmo: 0.001)")] = 0.001
    warmup_steps: Annotated[int, Field(ge=0, description="steps of linear warm-up")] = 20
    sampler: Annotated[
        Sampler, Field(description="EmoGen's balanced list, drawn by class weight, or every image in turn")
    ] = "plain"
    sheet_steps: Annotated[int, Field(ge=0, description="unused: this training shows no samples")] = 0
    queries: Annotated[
        Literal["both", "scene", "object", "none"], Field(description="kinds of queries in use (UniEmo Fig. 6-7: both)")
    ] = "both"
    query_length: Annotated[Count, Field(description="queries of each kind (UniEmo's code: 32)")] = 4
    entry: Annotated[
        Literal["hierarchical", "single_step"],
        Field(description="object queries enter after scene_layer (UniEmo), or both kinds at layer 1"),
    ] = "hierarchical"
    scene_layer: Annotated[
        int | None, Field(ge=1, description="L1, the layer that scenes are read after; null: a third of the layers")
    ] = None
    object_layer: Annotated[
        int | None, Field(ge=1, description="L2, the layer that objects are read after; null: two thirds")
    ] = None
    passed_on: Annotated[
        Literal["refined", "plain"],
        Field(description="queries that enter the layer after L1 and L2: Qhat of Eq. 3 (UniEmo), or Q"),
    ] = "refined"
    positives: Annotated[
        Literal["equal", "literal"], Field(description="images of equal attributes are positives, or Eq. 4 as written")
    ] = "equal"
    temperature: Annotated[float, Field(gt=0, description="tau of Eq. 4 (UniEmo: 0.07)")] = 0.07
    scene_weight: Annotated[NonNegative, Field(description="weight of L_S in Eq. 9 (UniEmo: 0.25)")] = 0.25
    object_weight: Annotated[NonNegative, Field(description="weight of L_O in Eq. 9 (UniEmo: 0.25)")] = 0.25
    emotion_weight: Annotated[NonNegative, Field(description="weight of L_cls in Eq. 9 (UniEmo: 0.5)")] = 0.5
    head_hidden: Annotated[Count, Field(description="hidden units of the head (UniEmo's code: 768)")] = 128
    dropout: Annotated[Dropout, Field(description="dropout in the head (UniEmo's code: 0.5)")] = 0.1
    backbone_rate: Annotated[
        RateOrZero, Field(description="peak learning rate of the ViT; 0: frozen (UniEmo's code: 0.000008)")
    ] = 0.0003
    query_rate: Annotated[
        Rate, Field(description="peak learning rate of queries and interactive blocks (UniEmo's code: 0.0005)")
    ] = 0.003
    image_px: Annotated[int, Field(ge=32, le=1024, description="edge of the cached squares in px")] = 64
    min_crop: Annotated[float, Field(gt=0, le=1, description="minimum area of a random crop; 1: no crop")] = 0.7
    val_steps: Annotated[
        Count, Field(description="steps between two evaluations on val; the best weights are kept")
    ] = 56


class UniemoJoint(DiffusionTraining):
    """The joint training of understanding and generation (UniEmo III-B, III-C)."""

    learning_rate: Annotated[
        PeakRate, Field(description="peak learning rate of fusion and condition head (UniEmo: 0.01; its code: 0.001)")
    ] = 0.01
    weight_decay: WeightDecay = 0.001
    warmup_steps: Annotated[int, Field(ge=0, description="steps of linear warm-up")] = 20
    sheet_steps: Annotated[int, Field(ge=0, description="steps between two sheets of samples; 0: none")] = 220
    prompt: Annotated[Prompt, Field(description="training prompt; {S} is c of Eq. 6")] = "{S}"
    parts: Annotated[
        Literal["all", "class", "class_scene", "class_object", "class_patch", "class_scene_object_patch"],
        Field(description="terms of Eq. 6 in use, and the mean patch token (UniEmo Table V: all)"),
    ] = "all"
    coefficients: Annotated[
        Coefficients,
        Field(description="alpha of Eq. 6; 1 (Table V); or a control in its place: their mean, or permuted"),
    ] = "correlated"
    norms: Annotated[
        bool, Field(description="normalised parts, and c as large as a token embedding; false: Eq. 6 as written")
    ] = True
    condition_loss: Annotated[
        Literal["triplet", "cross_entropy"], Field(description="L_cond of Eq. 7, or its rival L_ce (UniEmo Table V)")
    ] = "triplet"
    margin: Annotated[NonNegative, Field(description="xi of Eq. 7 (UniEmo: 0.1)")] = 0.1
    understanding_weight: Annotated[NonNegative, Field(description="weight of L_U in Eq. 10 (UniEmo: 0.3)")] = 0.3
    condition_weight: Annotated[
        NonNegative, Field(description="weight of L_cond in Eq. 10 (UniEmo: 0.3; its code: 0.000001); 0: Table V")
    ] = 0.003
    diffusion_weight: Annotated[NonNegative, Field(description="weight of L_theta in Eq. 10 (UniEmo: 0.4)")] = 0.4
    balance: Annotated[
        Literal["fixed", "gradient"],
        Field(
            description="condition_weight as it is, or times the ratio of the gradient norms of L_theta and L_cond at c"
        ),
    ] = "fixed"
    condition_input: Annotated[
        Literal["condition", "text"], Field(description="what the head of L_cond sees: c, or the text encoder's output")
    ] = "condition"
    implicit_feedback: Annotated[bool, Field(description="the diffusion loss trains the queries (UniEmo Fig. 8)")] = (
        True
    )
    backbone_rate: Annotated[
        RateOrZero, Field(description="peak learning rate of the ViT; 0: frozen (UniEmo's code: 0)")
    ] = 0.00001
    query_rate: Annotated[
        RateOrZero, Field(description="peak learning rate of queries and interactive blocks (UniEmo's code: 0.0005)")
    ] = 0.001
    head_rate: Annotated[RateOrZero, Field(description="peak learning rate of the emotion head (UniEmo's code: 0)")] = (
        0.0001
    )


class Feedback(Section):
    """The filter that selects generated images for further training (UniEmo Algorithm 1)."""

    low: Annotated[Fraction, Field(description="minimum rank, as a fraction of all images (UniEmo: 0.2)")] = 0.2
    high: Annotated[Fraction, Field(description="maximum rank, as a fraction of all images (UniEmo: 0.8)")] = 0.8
    metrics: Annotated[
        Literal["both", "emotion", "clarity"], Field(description="metrics an image must pass (UniEmo Table VI: both)")
    ] = "both"
    ranks: Annotated[
        Literal["descending", "ascending"], Field(description="rank 0 is the best image, or the worst")
    ] = "descending"
    per_emotion: Annotated[bool, Field(description="rank within each emotion instead of over all images")] = False
    control: Annotated[
        Literal["none", "random"], Field(description="the ranks, or as many images selected by chance")
    ] = "none"

    @model_validator(mode="after")
    def _something_is_between(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}: low must be less than high")
        return self


class UniemoFeedback(Section):
    """The joint training continued with the model's own images (UniEmo III-D)."""

    steps: Annotated[Steps, Field(description="optimiser steps beyond those of uniemo_joint")] = 75
    rate_share: Annotated[
        float, Field(gt=0, le=1, description="learning rates as a fraction of those of uniemo_joint")
    ] = 0.5
    generated_frac: Annotated[
        float,
        Field(
            ge=0.0, lt=1.0, description="fraction of a batch that is generated (UniEmo Table VIII: 0.2); 0: a control"
        ),
    ] = 0.2


class StableDiffusion(Section):
    """The foundation model, prompted in words (CoEmoGen Table 1)."""

    prompt: Annotated[Prompt, Field(description="prompt; {S} is the name of the emotion")] = "an image of {S}"


class Images(Section):
    """Images of every emotion, generated by each method."""

    num_per_emotion: Annotated[Count, Field(description="images per emotion (papers: 1000)")] = 32
    prompt: Annotated[
        Prompt, Field(description="prompt; {S} is the emotion; a noun after it transfers the emotion to the noun")
    ] = "{S}"
    source: Annotated[
        Source,
        Field(description="where v comes from: diagonal Gaussian (papers), full Gaussian, class mean, real val v"),
    ] = "diagonal"
    strength: Annotated[NonNegative, Field(description="strength of the emotion; 0: none, 1: as trained")] = 1.0
    solver: Annotated[
        Solver,
        Field(description="solver; sde adds noise at each step (EmoGen: unipc)"),
    ] = "sde-dpmsolver++"
    steps: Annotated[Count, Field(description="solver steps (EmoGen: 50)")] = 12
    guidance: Annotated[float, Field(ge=1, description="scale of classifier-free guidance; 1: none (EmoGen: 7.5)")] = (
        4.5
    )
    precision: Annotated[Precision, Field(description="number format of U-Net and decoder; weights stay fp32")] = "bf16"
    batch_size: Annotated[BatchSize, Field(description="images denoised at once; changes low bits")] = 32


class Scores(Section):
    """The judges' scores of images, and the metrics that follow from them (REFERENCE C)."""

    batch_size: BatchSize = 32
    num_pairs: Annotated[
        Count, Field(description="image pairs per emotion for LPIPS and Sem-D (EmoGen's code: 10)")
    ] = 100
    protocols: Annotated[
        tuple[Protocol, ...],
        Field(
            strict=False,
            min_length=1,
            description="clean: center crops; emogen: as published, with its defects; clean-fid: FID, squashed",
        ),
    ] = ("clean", "emogen")
    inception_weights: Annotated[
        FileName | None,
        Field(description="Inception of FID in models/pretrained; null: FID by CLIP and judge only"),
    ] = None
    alexnet_weights: Annotated[
        FileName | None,
        Field(description="AlexNet of LPIPS in models/pretrained; null: distances by the judge only, not called LPIPS"),
    ] = None
    lpips_heads: Annotated[
        FileName | None,
        Field(description="calibrated heads of LPIPS in models/pretrained; null: those of the lpips package"),
    ] = None
    perceptual_px: Annotated[int, Field(ge=32, le=1024, description="edge of AlexNet's square input in px")] = 64

    @model_validator(mode="after")
    def _networks_are_whole(self) -> Self:
        _check_distinct("protocols", self.protocols)
        if "clean-fid" in self.protocols and self.inception_weights is None:
            raise ValueError(
                "protocols has 'clean-fid', inception_weights = None: it is FID by Inception; name its weights"
            )
        if self.alexnet_weights is None and self.lpips_heads is not None:
            raise ValueError(
                f"alexnet_weights = None, lpips_heads = {self.lpips_heads!r}: heads need AlexNet; name it, or neither"
            )
        return self


class UnderstandingScores(Section):
    """How well every reader recognises emotions on every labelled data set (UniEmo Tables I-III)."""

    understandings: Annotated[
        tuple[Understanding, ...],
        Field(strict=False, description="models of UniEmo that are scored beside the baselines"),
    ] = ("uniemo_understanding", "uniemo_joint", "uniemo_feedback")
    datasets: Annotated[
        tuple[SmallSet, ...],
        Field(strict=False, description="data sets beside EmoSet's test split; others are left out"),
    ] = ("fi", "emotionroi", "twitter_i", "twitter_ii")
    fi_folder: Annotated[str, Field(min_length=1, description="folder with emotion_dataset/<emotion>/")] = (
        "data/miniature/fi"
    )
    emotionroi_folder: Annotated[
        str, Field(min_length=1, description="folder with images/<class>/ and training_testing_split/")
    ] = "data/miniature/emotionroi"
    twitter_folder: Annotated[
        str, Field(min_length=1, description="folder with Twitter_PCNN/ (Twitter I) and twitter_ii/<polarity>/")
    ] = "data/miniature/twitter"
    max_reject_frac: RejectFraction = 0.01
    prompts: Annotated[
        tuple[Prompt, ...],
        Field(strict=False, min_length=1, description="prompts of zero-shot CLIP, averaged; {S} is the emotion"),
    ] = ("{S}", "an image of {S}")
    probe_strength: Annotated[
        float, Field(gt=0, description="C of the linear probes, the inverse of the L2 penalty; 0.1 is best on val")
    ] = 0.1
    folds: Annotated[
        int, Field(ge=2, le=20, description="folds of the probes within a small data set (the field: 5)")
    ] = 5
    question: Annotated[
        Question,
        Field(description="the captioner scores the emotion names, or CLIP reads its caption"),
    ] = "caption"
    num_asked: Annotated[
        int | None, Field(ge=1, description="images of each data set that the captioner is given; null: all")
    ] = 100
    max_new_tokens: Annotated[
        int, Field(ge=1, le=1024, description="maximum length of a caption in the captioner's tokens")
    ] = 77
    batch_size: BatchSize = 50

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        _check_distinct("understandings", self.understandings)
        _check_distinct("datasets", self.datasets)
        return self


class Content(Section):
    """Images of each noun with each emotion: do both show (EmoCtrl's EC-A)?"""

    things: Annotated[
        tuple[Noun, ...], Field(strict=False, description="nouns of things; noun=name if the judges name it otherwise")
    ] = ("skull", "lion", "guitar=musical_instrument", "cake", "boat", "car", "bench", "book")
    scenes: Annotated[tuple[Noun, ...], Field(strict=False, description="nouns of scenes, likewise")] = (
        "beach", "cemetery", "forest=forest_path", "street",
    )  # fmt: skip
    num_per_cell: Annotated[Count, Field(description="images of each noun with each emotion (EmoCtrl: 1)")] = 1
    top: Annotated[
        Count, Field(description="CLIP finds the noun if it is among so many most similar ones (EmoCtrl: 5 of 45)")
    ] = 1


class Grids(Section):
    """Sheets that show a method: emotions, transfer, fusion and strength (CoEmoGen Fig. 7-8)."""

    methods: Annotated[
        tuple[Method, ...],
        Field(strict=False, description="with all sheets"),
    ] = ("coemogen_emoset", "uniemo_feedback")
    nouns: Annotated[
        tuple[str, ...],
        Field(strict=False, min_length=1, description="neutral nouns that an emotion is transferred to"),
    ] = ("street", "room", "bench", "book")
    fused: Annotated[
        tuple[Emotion, ...],
        Field(strict=False, min_length=2, description="emotions shown at each strength and fused pairwise"),
    ] = ("amusement", "awe", "fear")
    strengths: Annotated[
        tuple[NonNegative, ...],
        Field(strict=False, min_length=1, description="strengths of the emotion, side by side"),
    ] = (0.0, 0.5, 1.0, 1.5)
    images_per_cell: Annotated[Count, Field(description="seeds of each combination")] = 8


class TruthChecks(Section):
    """Comparison of the pipeline's results with what was drawn; possible only for the miniature."""

    corpora: Annotated[
        tuple[Made, ...],
        Field(strict=False, description="drawn corpora to compare with the truth; [] at paper scale"),
    ] = ("emoset", "emoart")

    @model_validator(mode="after")
    def _corpora_are_distinct(self) -> Self:
        _check_distinct("corpora", self.corpora)
        return self


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[Seed, Field(description="seed of everything except the drawn world and the bundled weights")] = 0
    corpora: Annotated[
        tuple[Corpus, ...],
        Field(
            strict=False, min_length=1,
            description="corpora to caption, filter and train CoEmoGen on: emoset, emoart, your own (`evoke corpus`)",
        ),
    ] = ("emoset", "emoart")  # fmt: skip
    corpus: Annotated[
        Corpus,
        Field(
            description="the labelled one of `corpora` that classifier, judges, UniEmo and baselines learn from and "
            "that scores compare with"
        ),
    ] = "emoset"
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1, description="generators")] = (
        "stable_diffusion",
        "caption_prompts",
        "coemogen_emoset",
        "coemogen_emoart",
        "uniemo_joint",
        "uniemo_feedback",
    )
    miniature: Miniature = Miniature()
    foundation_clip: FoundationClip = FoundationClip()
    foundation_vit: Annotated[
        FoundationClip | None,
        Field(description="CLIP of UniEmo's chain, with the keys of foundation_clip (Tables I-III); null: the same"),
    ] = None
    foundation_diffusion: FoundationDiffusion = FoundationDiffusion()
    foundation_captioner: FoundationCaptioner = FoundationCaptioner()
    foundation_folders: FoundationFolders = FoundationFolders()
    emoset: Emoset = Emoset()
    features: Features = Features()
    emotion_classifier: EmotionClassifier = EmotionClassifier()
    judges: Judges = Judges()
    emoart: Emoart = Emoart()
    correlation: Correlation = Correlation()
    captions: Captions = Captions()
    caption_features: CaptionFeatures = CaptionFeatures()
    caption_filter: CaptionFilter = CaptionFilter()
    latents: Latents = Latents()
    coemogen: Coemogen = Coemogen()
    stable_diffusion: StableDiffusion = StableDiffusion()
    textual_inversion: TextualInversion = TextualInversion()
    dreambooth: Dreambooth = Dreambooth()
    emogen: Emogen = Emogen()
    uniemo_understanding: UniemoUnderstanding = UniemoUnderstanding()
    uniemo_joint: UniemoJoint = UniemoJoint()
    feedback: Feedback = Feedback()
    uniemo_feedback: UniemoFeedback = UniemoFeedback()
    images: Images = Images()
    scores: Scores = Scores()
    understanding_scores: UnderstandingScores = UnderstandingScores()
    content: Content = Content()
    grids: Grids = Grids()
    truth_checks: TruthChecks = TruthChecks()

    @model_validator(mode="after")
    def _corpora_are_made(self) -> Self:
        _check_distinct("corpora", self.corpora)
        listed = ", ".join(self.corpora)
        if self.corpus not in self.corpora:
            raise ValueError(
                f"corpus = {self.corpus!r}: the classifier, the judges and UniEmo learn from it; add it to corpora "
                f"({listed}), or name one of them"
            )
        if self.corpus == "emoart":
            raise ValueError(
                "corpus = 'emoart': it is curated by a classifier that learns from corpus; name emoset or a corpus of "
                "your own"
            )
        for name in get_args(Made):
            given, wanted = list(getattr(self, name).corpora), [name] if name in self.corpora else []
            if given != wanted:
                has = "has" if wanted else "has no"
                raise ValueError(
                    f"{name}.corpora = {given}: corpora ({listed}) {has} {name}; set it to [{', '.join(wanted)}] "
                    "(`evoke corpus use` sets every key that follows from corpora)"
                )
        return self

    @model_validator(mode="after")
    def _methods_are_trained(self) -> Self:
        _check_distinct("methods", self.methods)
        for key, methods in (("methods", self.methods), ("grids.methods", self.grids.methods)):
            for corpus in (name.removeprefix(COEMOGEN) for name in methods if name.startswith(COEMOGEN)):
                if corpus not in self.corpora:
                    raise ValueError(
                        f"{key}: {COEMOGEN}{corpus} needs {corpus} among corpora ({', '.join(self.corpora)})"
                    )
        for name in type(self).model_fields:
            if not isinstance(baseline := getattr(self, name), Baseline):
                continue
            if name in self.methods and not baseline.corpora:
                raise ValueError(
                    f"methods: {name} is trained on nothing; set {name}.corpora to [{self.corpus}] (`evoke preset "
                    "full` does for all baselines)"
                )
            if baseline.corpora not in ((), (self.corpus,)):
                raise ValueError(
                    f"{name}.corpora = {list(baseline.corpora)}: baselines learn from corpus; set it to "
                    f"[{self.corpus}], or to []"
                )
        if "uniemo_joint" not in self.methods:
            raise ValueError("methods: feedback ranks the images of uniemo_joint; add it")
        return self

    @model_validator(mode="after")
    def _truth_is_drawn(self) -> Self:
        for corpus in self.truth_checks.corpora:
            if self.corpus != "emoset" or "emoart" not in self.corpora:
                raise ValueError(
                    f"truth_checks.corpora: {corpus} is compared by what was learnt from emoset and curated as emoart; "
                    "set truth_checks.corpora to [], or corpus to emoset and add emoart to corpora"
                )
            for layout in ("emoset", "wikiart"):
                if layout not in self.miniature.layouts:
                    raise ValueError(
                        f"truth_checks.corpora: {corpus} needs both drawn layouts; add {layout} to miniature.layouts, "
                        "or set truth_checks.corpora to []"
                    )
        for section, layout in (("emoset", "emoset"), ("emoart", "wikiart")):
            folder, is_made = getattr(self, section).folder, section in self.corpora
            if is_made and Path(folder) == Path("data/miniature") / layout and layout not in self.miniature.layouts:
                raise ValueError(f"{section}.folder = {folder!r}: nothing draws it; add {layout} to miniature.layouts")
        return self

    @model_validator(mode="after")
    def _emotions_are_those_in_use(self) -> Self:
        taken = {
            "corpora: emoset": "emoset" in self.corpora,
            "emotion_classifier.source: imported": self.emotion_classifier.source == "imported",
            "correlation.source: imported": self.correlation.source == "imported",
            "truth_checks.corpora": bool(self.truth_checks.corpora),
        }
        for what, is_taken in taken.items():
            if is_taken and tuple(MIKELS) != EMOTIONS:
                raise ValueError(
                    f"{what} is about Mikels' eight emotions, but {FILE} has {', '.join(EMOTIONS)}; write `set: "
                    f"mikels` there, or take {what} out (your own images become a corpus by `evoke corpus add`)"
                )
        if unknown := [emotion for emotion in self.grids.fused if emotion not in EMOTIONS]:
            raise ValueError(f"grids.fused: {FILE} has no {unknown[0]!r}; allowed are {', '.join(EMOTIONS)}")
        return self

    @model_validator(mode="after")
    def _foundation_folders_are_read(self) -> Self:
        for name, field in FoundationFolders.model_fields.items():
            section: Foundation | None = getattr(self, f"foundation_{name}")
            source = "null" if section is None else section.source
            folder = getattr(self.foundation_folders, name)
            if source == "folder" and folder == field.default:
                raise ValueError(
                    f"foundation_folders.{name} = {folder!r}: these are the bundled weights; name the folder of your "
                    f"model, as foundation_{name}.source is folder"
                )
            if source != "folder" and folder != field.default:
                raise ValueError(
                    f"foundation_folders.{name} = {folder!r}: foundation_{name}.source is {source}, so it is not read; "
                    f"set that to folder, or this to {field.default}"
                )
        return self

    @model_validator(mode="after")
    def _training_splits_are_there(self) -> Self:
        for name in type(self).model_fields:
            section = getattr(self, name)
            if not isinstance(section, DiffusionTraining) or section.training_splits == "train":
                continue
            for source in ("latents", "caption_filter") if name == "coemogen" else ("latents",):
                if getattr(self, source).training_splits != "all":
                    raise ValueError(
                        f"{name}.training_splits = 'all': {source} has the train split only; set "
                        f"{source}.training_splits to all"
                    )
        return self

    @model_validator(mode="after")
    def _emogen_weighs_by_shares(self) -> Self:
        if self.emogen.corpora and self.correlation.value == "log_probability":
            raise ValueError(
                "correlation.value = 'log_probability': emogen weighs L_LDM by 1 - a and L_attr by a, which must be in "
                "[0, 1]; take probability, or set emogen.corpora to [] and leave emogen out of methods"
            )
        return self

    @model_validator(mode="after")
    def _a_frozen_vit_stays_frozen(self) -> Self:
        if self.uniemo_joint.backbone_rate and not self.uniemo_understanding.backbone_rate:
            raise ValueError(
                f"uniemo_joint.backbone_rate = {self.uniemo_joint.backbone_rate}: the ViT of uniemo_understanding is "
                "frozen (backbone_rate 0) and stays so; set this to 0 too, or train the ViT in uniemo_understanding"
            )
        return self

    @model_validator(mode="after")
    def _small_sets_are_drawn(self) -> Self:
        for layout in ("fi", "emotionroi", "twitter"):
            folder = getattr(self.understanding_scores, f"{layout}_folder")
            if Path(folder) == Path("data/miniature") / layout and layout not in self.miniature.layouts:
                raise ValueError(
                    f"understanding_scores.{layout}_folder = {folder!r}: nothing draws it; add {layout} to "
                    "miniature.layouts"
                )
        return self

    @model_validator(mode="after")
    def _judges_are_independent(self) -> Self:
        halves = {self.judges.half, self.emotion_classifier.half}
        if self.emotion_classifier.source == "train" and halves != {"first", "second"}:
            raise ValueError(
                f"judges.half = {self.judges.half!r}: the emotion classifier learns from "
                f"{self.emotion_classifier.half!r}; take `first` for one and `second` for the other"
            )
        return self


def load_params(path: Path) -> Params:
    """Read the params of a YAML 1.2 file, as DVC reads it. Raises ParamsError, which lists every problem."""
    return parse_params(read_yaml(path), path.name)


def load_own_params(path: Path, section: str) -> Params | None:
    """Return the params of a file if it has the given section of this project.

    Returns None if the file does not exist or belongs to something else.
    """
    values = read_yaml(path) if path.exists() else None
    return parse_params(values, path.name) if section in (values or {}) else None


def read_yaml(path: Path) -> Any:
    """Return the plain values of a YAML 1.2 file. Raises ParamsError if the file is missing or is not YAML."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: there is no such file; run this from the root of the repository") from None
    except RecursionError:
        raise ParamsError(f"{path}: this is not YAML that can be read: nested too deeply") from None
    except (YAMLError, ValueError) as error:  # not UTF-8, an impossible date, or an integer of thousands of digits
        raise ParamsError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from None


def default_values() -> dict[str, Any]:
    """Return every key of params.yaml with its default, as plain values: the miniature."""
    return Params.model_construct().model_dump(mode="json")  # they need not fit emotions.yaml


def parse_params(values: Any, name: str = "params.yaml") -> Params:
    """Check plain values as a whole; every key must be there. Raises ParamsError, which lists every problem."""
    problems = [f"{'.'.join(key)}: missing; allowed is {allowed(list(key))}" for key in missing_keys(Params, values)]
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    if problems:
        hint = (
            ["  `evoke params --fix` completes missing keys with their defaults"] if ": missing;" in problems[0] else []
        )
        lines = [f"{name}: {len(problems)} problem(s)", *(f"  {line}" for line in problems), *hint]
        raise ParamsError("\n".join(lines))
    return params


def parse_section(section: type[Part], values: Any, file: Path) -> Part:
    """Check the plain values of one section, as stored in a model's file. Raises ParamsError with one line."""
    missing = (key for key in missing_keys(section, values) if key[-1] not in LATER)
    said = next((f"{'.'.join(('params', *key))}: missing" for key in missing), "")
    try:
        parsed = section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(["params", *map(str, first["loc"])])
        said = f"{key} = {_SHORT.repr(first['input'])}: {first['msg']}"
    if said:
        raise ParamsError(f"{file}: {said}; delete the folder and run `dvc repro`, which makes it again")
    return parsed


def missing_keys(model: type[BaseModel], values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that plain values lack. A missing section is one key."""
    for name, field in model.model_fields.items() if isinstance(values, Mapping) else ():
        if name not in values:
            yield (*above, name)
        elif (section := section_of(field)) is not None:
            yield from missing_keys(section, values[name], (*above, name))


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a field that is a section, otherwise None; None too for a section that may be null."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def optional_section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a field that is a section or null, otherwise None."""
    kinds = [kind for kind in get_args(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return kinds[0] if kinds else section_of(field)


def dotted_keys(model: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Yield every key of params.yaml in dotted form, each section before its own keys.

    A section that may be null has none.
    """
    for name, field in model.model_fields.items():
        yield prefix + name
        if (section := section_of(field)) is not None:
            yield from dotted_keys(section, f"{prefix}{name}.")


def _problem(detail: Any) -> str:
    """Return one pydantic error as a line: dotted key = value: what is allowed."""
    key = ".".join(str(part) for part in detail["loc"]) or "params.yaml"
    names = [part for part in detail["loc"] if isinstance(part, str)]
    if detail["type"] in ("extra_forbidden", "invalid_key"):  # invalid_key: a key that is not text
        *above, last = detail["loc"]
        nearest = difflib.get_close_matches(str(last), list(_section_in(schema_of(above))["properties"]), 1, 0.0)
        return f"{_SHORT.repr(key)[1:-1]}: unknown key; the nearest right name is {'.'.join([*above, *nearest])}"
    if detail["type"] == "value_error":
        prefix = f"{'.'.join(names)}." if names else ""
        return f"{prefix}{detail['ctx']['error']}"
    return f"{key} = {_SHORT.repr(detail['input'])}: allowed is {allowed(names)}{_hint(detail['input'], names)}"


def _hint(value: object, names: list[str]) -> str:
    """Return a hint for a misspelt word, or for a number that was read as text; otherwise an empty string.

    YAML reads a number as text if it is quoted or written in a form that YAML does not take for a number.
    """
    schema = schema_of(names)
    if not isinstance(value, str):
        return ""
    item = schema.get("items", schema)
    if words := item.get("enum") or item.get("examples"):
        return f"; the nearest is {difflib.get_close_matches(value, words, 1, 0.0)[0]}"
    if schema.get("type") not in ("integer", "number"):
        return ""
    try:
        return f" (this is text, not a number: write {float(value):.12g} without quotes)"
    except ValueError:
        return " (this is text, not a number)"


def schema_of(names: list[str]) -> dict[str, Any]:
    """Return the JSON schema of a key given by its parts, or the whole schema if there are no parts."""
    schema = _root_schema()
    for name in names:
        schema = _resolved(_section_in(schema)["properties"][name])
    return schema


def _section_in(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a section, or of the section that a section or null may be."""
    return next(part for part in map(_resolved, schema.get("anyOf", [schema])) if "properties" in part)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, or the one that it refers to."""
    return _root_schema()["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


@cache
def _root_schema() -> dict[str, Any]:
    return Params.model_json_schema()


def allowed(names: list[str]) -> str:
    """Return the allowed values of a key in words, such as 'a number >= 0 and < 1'."""
    return _words(schema_of(names))


def _words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(_resolved(choice)) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    match schema["type"]:
        case "array":
            return f"a list{' (not empty)' if schema.get('minItems') else ''}, each {_words(schema['items'])}"
        case "object":
            return f"a section with the keys {', '.join(schema['properties'])}"
        case "string":
            if "examples" in schema:
                return f"one of {', '.join(schema['examples'])}"
            return {REVISION: "40 hex digits", NAME: "a name of small letters, digits and _"}.get(
                schema.get("pattern", ""), "text"
            )
        case "null":
            return "null"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return " ".join([noun, " and ".join(bounds)]).strip()
