"""A generator on the disk: weights.safetensors, space.safetensors, meta.json; and what it needs beside it.

meta.json tells its kind, its params and the hashes of the foundation models that it was trained on: others would give
other pictures, so they are refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.conditioning.encoder import ConditionEncoder, condition_encoder
from pipeline.foundation.diffusion import WEIGHTS, load_pipeline
from pipeline.generation.sampling import EmotionGenerator
from pipeline.generation.space import Source, Space, load_space
from pipeline.weights import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

META, STATE = "meta.json", "weights.safetensors"


@dataclass(frozen=True)
class Foundation:
    """A Stable Diffusion and CLIP's text encoder around it, on one device, that generators are put onto."""

    pipeline: "StableDiffusionPipeline"
    encoder: ConditionEncoder
    digest: str


def load_foundation(diffusion: Path, clip: Path, device: torch.device | str = "cpu") -> Foundation:
    """From a diffusers and an open_clip folder."""
    pipeline = load_pipeline(diffusion, device)
    return Foundation(pipeline, condition_encoder(pipeline, clip).to(device), digest_of(diffusion))


def digest_of(diffusion: Path) -> str:
    """Of the U-Net and the text encoder of a diffusers folder: sixteen hex digits."""
    digest = hashlib.sha256()
    for part in (diffusion / "unet" / WEIGHTS, diffusion / "text_encoder" / "model.safetensors"):
        with part.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def model_hash(folder: Path) -> str:
    """Of every file of a generator: sixteen hex digits, which each of its images carries."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def save_generator(
    folder: Path, kind: str, params: Mapping[str, Any], digest: str,
    weights: Mapping[str, Tensor] | None = None, space: Space | None = None,
) -> None:  # fmt: skip
    """Writes the folder of a generator; equal models give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"kind": kind, "params": dict(params), "diffusion": digest}
    (folder / META).write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if weights is not None:
        save_safetensors(folder / STATE, weights, {"kind": kind})
    if space is not None:
        space.save(folder)


def read_meta(folder: Path) -> dict[str, Any]:
    """What meta.json says. ValueError where there is none or it is damaged."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        meta["kind"], meta["params"], meta["diffusion"]
    except FileNotFoundError:
        raise ValueError(f"{folder} is no generator: it has no {META}; `dvc repro` makes the models") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / META} is damaged: {error!r}; delete the folder and run `dvc repro`") from None
    return meta


def load_generator(folder: Path, foundation: Foundation, source: Source = "diagonal") -> EmotionGenerator:
    """Any generator, put onto a fresh foundation (its U-Net gets the generator's adapters).

    Raises ValueError for an unknown kind, and where the generator was trained on another diffusion model.
    """
    meta = read_meta(folder)
    if meta["diffusion"] != foundation.digest:
        raise ValueError(
            f"{folder} was trained on the diffusion model {meta['diffusion']}, and this is {foundation.digest}; give "
            "it its own, or train it again by `dvc repro`"
        )
    match meta["kind"]:
        case "prompt":
            return _prompt_generator(meta, foundation)
        case "coemogen":
            return _coemogen(folder, meta, foundation, source)
    raise ValueError(f"{folder}: unknown kind {meta['kind']!r}; this version knows prompt and coemogen")


def _prompt_generator(meta: Mapping[str, Any], foundation: Foundation) -> EmotionGenerator:
    from pipeline.generation.plain import PromptGenerator

    pipeline = foundation.pipeline
    return PromptGenerator(foundation.encoder, pipeline.tokenizer, meta["params"]["prompt"], pipeline.device)


def _coemogen(folder: Path, meta: Mapping[str, Any], foundation: Foundation, source: Source) -> EmotionGenerator:
    from pipeline.coemogen.generator import PART, CoEmoGenGenerator
    from pipeline.coemogen.model import build
    from pipeline.params import Coemogen
    from pipeline.training.denoising import noise_schedule

    pipeline, space = foundation.pipeline, load_space(folder)
    settings = Coemogen.model_validate(meta["params"])
    width = len(next(tensor for key, tensor in space.tensors.items() if key.startswith(f"{PART}/")))
    schedule = noise_schedule(pipeline)
    model = build(settings, pipeline, foundation.encoder, schedule, width, torch.Generator().manual_seed(0))
    load_trained(model, folder / STATE)
    return CoEmoGenGenerator(model.to(pipeline.device).eval(), pipeline.tokenizer, space, source)


def load_trained(model: torch.nn.Module, file: Path) -> None:
    """Puts the weights of a file into the trained parameters of a model. ValueError unless they are exactly these."""
    wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    state, _ = load_safetensors(file)
    if state.keys() != wanted.keys() or any(state[name].shape != p.shape for name, p in wanted.items()):
        raise ValueError(f"{file} does not hold the weights that its {META} tells of; run `dvc repro` to make it again")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(state[name])
