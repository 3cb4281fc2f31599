"""Find what a run starts from: configurations of the foundation models, and numbers and sizes of the images.

No weights are loaded and no image is decoded. What is not on the disk is published or assumed, and a note says so.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from evoke.plan.costs import FP16, FP32, META, Captioner, Config, Models
from evoke.plan.rates import figure, value
from pipeline.artifacts import read_shards, shard_paths
from pipeline.corpora.folder import READABLE, is_system_name
from pipeline.corpora.records import SPLITS
from pipeline.corpora.validate import PUBLISHED, PUBLISHED_TOTAL
from pipeline.corpora.wikiart import parquet_files
from pipeline.emotion_set import EMOTIONS
from pipeline.foundation import bundle
from pipeline.foundation.clip import CONFIG
from pipeline.foundation.recipes import IMAGE_PX
from pipeline.generation.images import SHARD_IMAGES

if TYPE_CHECKING:
    from pipeline.params import Foundation, FoundationCaptioner, FoundationClip, FoundationDiffusion, Params


# Of stable-diffusion-v1-5/stable-diffusion-v1-5, from its folders unet and vae; the rest are diffusers' defaults.
UNET: Config = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
}  # fmt: skip
VAE: Config = {
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4, "sample_size": 512,
}  # fmt: skip
XL_UNET: Config = {  # of stabilityai/stable-diffusion-xl-base-1.0
    "sample_size": 128, "cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20), "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280), "transformer_layers_per_block": (1, 2, 10),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
XL_VAE: Config = {**VAE, "sample_size": 1024, "scaling_factor": 0.13025}
XL_SECOND: Config = {  # OpenCLIP bigG/14
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "projection_dim": 1280,
}  # fmt: skip
CLIP = "ViT-L-14"  # open_clip's own name
CLIPS = {f"timm/vit_base_patch{patch}_clip_224.openai": f"ViT-B-{patch}" for patch in (16, 32)}  # the others by hub id
QWEN_PARAMETERS = 8_292_166_656  # of Qwen/Qwen2.5-VL-7B-Instruct, vision tower included
CLIP_HUB, DIFFUSION_HUB = "timm/vit_large_patch14_clip_224.openai", "stable-diffusion-v1-5/stable-diffusion-v1-5"
XL_HUB = "stabilityai/stable-diffusion-xl-base-1.0"
CAPTIONER_HUB = "Qwen/Qwen2.5-VL-7B-Instruct"
MINIATURE_WORDS = 926  # vocabulary size of the bundled CLIP; a trained CLIP's is close to it
WIKIART_PUBLISHED = 81_444
SMALL_PUBLISHED = {"fi": 22_683, "emotionroi": 1_980, "twitter_i": 1_269, "twitter_ii": 603}
PUBLISHED_ART_EMOTIONS = 6  # of the eight emotions, those left in the published EmoArt
SAMPLED = 200
ENCODER = "text_encoder_2/config.json"
LATENT_COPIES = 2 * 2  # of an image and its mirror image, mean and log-variance


@dataclass(frozen=True)
class Corpus:
    """Images per split, their mean size in bytes and px, the figures' source, and whether a download is needed.

    `shard_images` is the number of images in a shard.
    """

    train: int
    val: int
    test: int
    image_bytes: float
    width_px: float
    height_px: float
    source: str
    is_missing: bool = False
    shard_images: int = 1

    @property
    def total(self) -> int:
        return self.train + self.val + self.test

    @property
    def num_shards(self) -> int:
        return max(1, -(-self.total // self.shard_images))

    def decoding_s(self, number: float) -> float:
        """Return the seconds that one core takes to decode so many of the images."""
        return number * self.width_px * self.height_px / 1e6 * value("decoding_ms") / 1e3


@dataclass(frozen=True)
class Curated:
    """The outcome of an earlier run of emoart: images read, share of them kept, and number of emotions kept."""

    num_images: int
    share: float
    num_emotions: int


@dataclass(frozen=True)
class Corpora:
    """The images of every corpus.

    `emoart` is what curation keeps of `wikiart`, `art_emotions` how many emotions it has, `small` the images of each
    small set that understanding_scores names, `own` the user's own corpora by name, and `used` what params.yaml names.
    """

    emoset: Corpus
    wikiart: Corpus
    emoart: Corpus
    art_emotions: int
    small: tuple[int, ...]
    own: Mapping[str, Corpus]
    used: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the source of the figures of each corpus that is used."""
        named = {"EmoSet": self.emoset} if "emoset" in self.used else {}
        named |= {"WikiArt": self.wikiart, "EmoArt": self.emoart} if "emoart" in self.used else {}
        named |= self.own
        return tuple(f"{name}: {corpus.total:,} images, {corpus.source}" for name, corpus in named.items())


@dataclass(frozen=True)
class Setting:
    """The params, corpora and models from which the work of every stage follows.

    `is_low` says that the GPU is small, so that the U-Net computes its activations twice (pipeline/memory.py).
    """

    params: "Params"
    corpora: Corpora
    models: Models
    is_low: bool = False

    def corpus(self, name: str) -> Corpus:
        """Return the corpus of this name."""
        standard = {"emoset": self.corpora.emoset, "emoart": self.corpora.emoart}
        return standard.get(name) or self.corpora.own[name]

    @property
    def labelled(self) -> Corpus:
        """Return the corpus that classifier, judges, UniEmo and baselines learn from."""
        return self.corpus(self.params.corpus)

    def num_encoded(self, corpus: str) -> int:
        """Return how many images of a corpus become latents."""
        images = self.corpus(corpus)
        return images.total if self.params.latents.training_splits == "all" else images.train

    def emotions(self, generator: str) -> int:
        """Return how many emotions a method was taught."""
        return self.corpora.art_emotions if generator == "coemogen_emoart" else len(EMOTIONS)

    def generated(self, method: str) -> Corpus:
        """Return the generated images of a method, as a corpus."""
        number, edge = self.emotions(method) * self.params.images.num_per_emotion, self.models.image_px
        size = edge**2 * value("png_bytes_per_px")
        return Corpus(0, 0, number, size, edge, edge, "set in params.yaml", shard_images=SHARD_IMAGES)

    @property
    def latent_bytes(self) -> int:
        """Return the bytes of one image in data/latents."""
        return LATENT_COPIES * FP16 * self.models.latent_numbers

    @property
    def num_published(self) -> int:
        """Return how many published judges are given."""
        return sum(1 for name in (self.params.judges.scene_weights, self.params.judges.object_weights) if name)

    @property
    def is_published(self) -> bool:
        """Return True if images are also scored as EmoGen published it."""
        return "emogen" in self.params.scores.protocols


def models_of(params: "Params", bundled: Path, folders: Mapping[str, Path]) -> Models:
    """Return the foundation models that `params` select.

    `bundled` is models/miniature; `folders` has, by section, the folders of foundation models that were made with these
    params or that they name.
    """
    clip, note = _clip(params.foundation_clip, bundled / "clip", folders.get("foundation_clip"))
    vit = clip
    if params.foundation_vit is not None:
        vit, second = _clip(params.foundation_vit, bundled / "clip", folders.get("foundation_vit"))
        note = "; ".join(filter(None, (note, second)))
    (unet, vae, encoder), second = _diffusion(
        params.foundation_diffusion, clip, bundled / "diffusion", folders.get("foundation_diffusion")
    )
    captioner, third = _captioner(
        params.foundation_captioner, clip, bundled / "captioner", folders.get("foundation_captioner")
    )
    configs = json.dumps([dict(config) if config else None for config in (clip, vit, unet, vae, encoder)])
    return _counted(configs, captioner, tuple(text for text in (note, second, third) if text))


@cache
def _counted(configs: str, captioner: Captioner, notes: tuple[str, ...]) -> Models:
    """Return the models of these configurations, counted once per process."""
    clip, vit, unet, vae, encoder = json.loads(configs)
    return Models(clip, vit, unet, vae, captioner, notes, encoder)


def corpora_of(
    params: "Params", miniature: Path, curated: Curated | None = None, packed: Path = Path(),
    num_assumed: int | None = None,
) -> Corpora:  # fmt: skip
    """Return the counts of all corpora for `params`.

    `miniature` is the folder of the miniature's layouts. `curated` is the result of the last run of emoart; it is used
    only if that run had the same number of images. `packed` is the folder of the user's own corpora, `num_assumed` the
    number of images of an EmoSet folder that does not exist yet, by default that of EmoSet-118K.
    """
    world, scores = params.miniature, params.understanding_scores
    emoset_folder, art_folder = Path(params.emoset.folder), Path(params.emoart.folder)
    emoset = (
        _drawn(world.num_emoset) if emoset_folder == miniature / "emoset" else count_emoset(emoset_folder, num_assumed)
    )
    wikiart = _drawn(world.num_wikiart) if art_folder == miniature / "wikiart" else count_art(art_folder)
    emoset = replace(emoset, shard_images=params.emoset.shard_images)
    wikiart = replace(wikiart, shard_images=params.emoart.shard_images)
    if curated is None or curated.num_images != wikiart.total:
        emotions = PUBLISHED_ART_EMOTIONS if wikiart.is_missing else len(EMOTIONS)
        curated = Curated(wikiart.total, value("emoart_frac"), emotions)
        source = f"{figure('emoart_frac').status}: {figure('emoart_frac').source}"
    else:
        source = "measured by the last run"
    num_kept = wikiart.total * curated.share
    val, test = round(num_kept * params.emoart.val_frac), round(num_kept * params.emoart.test_frac)
    emoart = replace(wikiart, train=round(num_kept) - val - test, val=val, test=test, source=source)
    folders = {"fi": scores.fi_folder, "emotionroi": scores.emotionroi_folder}
    is_drawn = {name: Path(folders.get(name, scores.twitter_folder)).parent == miniature for name in scores.datasets}
    small = [getattr(world, f"num_{name}") if is_drawn[name] else SMALL_PUBLISHED[name] for name in scores.datasets]
    own = {name: count_packed(packed / name) for name in params.corpora if name not in ("emoset", "emoart")}
    return Corpora(emoset, wikiart, emoart, curated.num_emotions, tuple(small), own, params.corpora)


def count_emoset(folder: Path, num_assumed: int | None = None) -> Corpus:
    """Return the counts of a folder in EmoSet's official layout.

    If it is absent, they are those of the published EmoSet-118K, or of `num_assumed` images.
    """
    files = [folder / f"{split}.json" for split in SPLITS]
    if all(file.is_file() for file in files):
        numbers = dict(zip(SPLITS, (len(json.loads(file.read_bytes())) for file in files), strict=True))
        size = _sizes(folder / "image", _pixels("emoset"))
        return Corpus(numbers["train"], numbers["val"], numbers["test"], *size, f"counted in {folder}")
    val, test = (sum(counts[split] for counts in PUBLISHED.values()) for split in ("val", "test"))
    num_bytes, (width, height) = value("emoset_bytes"), _pixels("emoset")
    if num_assumed is not None:
        val, test = split_counts(num_assumed)
        note = f"assumed ({folder} does not exist), {num_bytes / 1e3:g} kB and {width:g} x {height:g} px each"
        return Corpus(num_assumed - val - test, val, test, num_bytes, width, height, note)
    note = f"published ({folder} does not exist); {num_bytes / 1e3:g} kB and {width:g} x {height:g} px are assumed"
    return Corpus(PUBLISHED_TOTAL - val - test, val, test, num_bytes, width, height, note, is_missing=True)


def count_packed(folder: Path) -> Corpus:
    """Return the counts of a packed corpus. Raises TableError if it has no shards."""
    files, rows = shard_paths(folder), read_shards(folder, columns=["split", "width", "height"])
    counts = Counter(rows["split"].to_pylist())
    num_bytes = sum(file.stat().st_size for file in files) / len(rows)
    width, height = (pc.mean(rows[name]).as_py() for name in ("width", "height"))
    return Corpus(
        counts["train"], counts["val"], counts["test"], num_bytes, width, height, f"counted in {folder}",
        shard_images=-(-len(rows) // len(files)),
    )  # fmt: skip


def count_art(folder: Path) -> Corpus:
    """Return the count of WikiArt's Parquet files or any folder of images, or of the published WikiArt if absent."""
    import pyarrow.parquet as pq

    size = _pixels("wikiart")
    assumed = f"{size[0]:g} x {size[1]:g} px are assumed"
    if files := parquet_files(folder):
        number = sum(pq.read_metadata(file).num_rows for file in files)
        mean = sum(file.stat().st_size for file in files) / max(number, 1)
        return Corpus(number, 0, 0, mean, *size, f"counted in {folder}; {assumed}")
    if number := sum(1 for _ in _images(folder)):
        return Corpus(number, 0, 0, *_sizes(folder, size), f"counted in {folder}")
    note = f"published ({folder} does not exist); {assumed}"
    return Corpus(WIKIART_PUBLISHED, 0, 0, value("wikiart_bytes"), *size, note, is_missing=True)


def _pixels(corpus: str) -> tuple[float, float]:
    """Return the assumed width and height of the images of a published corpus."""
    return value(f"{corpus}_width_px"), value(f"{corpus}_height_px")


def _drawn(number: int) -> Corpus:
    """Return the counts of a layout of the miniature, which is split like EmoSet."""
    val, test = split_counts(number)
    num_bytes = value("drawn_bytes")
    return Corpus(number - val - test, val, test, num_bytes, IMAGE_PX, IMAGE_PX, "drawn, set in params.yaml")


def split_counts(number: int) -> tuple[int, int]:
    """Return how many of some images are in the val and the test split, as EmoSet shares them."""
    return round(0.05 * number), round(0.15 * number)


def _sizes(folder: Path, otherwise: tuple[float, float]) -> tuple[float, float, float]:
    """Return the mean bytes, width and height of the first images, from file headers alone.

    `otherwise` is used for width and height if no header can be read.
    """
    from PIL import Image, UnidentifiedImageError

    files = list(islice(_images(folder), SAMPLED))
    sizes: list[tuple[int, int]] = []
    for file in files[:20]:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            continue  # the stage that packs it reports the error
    width, height = (sum(edges) / len(sizes) for edges in zip(*sizes, strict=True)) if sizes else otherwise
    return sum(file.stat().st_size for file in files) / max(len(files), 1), width, height


def _images(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.suffix.lower() in READABLE and not any(map(is_system_name, inside)):
            yield path


def _clip(section: "FoundationClip", bundled: Path, folder: Path | None) -> tuple[Config, str]:
    """Return open_clip's model_cfg, and a note that is empty unless it is assumed."""
    import open_clip

    from pipeline.foundation.training.clip import model_config

    if folder or section.source == "bundled":
        return _config(folder, bundled / bundle.CLIP, CONFIG)["model_cfg"], ""
    if section.source == "train":
        return model_config(section.recipe, MINIATURE_WORDS), ""
    name = CLIPS.get(section.hub_id or "", CLIP)
    expected = CLIP_HUB if name == CLIP else section.hub_id or ""
    return open_clip.get_model_config(name), _assumed(section, expected, f"CLIP {name}")


def _diffusion(
    section: "FoundationDiffusion", clip: Config, bundled: Path, folder: Path | None
) -> tuple[tuple[Config, Config, Config | None], str]:
    """Return the configurations of U-Net, VAE and second text encoder, and a note that is empty unless assumed.

    A U-Net to be trained takes the width of the text tower of `clip`.
    """
    import torch

    from pipeline.foundation.training.unet import build_unet
    from pipeline.foundation.training.vae import build_vae
    from pipeline.foundation.training.widened import second_sizes, widened_config

    if folder or section.source == "bundled":
        folders = (folder / "unet", folder / "vae") if folder else (None, None)
        encoder = json.loads(path.read_text()) if folder and (path := folder / ENCODER).is_file() else None
        return (_config(folders[0], bundled / bundle.UNET), _config(folders[1], bundled / bundle.VAE), encoder), ""
    if section.source == "bundled-xl":
        text = clip["text_cfg"]
        encoder = {
            **second_sizes(text["width"], text["heads"], text["layers"]), "projection_dim": clip["embed_dim"],
            "intermediate_size": 4 * text["width"], "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["context_length"], "bos_token_id": None, "eos_token_id": None,
        }  # fmt: skip
        width = text["width"] + encoder["hidden_size"]
        unet = widened_config(_config(None, bundled / bundle.UNET), width, clip["embed_dim"])
        return (unet, _config(None, bundled / bundle.VAE), encoder), ""
    if section.hub_id == XL_HUB:
        return (XL_UNET, XL_VAE, XL_SECOND), _assumed(section, XL_HUB, "Stable Diffusion XL")
    if section.source == "hub":
        return (UNET, VAE, None), _assumed(section, DIFFUSION_HUB, "Stable Diffusion 1.5")
    recipe = section.recipe
    side = IMAGE_PX // 2 ** (len(recipe.vae.channels) - 1)
    latent = torch.Size((recipe.vae.latent_channels, side, side))
    with META:
        unet, vae = build_unet(recipe.unet, latent, clip["text_cfg"]["width"]), build_vae(recipe.vae)
    return (dict(unet.config), dict(vae.config), None), ""


def _captioner(
    section: "FoundationCaptioner", clip: Config, bundled: Path, folder: Path | None
) -> tuple[Captioner, str]:
    """Return the captioner, and a note if its size is assumed; a size in a hub id, such as `7B`, is trusted.

    Of one to be trained, a Llama layer has 13 squares of its width (attention 4, three matrices of three times the
    width 9) and a ViT layer 12.
    """
    if folder or section.source == "bundled":
        files = sorted(folder.glob("*.safetensors")) if folder else [bundled / bundle.CAPTIONER]
        number, tokens = _num_parameters(files), _config(folder, bundled / bundle.CAPTIONER).get("image_seq_length")
        size = sum(file.stat().st_size for file in files) if folder else FP32 * number
        return Captioner(number, tokens, size), ""
    if section.source == "train":
        recipe, vision = section.recipe, clip["vision_cfg"]
        number = 13 * recipe.layers * recipe.width**2 + 12 * vision["layers"] * vision["width"] ** 2
        return Captioner(number, (vision["image_size"] // vision["patch_size"]) ** 2, FP32 * number), ""
    named = re.search(r"(\d+(?:\.\d+)?)B\b", section.hub_id or "")
    if section.hub_id == CAPTIONER_HUB or not named:
        note = _assumed(section, CAPTIONER_HUB, "Qwen2.5-VL-7B")
        return Captioner(QWEN_PARAMETERS, None, 2 * QWEN_PARAMETERS), note
    number = round(float(named[1]) * 1e9)
    note = f"{section.hub_id} is not downloaded: {named[1]} billion parameters in bf16 according to its name"
    return Captioner(number, None, 2 * number), note


def _assumed(section: "Foundation", expected: str, name: str) -> str:
    is_other = "" if section.hub_id == expected else ", which may be wrong"
    return f"{section.hub_id} is not downloaded: assumed architecture {name}{is_other}"


def _config(folder: Path | None, packed: Path, name: str = "config.json") -> Any:
    """Return a configuration from a folder, or from the metadata of a bundled model without reading its weights."""
    from safetensors import safe_open

    if folder:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    with safe_open(packed, "np") as file:
        return json.loads(json.loads(file.metadata()["files"])[name])


def _num_parameters(files: list[Path]) -> int:
    """Return the number of parameters in weights files, by their headers."""
    from safetensors import safe_open

    number = 0
    for file in files:
        with safe_open(file, "np") as weights:
            number += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return number
