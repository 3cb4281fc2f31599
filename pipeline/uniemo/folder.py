"""Save and load an understanding model: weights.safetensors, attributes.safetensors, meta.json; and its CLIP.

meta.json holds the params, the temperature and the hash of the CLIP that the model was trained on. With another CLIP
the same weights mean nothing, so loading it raises ValueError. A model on a CLIP of its own (foundation_vit) carries it
in its subfolder clip; any other is loaded on foundation_clip.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.artifacts import read_object
from pipeline.corpora.records import shown
from pipeline.emotion_set import check_recorded_set, recorded_set
from pipeline.foundation.clip import CONFIG, load_clip
from pipeline.params import UniemoUnderstanding, parse_section
from pipeline.uniemo.attributes import Base, load_bases, save_bases
from pipeline.uniemo.chain import UnderstandingChain, build_chain
from pipeline.weights import load_trained, save_safetensors

KIND = "uniemo_understanding"
UNDERSTANDING = "understanding"  # subfolder of a joint model's folder
OWN_CLIP = "clip"  # subfolder of a model that was trained on another CLIP than foundation_clip
META, STATE = "meta.json", "weights.safetensors"
REMEDY = f"delete the folder and run `dvc repro {KIND}`"


@dataclass(frozen=True)
class Understanding:
    """A trained chain with the attribute bases by kind, the temperature of its logits, and its params.

    `own_clip` is the folder of a CLIP of its own, or None.
    """

    chain: UnderstandingChain
    bases: Mapping[str, Base]
    temperature: float
    settings: UniemoUnderstanding
    own_clip: Path | None = None


def save_understanding(
    folder: Path, settings: UniemoUnderstanding, clip: Path, weights: Mapping[str, Tensor],
    bases: Mapping[str, Base], temperature: float, is_own_clip: bool = False,
) -> None:  # fmt: skip
    """Write the folder; equal models give equal bytes.

    `weights` are the trained ones; a frozen ViT is stored only in the CLIP, which is copied into the folder if it is
    the model's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if is_own_clip:
        shutil.copytree(clip, folder / OWN_CLIP)
    meta = {"kind": KIND, "params": settings.model_dump(mode="json"), "clip": clip_digest(clip), **recorded_set()}
    text = json.dumps(meta | {"temperature": temperature}, indent=2, sort_keys=True)
    (folder / META).write_text(text + "\n", encoding="utf-8")
    save_safetensors(folder / STATE, weights, {"kind": KIND})
    save_bases(bases, folder)


def load_understanding(folder: Path, clip: Path, device: torch.device | str = "cpu") -> Understanding:
    """Return the understanding model of a folder on its CLIP, or the one in the folder of a joint model.

    `clip` is foundation_clip's folder; a model that carries a CLIP of its own does not use it. Raises ValueError if the
    folder or the CLIP is absent or damaged, or if the two do not match.
    """
    folder = folder / UNDERSTANDING if (folder / UNDERSTANDING).is_dir() else folder
    meta = _read_meta(folder)
    own_clip = folder / OWN_CLIP if (folder / OWN_CLIP).is_dir() else None
    clip = own_clip or clip
    if meta["clip"] != clip_digest(clip):
        raise ValueError(
            f"{folder} was trained on the CLIP {shown(str(meta['clip']))}, but {clip} is {clip_digest(clip)}. Use the "
            f"CLIP it was trained on, or retrain it by `dvc repro {KIND}`."
        )
    settings = parse_section(UniemoUnderstanding, meta["params"], folder / META)
    chain = build_chain(load_clip(clip, device).model.visual, settings, torch.Generator().manual_seed(0))
    load_trained(chain, folder / STATE)
    return Understanding(chain, load_bases(folder), float(meta["temperature"]), settings, own_clip)


def clip_digest(folder: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 over the config and weights of an open_clip folder.

    Raises ValueError if the folder is not an open_clip folder.
    """
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} is not an open_clip folder: {CONFIG} is missing; run `dvc repro foundation_clip`")
    digest = hashlib.sha256()
    for path in [folder / CONFIG, *sorted(folder.glob("*.safetensors"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = read_object(folder / META)
        if meta["kind"] != KIND:
            raise ValueError(f"kind is {shown(str(meta['kind']))}; expected {KIND}")
        if not float(meta["temperature"]) > 0:
            raise ValueError(f"temperature is {meta['temperature']}; must be > 0")
        dict(meta["params"]), meta["clip"]
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is not an understanding model: {META} is missing; run `dvc repro {KIND}`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / META} does not describe an understanding model: {error!r}; {REMEDY}") from None
    check_recorded_set(meta, folder)
    return meta
