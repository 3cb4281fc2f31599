"""Define params.yaml as one frozen, strict class per section, with the range, unit and source of every value.

Sections are named after the stages. Nothing in this module knows a path, a device or a model. Settings that cannot
change a result (device, workers, threads, engine) belong to the runtime and are environment variables named EVOKE_*.
This module is plumbing: it is left out of every stage's code hash (pipeline/closure.py).
"""

import difflib
import reprlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.captions.prompts import Variant
from pipeline.corpora.classes import SmallSet
from pipeline.emotions import Emotion
from pipeline.foundation.recipes import CaptionerRecipe, ClipRecipe, DiffusionRecipe
from pipeline.metrics.result import Protocol
from pipeline.runtime import Precision

Layout = Literal["emoset", "wikiart", "fi", "emotionroi", "twitter"]
Corpus = Literal["emoset", "emoart"]
Half = Literal["first", "second", "both"]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1)]
Sampler = Literal["oversample", "weighted", "plain"]
Source = Literal["diagonal", "full", "mean", "real"]
Method = Literal[
    "stable_diffusion", "textual_inversion", "dreambooth", "emogen",
    "coemogen_emoset", "coemogen_emoart", "uniemo_joint", "uniemo_feedback",
]  # fmt: skip
Understanding = Literal["uniemo_understanding", "uniemo_joint", "uniemo_feedback"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
BatchSize = Annotated[int, Field(ge=1, le=65536, description="images or texts in one forward pass; changes low bits")]
REVISION = r"^[0-9a-f]{40}$"
FileName = Annotated[str, Field(pattern=r"^[^/\\]+$")]


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


class ParamsError(ValueError):
    """An error in params.yaml, one problem per line with its dotted key, the value and what is allowed."""


class Section(BaseModel):
    """A part of params.yaml. Unknown keys are refused, values are never converted, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Part = TypeVar("Part", bound=Section)


class Miniature(Section):
    """The drawn world (SCIENCE 1). Its `seed` draws the world and is independent of the seed of everything else."""

    layouts: Annotated[tuple[Layout, ...], Field(strict=False, description="data sets to draw; none at paper scale")]
    seed: Annotated[Seed, Field(description="seed of the world: which pictures are drawn")]
    num_emoset: Annotated[Count, Field(description="images of the drawn EmoSet, 80/5/15 % train/val/test")]
    num_wikiart: Annotated[Count, Field(description="pictures of the drawn WikiArt")]
    num_fi: Annotated[Count, Field(description="pictures of the drawn FI")]
    num_emotionroi: Annotated[int, Field(ge=12, description="pictures of the drawn EmotionROI, a sixth of each class")]
    num_twitter_i: Annotated[Count, Field(description="pictures of the drawn Twitter I")]
    num_twitter_ii: Annotated[Count, Field(description="pictures of the drawn Twitter II, 78 % positive")]
    polarity_share: Annotated[
        Fraction, Field(description="share of the brightness and colour signal carried by the polarity (SCIENCE 1.3)")
    ]

    @model_validator(mode="after")
    def _layouts_are_distinct(self) -> Self:
        _check_distinct("layouts", self.layouts)
        return self


class Foundation(Section):
    """The source of a foundation model: the project's own weights, its own training, or a model hub."""

    source: Annotated[Literal["bundled", "train", "hub"], Field(description="models/miniature, recipe, or hub_id")]
    hub_id: Annotated[str | None, Field(min_length=1, description="owner/name on the hub; null unless source is hub")]
    hub_revision: Annotated[
        str | None, Field(pattern=REVISION, description="commit of 40 hex digits; null unless source is hub")
    ]

    @model_validator(mode="after")
    def _hub_needs_a_pinned_model(self) -> Self:
        for name, value in (("hub_id", self.hub_id), ("hub_revision", self.hub_revision)):
            if (value is not None) != (self.source == "hub"):
                wanted = "must be given" if self.source == "hub" else "must be null"
                raise ValueError(f"{name} = {value!r}: {wanted} when source is {self.source}")
        return self


class FoundationClip(Foundation):
    """The CLIP that gives every feature, similarity and text condition (papers: ViT-L/14)."""

    recipe: ClipRecipe


class FoundationDiffusion(Foundation):
    """The latent diffusion model that is trained on emotions (papers: Stable Diffusion 1.5)."""

    recipe: DiffusionRecipe


class FoundationCaptioner(Foundation):
    """The image-text-to-text model that writes captions (CoEmoGen does not name its own)."""

    recipe: CaptionerRecipe


class Emoset(Section):
    """An EmoSet folder in the official layout, to be packed into shards."""

    folder: Annotated[str, Field(min_length=1, description="folder with info.json, image/ and annotation/")]
    shard_images: Annotated[int, Field(ge=1, le=100_000, description="images of one shard, at most")]
    max_shard_mb: Annotated[int, Field(ge=1, le=256, description="size of one shard in MB, at most")]
    max_reject_frac: Annotated[Fraction, Field(description="rejected share of the images above which the stage fails")]


class Features(Section):
    """CLIP image features, one vector v per image."""

    batch_size: BatchSize


class EmotionClassifier(Section):
    """Two fully connected layers on frozen CLIP features, used for curation, correlation and Emo-A as published."""

    source: Annotated[Literal["train", "imported"], Field(description="or what `evoke import-emogen` left in imports")]
    half: Annotated[Half, Field(description="half of the train split that it learns from; judges take the other")]
    hidden: Annotated[Count, Field(description="units between the two layers")]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0, description="share of hidden units dropped while training")]
    epochs: Annotated[Count, Field(description="passes over the pictures; the best on val is kept")]
    batch_size: Annotated[Count, Field(description="pictures a step")]
    learning_rate: Annotated[Rate, Field(description="peak of AdamW's rate, cosine to 0")]
    weight_decay: Annotated[NonNegative, Field(description="AdamW's decay")]


class Judges(Section):
    """Networks on pixels that are used only for scoring: emotion, scene and object (SCIENCE 2)."""

    half: Annotated[Half, Field(description="half of the train split that they learn from")]
    backbone: Annotated[
        Literal["small", "resnet18", "resnet50"], Field(description="ours for 64 px, or one of torchvision")
    ]
    image_px: Annotated[int, Field(ge=32, le=512, description="edge of the square that they see")]
    epochs: Annotated[Count, Field(description="passes over the pictures")]
    batch_size: Annotated[Count, Field(description="pictures a step")]
    learning_rate: Annotated[Rate, Field(description="peak of AdamW's rate, cosine to 0")]
    weight_decay: Annotated[NonNegative, Field(description="AdamW's decay")]
    backbone_weights: Annotated[
        str | None, Field(description="file in models/pretrained that the backbone starts from (safetensors)")
    ]
    scene_weights: Annotated[
        str | None, Field(description="ResNet-50 of Places365 in models/pretrained as scene judge; null: train one")
    ]
    object_weights: Annotated[
        str | None, Field(description="ResNet-50 of ImageNet in models/pretrained as object judge; null: train one")
    ]


class Emoart(Section):
    """The WikiArt images whose emotion the classifier is sure of (CoEmoGen 3.1)."""

    folder: Annotated[str, Field(min_length=1, description="WikiArt in huggan's layout, or any folder of images")]
    min_confidence: Annotated[Fraction, Field(description="least probability of the top emotion (CoEmoGen: 0.75)")]
    min_emotion_frac: Annotated[
        Fraction, Field(description="emotions rarer than this among the confident are dropped (CoEmoGen: 0.01)")
    ]
    val_frac: Annotated[float, Field(ge=0.0, lt=0.5, description="share of each emotion in the val split")]
    test_frac: Annotated[float, Field(ge=0.0, lt=0.5, description="share of each emotion in the test split")]
    batch_size: BatchSize
    shard_images: Annotated[int, Field(ge=1, le=100_000, description="images of one shard, at most")]
    max_reject_frac: Annotated[Fraction, Field(description="rejected share of the images above which the stage fails")]


class Correlation(Section):
    """How strongly an attribute indicates an emotion (UniEmo Eq. 5)."""

    source: Annotated[Literal["computed", "imported"], Field(description="or EmoGen's tables, imported")]
    value: Annotated[
        Literal["probability", "log_probability"], Field(description="what is averaged; UniEmo writes log, releases p")
    ]
    folds: Annotated[
        int,
        Field(ge=1, le=20, description="parts of the train split, each judged by the others; 1: in sample (UniEmo)"),
    ]
    shrinkage: Annotated[NonNegative, Field(description="images' worth of the emotion prior; 0 is off")]


class Captions(Section):
    """One caption per image that names what triggers its emotion (CoEmoGen 3.1)."""

    variant: Annotated[
        Variant,
        Field(description="prompt of the captioner (CoEmoGen Table 2a; the paper's choice is emotion)"),
    ]
    batch_size: BatchSize
    max_new_tokens: Annotated[int, Field(ge=1, le=1024, description="length of a caption, in the captioner's tokens")]
    served_model: Annotated[
        str | None,
        Field(
            min_length=1, description="model that the server at EVOKE_CAPTION_SERVER has; null: foundation_captioner"
        ),
    ]
    max_empty_frac: Annotated[
        Fraction, Field(description="share of the pictures without an answer above which it fails")
    ]
    override: Annotated[
        str,
        Field(min_length=1, description="CSV of image_id, caption in place of written ones; at least its header"),
    ]


class CaptionFeatures(Section):
    """Captions in CLIP's joint space."""

    batch_size: BatchSize


class CaptionFilter(Section):
    """The filter that drops the captions that fit their image worst, within each emotion (CoEmoGen 3.1)."""

    drop_fraction: Annotated[float, Field(ge=0.0, lt=1.0, description="share dropped per emotion (CoEmoGen: 0.2)")]


class Latents(Section):
    """Images as latents of the autoencoder, encoded once."""

    fit: Annotated[
        Literal["crop", "squash"], Field(description="how a picture becomes a square: its middle, or squashed (EmoGen)")
    ]
    batch_size: BatchSize


class Training(Section):
    """Settings of the one training loop (pipeline/training)."""

    steps: Annotated[Count, Field(description="optimiser steps")]
    batch_size: Annotated[Count, Field(description="pictures a step, over all processes")]
    learning_rate: Annotated[Rate, Field(description="peak of AdamW's rate")]
    weight_decay: Annotated[NonNegative, Field(description="AdamW's decay")]
    warmup_steps: Annotated[int, Field(ge=0, description="steps of linear warm-up")]
    schedule: Annotated[Literal["constant", "cosine"], Field(description="of the rate after the warm-up")]
    max_grad_norm: Annotated[float | None, Field(gt=0, description="clip of the gradient's norm; null: none")]
    ema_decay: Annotated[
        float | None, Field(gt=0, lt=1, description="decay of the averaged weights a step; null: none")
    ]
    precision: Annotated[Precision, Field(description="of the forward pass; weights stay fp32")]
    sampler: Annotated[
        Sampler,
        Field(description="oversample: EmoGen's balanced list; weighted: drawn by class weight; plain: in turn"),
    ]
    sheet_steps: Annotated[int, Field(ge=0, description="steps between two sheets of samples; 0: none")]


class DiffusionTraining(Training):
    """Settings of the trainings that use the diffusion loss."""

    mirror: Annotated[bool, Field(description="half of the pictures as mirror images")]
    text_dropout: Annotated[Fraction, Field(description="samples without a condition, for classifier-free guidance")]
    snr_cap: Annotated[float | None, Field(gt=0, description="min-SNR weights with this cap (5); null: none")]


class Coemogen(DiffusionTraining):
    """The mapper, visual perception encoder and HiLoRA (CoEmoGen 3.2-3.4)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="of training; {S} is the embedding")]
    input: Annotated[Literal["onehot", "learnable", "text"], Field(description="of the mapper (Table 2b)")]
    mapper_hidden: Annotated[Count, Field(description="units between the mapper's two layers (CoEmoGen: 512)")]
    perception: Annotated[
        Literal["residual", "literal"], Field(description="Eq. 1 made to act, or as written, where e has no effect")
    ]
    visual_tokens: Annotated[Count, Field(description="tokens that v is split into, with perception: residual")]
    rank: Annotated[Count, Field(description="of each of the ten adapters (CoEmoGen: 4)")]
    emotion_adapters: Annotated[bool, Field(description="the eight; false is an ablation of Table 1")]
    polarity_adapters: Annotated[bool, Field(description="the two; false is an ablation of Table 1")]
    matched_rank: Annotated[bool, Field(description="twice the rank where one kind is off: a control of capacity")]
    sem_weight: Annotated[NonNegative, Field(description="of L_SEM beside L_LDM; 0 is an ablation of Table 1")]
    sem_distance: Annotated[Literal["cosine", "mae", "mse", "kl"], Field(description="of L_SEM (Table 2c)")]
    sem_equalised: Annotated[bool, Field(description="distances scaled to 1 for orthogonal vectors, else raw")]
    kl_temperature: Annotated[float, Field(gt=0, description="of the softmaxes of sem_distance: kl")]
    embedding_rate: Annotated[Rate, Field(description="peak rate of mapper and visual perception")]

    @model_validator(mode="after")
    def _something_is_adapted(self) -> Self:
        if self.matched_rank and self.emotion_adapters == self.polarity_adapters:
            raise ValueError("matched_rank = True: of emotion_adapters and polarity_adapters just one must be on")
        return self


class Baseline(DiffusionTraining):
    """A method to compare against.

    The default run leaves all baselines out; `evoke preset full` includes them.
    """

    corpora: Annotated[
        tuple[Literal["emoset"], ...],
        Field(strict=False, max_length=1, description="trained on; none: not made"),
    ]


class TextualInversion(Baseline):
    """A baseline with one token embedding per emotion (Gal et al. 2023)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="of training; {S} is the embedding")]
    first_word: Annotated[str, Field(min_length=1, description="that each embedding begins as")]


class Dreambooth(Baseline):
    """A baseline with one adapter per emotion under a fixed prompt (the LoRA form of DreamBooth)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="of training; {S} is the emotion's name")]
    rank: Annotated[Count, Field(description="of each of the eight adapters")]


class Emogen(Baseline):
    """A baseline that maps an emotion space to a token embedding and uses the attribute loss (EmoGen)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="of training; {S} is the embedding")]
    hidden: Annotated[Count, Field(description="units between the mapper's two layers (EmoGen: 1024)")]
    attribute_weight: Annotated[NonNegative, Field(description="of L_attr (EmoGen: 0.01)")]
    attribute_temperature: Annotated[float, Field(gt=0, description="of its softmax over cosines (EmoGen: 1)")]
    emotion_weight: Annotated[NonNegative, Field(description="of L_emo, by the classifier (EmoGen as shipped: 0)")]


class UniemoUnderstanding(Training):
    """The CLIP ViT with scene and object queries that reads an emotion (UniEmo III-A)."""

    queries: Annotated[Literal["both", "scene", "object", "none"], Field(description="that are there (Fig. 6-7)")]
    query_length: Annotated[Count, Field(description="queries of each kind (UniEmo's code: 32)")]
    entry: Annotated[
        Literal["hierarchical", "single_step"],
        Field(description="object queries enter behind the scene queries' layers (UniEmo), or both at layer 1"),
    ]
    scene_layer: Annotated[int | None, Field(ge=1, description="L1, after which scenes are told; null: a third")]
    object_layer: Annotated[int | None, Field(ge=1, description="L2, after which objects are told; null: two thirds")]
    passed_on: Annotated[
        Literal["refined", "plain"],
        Field(description="queries that the layer after L1 and L2 gets: refined, Qhat of Eq. 3 (UniEmo), or plain, Q"),
    ]
    positives: Annotated[
        Literal["equal", "literal"],
        Field(description="Eq. 4: equal attributes are positives and missing ones no negatives, or as written"),
    ]
    temperature: Annotated[float, Field(gt=0, description="tau of Eq. 4 (UniEmo: 0.07)")]
    scene_weight: Annotated[NonNegative, Field(description="of L_S in Eq. 9 (UniEmo: 0.25)")]
    object_weight: Annotated[NonNegative, Field(description="of L_O in Eq. 9 (UniEmo: 0.25)")]
    emotion_weight: Annotated[NonNegative, Field(description="of L_cls in Eq. 9 (UniEmo: 0.5)")]
    head_hidden: Annotated[Count, Field(description="units between the two layers of the head (UniEmo's code: 768)")]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0, description="in the head (UniEmo's code: 0.5)")]
    backbone_rate: Annotated[float, Field(ge=0.0, lt=1.0, description="peak rate of the ViT; 0: frozen")]
    query_rate: Annotated[Rate, Field(description="peak rate of queries, interactive blocks and projections")]
    image_px: Annotated[int, Field(ge=32, le=1024, description="edge of the cached squares that crops are taken of")]
    min_crop: Annotated[float, Field(gt=0, le=1, description="least area of a random crop; 1: none")]
    val_steps: Annotated[Count, Field(description="steps between two looks at the val split; the best is kept")]


class UniemoJoint(DiffusionTraining):
    """The joint training of understanding and generation (UniEmo III-B, III-C)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="of training; {S} is c of Eq. 6")]
    parts: Annotated[
        Literal["all", "class", "class_scene", "class_object", "class_patch", "class_scene_object_patch"],
        Field(description="of Eq. 6 that are on (Table V); patch: the mean patch token, by a phi of its own"),
    ]
    coefficients: Annotated[
        Literal["correlated", "one", "constant", "shuffled"],
        Field(description="alpha of Eq. 6; 1 (Table V); or a control in its place: their mean, or dealt out anew"),
    ]
    norms: Annotated[
        bool, Field(description="each part normalised and c as large as a token's embedding, or Eq. 6 as written")
    ]
    condition_loss: Annotated[
        Literal["triplet", "cross_entropy"], Field(description="L_cond of Eq. 7, or its rival L_ce (Table V)")
    ]
    margin: Annotated[NonNegative, Field(description="xi of Eq. 7 (UniEmo: 0.1)")]
    understanding_weight: Annotated[NonNegative, Field(description="of L_U in Eq. 10 (UniEmo: 0.3)")]
    condition_weight: Annotated[NonNegative, Field(description="of L_cond in Eq. 10 (UniEmo: 0.3); 0: Table V")]
    diffusion_weight: Annotated[NonNegative, Field(description="of L_theta in Eq. 10 (UniEmo: 0.4)")]
    balance: Annotated[
        Literal["fixed", "gradient"],
        Field(description="weight of L_cond as given, or times the ratio of L_theta's gradient norm at c to its own"),
    ]
    condition_input: Annotated[
        Literal["condition", "text"], Field(description="what L_cond's head sees: c, or the text encoder's output")
    ]
    implicit_feedback: Annotated[bool, Field(description="the diffusion loss reaches the queries (Fig. 8)")]
    backbone_rate: Annotated[float, Field(ge=0.0, lt=1.0, description="peak rate of the ViT; 0: frozen")]
    query_rate: Annotated[float, Field(ge=0.0, lt=1.0, description="of queries, interactive blocks and projections")]
    head_rate: Annotated[float, Field(ge=0.0, lt=1.0, description="of the head that reads the emotion")]


class Feedback(Section):
    """The filter that selects generated images for further training (UniEmo Algorithm 1)."""

    low: Annotated[Fraction, Field(description="least rank that is kept, as a share of all images (UniEmo: 0.2)")]
    high: Annotated[Fraction, Field(description="greatest rank that is kept (UniEmo: 0.8)")]
    metrics: Annotated[Literal["both", "emotion", "clarity"], Field(description="that an image must pass (Table VI)")]
    ranks: Annotated[Literal["descending", "ascending"], Field(description="rank 0 is the best, or the worst")]
    per_emotion: Annotated[bool, Field(description="ranks within each emotion, or over all")]
    control: Annotated[
        Literal["none", "random"], Field(description="random: as many images, drawn by chance, in their place")
    ]

    @model_validator(mode="after")
    def _something_is_between(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}: low must be less than high")
        return self


class UniemoFeedback(Section):
    """The joint training continued with the model's own images (UniEmo III-D)."""

    steps: Annotated[Count, Field(description="optimiser steps beyond those of uniemo_joint")]
    rate_share: Annotated[float, Field(gt=0, le=1, description="of the peak rates of uniemo_joint")]
    generated_frac: Annotated[
        float, Field(ge=0.0, lt=1.0, description="share of a batch that is generated (Table VIII); 0: a control")
    ]


class StableDiffusion(Section):
    """The foundation model, prompted in words (CoEmoGen Table 1)."""

    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="{S} is the name of the emotion")]


class Images(Section):
    """Images of every emotion, generated by each method."""

    num_per_emotion: Annotated[Count, Field(description="images of each emotion (papers: 1000)")]
    prompt: Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$", description="{S} is the emotion")]
    source: Annotated[Source, Field(description="of v: diagonal Gaussian (papers), full, class mean, real val v")]
    strength: Annotated[NonNegative, Field(description="of the adapters; 1 as trained")]
    solver: Annotated[
        Literal["sde-dpmsolver++", "dpmsolver++", "unipc", "ddim", "euler"],
        Field(description="of diffusers; sde: adds noise at each step (EmoGen: unipc)"),
    ]
    steps: Annotated[Count, Field(description="solver steps (EmoGen: 50)")]
    guidance: Annotated[float, Field(ge=1, description="scale of classifier-free guidance; 1: none (EmoGen: 7.5)")]
    precision: Annotated[Precision, Field(description="of U-Net and decoder; weights stay fp32")]
    batch_size: BatchSize


class Scores(Section):
    """The judges' scores of images, and the metrics that follow from them (REFERENCE C)."""

    batch_size: BatchSize
    num_pairs: Annotated[Count, Field(description="pairs of images of each emotion, for LPIPS and Sem-D (EmoGen: 10)")]
    protocols: Annotated[
        tuple[Protocol, ...], Field(strict=False, min_length=1, description="clean; emogen: as published, defects too")
    ]
    inception_weights: Annotated[
        FileName | None, Field(description="Inception of FID in models/pretrained; null: FID by CLIP and judge alone")
    ]
    alexnet_weights: Annotated[
        FileName | None, Field(description="AlexNet of LPIPS in models/pretrained; null: distances by the judge alone")
    ]
    lpips_heads: Annotated[
        FileName | None, Field(description="its calibrated heads, there too; null: those of the lpips package")
    ]
    perceptual_px: Annotated[int, Field(ge=32, le=1024, description="edge of the squares that AlexNet sees")]

    @model_validator(mode="after")
    def _lpips_is_whole(self) -> Self:
        _check_distinct("protocols", self.protocols)
        if self.alexnet_weights is None and self.lpips_heads is not None:
            raise ValueError(
                f"alexnet_weights = None, lpips_heads = {self.lpips_heads!r}: heads need AlexNet; name it, or neither"
            )
        return self


class UnderstandingScores(Section):
    """How well every reader recognises emotions on every labelled data set (UniEmo Tables I-III)."""

    understandings: Annotated[
        tuple[Understanding, ...], Field(strict=False, description="models of UniEmo beside the baselines")
    ]
    datasets: Annotated[
        tuple[SmallSet, ...], Field(strict=False, description="beside EmoSet's test split; others are left out")
    ]
    fi_folder: Annotated[str, Field(min_length=1, description="folder with emotion_dataset/<emotion>/")]
    emotionroi_folder: Annotated[str, Field(min_length=1, description="with images/ and training_testing_split/")]
    twitter_folder: Annotated[str, Field(min_length=1, description="folder with Twitter_PCNN/ and twitter_ii/")]
    max_reject_frac: Annotated[Fraction, Field(description="rejected share of a data set above which the stage fails")]
    prompts: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^{}]*\{S\}[^{}]*$")], ...],
        Field(strict=False, min_length=1, description="of CLIP zero-shot, averaged; {S} is the emotion"),
    ]
    probe_strength: Annotated[float, Field(gt=0, description="C of the linear probes, the inverse of the L2 penalty")]
    folds: Annotated[int, Field(ge=2, le=20, description="of probes within a small data set (the field: 5)")]
    question: Annotated[
        Literal["word", "caption"], Field(description="captioner: scores the emotions' names, or its caption is read")
    ]
    num_asked: Annotated[
        int | None, Field(ge=1, description="pictures of each data set that the captioner is asked about; null: all")
    ]
    max_new_tokens: Annotated[int, Field(ge=1, le=1024, description="of a caption, in the captioner's tokens")]
    batch_size: BatchSize

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        _check_distinct("understandings", self.understandings)
        _check_distinct("datasets", self.datasets)
        return self


class Grids(Section):
    """Sheets that show a method: emotions, transfer, fusion and strength (CoEmoGen Fig. 7-8)."""

    nouns: Annotated[
        tuple[str, ...], Field(strict=False, min_length=1, description="neutral things to transfer an emotion to")
    ]
    fused: Annotated[
        tuple[Emotion, ...], Field(strict=False, min_length=2, description="emotions fused pairwise (CoEmoGen: three)")
    ]
    strengths: Annotated[
        tuple[NonNegative, ...], Field(strict=False, min_length=1, description="of the adapters, side by side")
    ]
    images_per_cell: Annotated[Count, Field(description="seeds shown of each combination")]


class TruthChecks(Section):
    """Comparison of the pipeline's results with what was drawn; possible only for the miniature."""

    corpora: Annotated[tuple[Corpus, ...], Field(strict=False, description="drawn corpora; none at paper scale")]

    @model_validator(mode="after")
    def _corpora_are_distinct(self) -> Self:
        _check_distinct("corpora", self.corpora)
        return self


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[Seed, Field(description="seed of everything but the drawn world and bundled weights")]
    corpora: Annotated[
        tuple[Corpus, ...], Field(strict=False, min_length=1, description="corpora to caption and filter")
    ]
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1, description="generators that make images")]
    miniature: Miniature
    foundation_clip: FoundationClip
    foundation_diffusion: FoundationDiffusion
    foundation_captioner: FoundationCaptioner
    emoset: Emoset
    features: Features
    emotion_classifier: EmotionClassifier
    judges: Judges
    emoart: Emoart
    correlation: Correlation
    captions: Captions
    caption_features: CaptionFeatures
    caption_filter: CaptionFilter
    latents: Latents
    coemogen: Coemogen
    stable_diffusion: StableDiffusion
    textual_inversion: TextualInversion
    dreambooth: Dreambooth
    emogen: Emogen
    uniemo_understanding: UniemoUnderstanding
    uniemo_joint: UniemoJoint
    feedback: Feedback
    uniemo_feedback: UniemoFeedback
    images: Images
    scores: Scores
    understanding_scores: UnderstandingScores
    grids: Grids
    truth_checks: TruthChecks

    @model_validator(mode="after")
    def _truth_is_drawn(self) -> Self:
        _check_distinct("corpora", self.corpora)
        _check_distinct("methods", self.methods)
        for method in self.methods:
            corpus = method.removeprefix("coemogen_")
            if method.startswith("coemogen_") and corpus not in self.corpora:
                raise ValueError(f"methods: {method} needs {corpus} among corpora ({', '.join(self.corpora)})")
            if isinstance(baseline := getattr(self, method, None), Baseline) and not baseline.corpora:
                raise ValueError(
                    f"methods: {method} is trained on nothing; set {method}.corpora to [emoset] (`evoke preset full` "
                    "does for all baselines)"
                )
        if "uniemo_joint" not in self.methods:
            raise ValueError("methods: feedback ranks the images of uniemo_joint; add it")
        for corpus in self.truth_checks.corpora:
            if corpus not in self.corpora:
                raise ValueError(f"truth_checks.corpora: {corpus} is not one of corpora ({', '.join(self.corpora)})")
            for layout in ("emoset", "wikiart"):
                if layout not in self.miniature.layouts:
                    raise ValueError(
                        f"truth_checks.corpora: {corpus} needs both drawn layouts; add {layout} to miniature.layouts, "
                        "or set truth_checks.corpora to []"
                    )
        for section, layout in (("emoset", "emoset"), ("emoart", "wikiart")):
            folder = getattr(self, section).folder
            if Path(folder) == Path("data/miniature") / layout and layout not in self.miniature.layouts:
                raise ValueError(f"{section}.folder = {folder!r}: nothing draws it; add {layout} to miniature.layouts")
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


def parse_params(values: Any, name: str = "params.yaml") -> Params:
    """Check plain values as a whole. Raises ParamsError, which lists every problem, one per line."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise ParamsError(
            "\n".join([f"{name}: {len(problems)} problem(s)", *(f"  {line}" for line in problems)])
        ) from None


def parse_section(section: type[Part], values: Any, file: Path) -> Part:
    """Check the plain values of one section, as stored in a model's file. Raises ParamsError with one line."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(["params", *map(str, first["loc"])])
        said = f"{key} = {_SHORT.repr(first['input'])}: {first['msg']}"
        raise ParamsError(f"{file}: {said}; delete the folder and run `dvc repro`, which makes it again") from None


def dotted_keys(model: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Yield every key of params.yaml in dotted form, each section before its own keys."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from dotted_keys(field.annotation, f"{prefix}{name}.")


def _check_distinct(key: str, values: tuple[str, ...]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"{key} = {list(values)}: each name at most once")


def _problem(detail: Any) -> str:
    """Return one pydantic error as a line: dotted key = value: what is allowed."""
    key = ".".join(str(part) for part in detail["loc"]) or "params.yaml"
    names = [part for part in detail["loc"] if isinstance(part, str)]
    if detail["type"] == "missing":
        return f"{key}: missing; allowed is {allowed(names)}"
    if detail["type"] in ("extra_forbidden", "invalid_key"):  # invalid_key: a key that is not text
        *above, last = detail["loc"]
        nearest = difflib.get_close_matches(str(last), list(_schema_of(above)["properties"]), 1, 0.0)
        return f"{_SHORT.repr(key)[1:-1]}: unknown key; the nearest right name is {'.'.join([*above, *nearest])}"
    if detail["type"] == "value_error":
        prefix = f"{'.'.join(names)}." if names else ""
        return f"{prefix}{detail['ctx']['error']}"
    return f"{key} = {_SHORT.repr(detail['input'])}: allowed is {allowed(names)}{_hint(detail['input'], names)}"


def _hint(value: object, names: list[str]) -> str:
    """Return a hint for a misspelt word, or for a number that was read as text; otherwise an empty string.

    YAML reads a number as text if it is quoted or written in a form that YAML does not take for a number.
    """
    schema = _schema_of(names)
    if not isinstance(value, str):
        return ""
    if words := schema.get("items", schema).get("enum"):
        return f"; the nearest is {difflib.get_close_matches(value, words, 1, 0.0)[0]}"
    if schema.get("type") not in ("integer", "number"):
        return ""
    try:
        return f" (this is text, not a number: write {float(value):.12g} without quotes)"
    except ValueError:
        return " (this is text, not a number)"


def _schema_of(names: list[str]) -> dict[str, Any]:
    """Return the JSON schema of a key given by its parts, or the whole schema if there are no parts."""
    schema = root = _root_schema()
    for name in names:
        schema = schema["properties"][name]
        schema = root["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    return schema


@cache
def _root_schema() -> dict[str, Any]:
    return Params.model_json_schema()


def allowed(names: list[str]) -> str:
    """Return the allowed values of a key in words, such as 'a number >= 0 and < 1'."""
    return _words(_schema_of(names))


def _words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    match schema["type"]:
        case "array":
            return f"a list{' (not empty)' if schema.get('minItems') else ''}, each {_words(schema['items'])}"
        case "object":
            return f"a section with the keys {', '.join(schema['properties'])}"
        case "string":
            return "40 hex digits" if schema.get("pattern") == REVISION else "text"
        case "null":
            return "null"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return " ".join([noun, " and ".join(bounds)]).strip()
