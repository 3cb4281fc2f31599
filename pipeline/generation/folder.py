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

from pipeline.artifacts import read_object
from pipeline.conditioning.encoder import ConditionEncoder, condition_encoder
from pipeline.foundation.diffusion import WEIGHTS, load_pipeline
from pipeline.generation.space import Space
from pipeline.weights import save_safetensors

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

META, STATE = "meta.json", "weights.safetensors"


@dataclass(frozen=True)
class Foundation:
    """A Stable Diffusion and CLIP's text encoder around it, on one device, that generators are put onto.

    clip: the open_clip folder; digest: of the diffusion model.
    """

    pipeline: "StableDiffusionPipeline"
    encoder: ConditionEncoder
    clip: Path
    digest: str


def load_foundation(diffusion: Path, clip: Path, device: torch.device | str = "cpu") -> Foundation:
    """From a diffusers and an open_clip folder."""
    pipeline = load_pipeline(diffusion, device)
    return Foundation(pipeline, condition_encoder(pipeline, clip).to(device), clip, digest_of(diffusion))


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
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
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
        meta = read_object(folder / META)
        meta["kind"], dict(meta["params"]), meta["diffusion"]
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is no generator: it has no {META}; `dvc repro` makes the models") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / META} is damaged: {error!r}; delete the folder and run `dvc repro`") from None
    return meta
