"""Draw v without an image: from a Gaussian for each emotion, fitted on the features of train images.

`diagonal` is the usual choice in the field: independent dimensions, whose draws lie off the manifold of real features
(SCIENCE 2). `full` has a covariance with Ledoit-Wolf shrinkage, `mean` is the mean of the emotion, and `real` is a
feature of the val split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.corpora.records import shown
from pipeline.emotion_set import EMOTIONS
from pipeline.params import Source
from pipeline.runtime import seed_of
from pipeline.weights import load_safetensors, save_safetensors

SPACE = "space.safetensors"
NAMES = ("mean", "deviation", "factor", "real")
REMEDY = "delete the folder and run `dvc repro` to create it again"


@dataclass(frozen=True)
class Space:
    """Gaussians by part (v; three parts in UniEmo) and emotion.

    Each has mean D, deviation D, factor DD of the covariance, and real features ND. An emotion without images has no
    entries; drawing it raises ValueError.
    """

    tensors: Mapping[str, Tensor]

    def draw(self, part: str, emotion: int, source: Source, seed: int) -> Tensor:
        """Return one v, of shape D; the same seed gives the same v whatever else is drawn.

        Raises ValueError for an emotion without images, and with the source `real` for one without val images.
        """
        name = EMOTIONS[emotion]
        key = f"{part}/{name}"
        if f"{key}/mean" not in self.tensors:
            raise ValueError(f"the model was not trained on {name}: its corpus has no images of it")
        generator = torch.Generator().manual_seed(seed)
        mean = self.tensors[f"{key}/mean"]
        match source:
            case "mean":
                return mean
            case "diagonal":
                return mean + self.tensors[f"{key}/deviation"] * torch.randn(mean.shape, generator=generator)
            case "full":
                return mean + self.tensors[f"{key}/factor"] @ torch.randn(mean.shape, generator=generator)
            case "real":
                real = self.tensors.get(f"{key}/real")
                if real is None:
                    raise ValueError(f"the val split has no images of {name}; choose another source than real")
                return real[int(torch.randint(len(real), (1,), generator=generator))]

    def mixed(self, part: str, weights: Sequence[float], source: Source, seed: int) -> Tensor:
        """Return the weighted sum, D, of one v per emotion with a nonzero weight; `weights` are those of all eight."""
        samples = [
            weight * self.draw(part, index, source, seed_of(seed, "v", index))
            for index, weight in enumerate(weights)
            if weight
        ]
        return torch.stack(samples).sum(0)

    @property
    def emotions(self) -> list[str]:
        """Return the emotions that can be drawn."""
        return [name for name in EMOTIONS if any(key.split("/")[1] == name for key in self.tensors)]

    def width(self, part: str) -> int:
        """Return D of a part. Raises ValueError if the space does not have the part."""
        for key, tensor in self.tensors.items():
            if key.startswith(f"{part}/"):
                return tensor.shape[-1]
        raise ValueError(f"the space has no {part}, because it belongs to another kind of model; {REMEDY}")

    def save(self, folder: Path) -> None:
        save_safetensors(folder / SPACE, self.tensors)


def load_space(folder: Path) -> Space:
    """Return the space of a model's folder. Raises ValueError if the file is missing or damaged."""
    tensors, _ = load_safetensors(folder / SPACE)
    widths: dict[str, int] = {}
    for key in sorted({name.rpartition("/")[0] for name in tensors}):
        part, _, emotion = key.partition("/")
        shapes = {name: tuple(tensors[f"{key}/{name}"].shape) for name in NAMES if f"{key}/{name}" in tensors}
        width = widths.setdefault(part, (shapes.get("mean") or (0,))[0])
        expected = {"mean": (width,), "deviation": (width,), "factor": (width, width)}
        if shapes.get("real"):
            expected["real"] = (shapes["real"][0], width)
        if not width or emotion not in EMOTIONS or shapes != expected:
            raise ValueError(
                f"{folder / SPACE}: the shapes of {shown(key)} are {shapes}, expected {expected}; {REMEDY}"
            )
    return Space(tensors)


def fit_space(
    parts: Mapping[str, tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]],
) -> Space:
    """Return the Gaussians of parts: part -> (train features ND, emotions N, val features ND, emotions N)."""
    tensors: dict[str, Tensor] = {}
    for part, (train, emotions, val, val_emotions) in parts.items():
        for index in np.unique(emotions):
            key = f"{part}/{EMOTIONS[index]}"
            tensors |= {f"{key}/{name}": tensor for name, tensor in _fit(train[emotions == index]).items()}
            if (real := val[val_emotions == index]).size:
                tensors[f"{key}/real"] = torch.from_numpy(np.ascontiguousarray(real))
    return Space(tensors)


def _fit(features: NDArray[np.float32]) -> dict[str, Tensor]:
    """Return mean D, deviation D, and factor DD, where factor factor^T is the shrunk covariance.

    For a single image, deviation and factor are 0.
    """
    from sklearn.covariance import LedoitWolf

    mean = features.mean(0)
    covariance = LedoitWolf().fit(features).covariance_ if len(features) > 1 else np.zeros((len(mean), len(mean)))
    values, vectors = np.linalg.eigh(covariance)
    factor = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    named = {"mean": mean, "deviation": features.std(0, ddof=min(1, len(features) - 1)), "factor": factor}
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in named.items()}
