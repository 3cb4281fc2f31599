"""Save and load a generator: weights.safetensors, space.safetensors, meta.json; and the foundation beside it.

meta.json holds the kind, the params and the hash of the diffusion model that the generator was trained on. Another
diffusion model would give other images, so it is refused. It also lists the emotions that the generator was trained on,
unless it has a space, which holds them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.artifacts import read_object
from pipeline.emotion_set import EMOTIONS, check_recorded_set, recorded_set
from pipeline.foundation.base import Base
from pipeline.foundation.bases import base_of
from pipeline.generation.space import SPACE, Space, load_space
from pipeline.weights import save_safetensors

META, STATE = "meta.json", "weights.safetensors"


@dataclass(frozen=True)
class Foundation:
    """A base on one device, to which generators are attached.

    `clip` is the open_clip folder, `digest` the hash of the base.
    """

    base: Base
    clip: Path
    digest: str


def load_foundation(diffusion: Path, clip: Path, device: torch.device | str = "cpu") -> Foundation:
    """Return the foundation from a diffusers folder and an open_clip folder."""
    return Foundation(base_of(diffusion).load(diffusion, clip, device), clip, digest_of(diffusion))


def digest_of(diffusion: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 over denoiser and text encoders of a diffusers folder."""
    digest = hashlib.sha256()
    for path in base_of(diffusion).weights(diffusion):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def model_hash(folder: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 over all files of a generator's folder.

    Each of its images carries this hash.
    """
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def save_generator(
    folder: Path, kind: str, params: Mapping[str, Any], digest: str,
    weights: Mapping[str, Tensor] | None = None, space: Space | None = None, emotions: Sequence[str] = EMOTIONS,
) -> None:  # fmt: skip
    """Write the folder of a generator; equal models give equal bytes.

    `emotions` are those that a generator without a space was trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {"kind": kind, "params": dict(params), "diffusion": digest, **recorded_set()}
    if space is None:
        meta["emotions"] = list(emotions)
    (folder / META).write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if weights is not None:
        save_safetensors(folder / STATE, weights, {"kind": kind})
    if space is not None:
        space.save(folder)


def known_emotions(folder: Path) -> tuple[str, ...]:
    """Return the emotions that a generator draws, in the order of EMOTIONS: those that it was trained on.

    Raises ValueError if the folder is damaged.
    """
    if (folder / SPACE).is_file():
        return tuple(load_space(folder).emotions)
    listed = read_meta(folder).get("emotions")
    if not isinstance(listed, list) or not listed or any(emotion not in EMOTIONS for emotion in listed):
        raise ValueError(
            f"{folder / META} lists no emotions that it was trained on; delete the folder and run `dvc repro`"
        )
    return tuple(emotion for emotion in EMOTIONS if emotion in listed)


def read_meta(folder: Path) -> dict[str, Any]:
    """Return the contents of meta.json.

    Raises ValueError if the file is missing or damaged, or if the generator knows other emotions than emotions.yaml.
    """
    try:
        meta = read_object(folder / META)
        meta["kind"], dict(meta["params"]), meta["diffusion"]
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{folder} is not the folder of a generator: it has no {META}; run `dvc repro` to train the models"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / META} is damaged: {error!r}; delete the folder and run `dvc repro`") from None
    check_recorded_set(meta, folder)
    return meta
