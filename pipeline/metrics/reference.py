"""Store the real images that FID compares with: feature sums per emotion, under a key derived from their content.

The key covers the images' bytes, the backbone and the protocol: equal keys mean equal references, regardless of file
names. (The published code keeps these sums in the data folder and never checks that they are still valid.)
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS, INDEX
from pipeline.metrics.result import Measure, Protocol
from pipeline.metrics.statistics import Statistics, by_emotion
from pipeline.weights import load_safetensors, save_safetensors

KEY_DIGITS = 16
LABEL = "reference"


@dataclass(frozen=True)
class Reference:
    """Feature sums of each emotion, 0 to 7, for one backbone and protocol."""

    parts: dict[int, Statistics]
    measure: Measure
    key: str


def reference_of(
    features: NDArray[np.floating], emotions: NDArray[np.int64], key: str, backbone: str, protocol: Protocol = "clean"
) -> Reference:
    """Return the reference of real images with features ND and emotions N."""
    return Reference(by_emotion(features, emotions), Measure("fid", backbone, protocol), key)


def content_key(hashes: Iterable[str], *labels: str) -> str:
    """Return the first 16 hex digits of the SHA-256 over image hashes and labels.

    The order of the image hashes does not matter. Labels are for example the backbone and the hash of its weights.
    """
    text = json.dumps([sorted(hashes), labels])
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def weights_hash(path: Path) -> str:
    """Return 16 hex digits of a SHA-256 over a weights file, or over all weights files of a folder.

    They identify the backbone in a key.
    """
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:KEY_DIGITS]


def save_reference(reference: Reference, file: Path) -> None:
    """Write the file that `load_reference` reads."""
    import torch

    tensors = {
        f"{EMOTIONS[index]}/{name}": torch.as_tensor(getattr(part, name), dtype=torch.float64)
        for index, part in reference.parts.items()
        for name in ("n", "total", "outer")
    }
    measure = reference.measure
    label = {"key": reference.key, "backbone": measure.backbone, "protocol": measure.protocol}
    save_safetensors(file, tensors, {LABEL: json.dumps(label, sort_keys=True)})


def load_reference(file: Path) -> Reference:
    """Load a reference. Raises ValueError that names the file if it is missing or is not a reference."""
    tensors, metadata = load_safetensors(file)
    if LABEL not in metadata:
        raise ValueError(f"{file}: not an FID reference; delete it and run `dvc repro`")
    label = json.loads(metadata[LABEL])
    names = sorted({name.split("/")[0] for name in tensors}, key=INDEX.__getitem__)
    parts = {
        INDEX[name]: Statistics(
            float(tensors[f"{name}/n"]), tensors[f"{name}/total"].numpy(), tensors[f"{name}/outer"].numpy()
        )
        for name in names
    }
    return Reference(parts, Measure("fid", label["backbone"], label["protocol"]), label["key"])
