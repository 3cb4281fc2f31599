"""Generate images with a trained model: emotions in, images out.

    pipe = EmotionPipeline.from_pretrained("models/coemogen_emoset")
    pipe("awe", num_images=4, seed=1)
    pipe("awe", prompt="{S} street")              # transfer
    pipe({"awe": 0.6, "fear": 0.4}, strength=0.8)  # fusion, weaker than trained

Every kind of model in models/ works. The plan of a stage with thousands of images is in pipeline/generation/images.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.conditioning.prompts import GAP
from pipeline.corpora.records import shown
from pipeline.generation.defaults import BATCH_SIZE, GUIDANCE, SOLVER, SOURCE, STEPS
from pipeline.generation.folder import Foundation, load_foundation, model_hash, read_meta
from pipeline.generation.load import load_generator
from pipeline.generation.request import Request, request
from pipeline.generation.sampling import EmotionGenerator, Sampling, sample
from pipeline.params import Solver, Source
from pipeline.runtime import device as usual_device
from pipeline.runtime import seed_of

if TYPE_CHECKING:
    import torch


FOUNDATION = {"diffusion": "foundation/diffusion", "clip": "foundation/clip"}


@dataclass(frozen=True)
class EmotionPipeline:
    """A generator on its foundation. `model` is the hash of its folder, which manifests and exports carry."""

    foundation: Foundation
    generator: EmotionGenerator
    model: str

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        diffusion: str | Path | None = None,
        clip: str | Path | None = None,
        device: "str | torch.device | None" = None,
        source: Source = SOURCE,
    ) -> "EmotionPipeline":
        """Return the pipeline of a model folder such as models/coemogen_emoset.

        `diffusion` and `clip` are the folders of the foundation models that it was trained on, by default
        foundation/diffusion and foundation/clip beside the folder. `device` defaults to EVOKE_DEVICE, else to a GPU if
        there is one. `source` tells where v comes from: diagonal, full, mean or real (pipeline/generation/space.py).
        Raises ValueError if a folder is absent, damaged, or belongs to another model.
        """
        folder = Path(folder)
        if source not in get_args(Source):
            raise ValueError(f"source = {source!r}: allowed are {', '.join(get_args(Source))}")
        read_meta(folder)
        parts = _foundation_folders(folder, {"diffusion": diffusion, "clip": clip})
        foundation = load_foundation(parts["diffusion"], parts["clip"], device or usual_device())
        return cls(foundation, load_generator(folder, foundation, source), model_hash(folder))

    def __call__(
        self,
        emotion: str | Mapping[str, float],
        num_images: int = 1,
        seed: int = 0,
        prompt: str = GAP,
        strength: float = 1.0,
        steps: int = STEPS,
        guidance: float = GUIDANCE,
        solver: Solver = SOLVER,
        batch_size: int = BATCH_SIZE,
        negative_prompt: str = "",
    ) -> list[Image.Image]:
        """Return images of an emotion, or of several by weight (weights are normalised to sum to 1).

        In `prompt`, {S} stands for the emotion: "{S} street" transfers it to a street. `strength` is that of the
        emotion: 0 none, 1 as trained. `steps`, `guidance` (1 turns it off), `solver` and `negative_prompt` (what
        guidance leads away from) control the denoising. The images depend on the seed alone, as described in `planned`:
        the first of four equals the first of one, except for the last bits. Raises ValueError for an unknown emotion,
        for an emotion that the model does not know, and for numbers out of range.
        """
        requests = planned(emotion, num_images, seed, prompt, strength)
        sampling = Sampling(steps, guidance, solver, batch_size, negative_prompt=negative_prompt)
        return [Image.fromarray(image) for image in self.pictures(requests, sampling)]

    @property
    def source(self) -> str:
        """Return where v comes from, or an empty string for a kind of model without v."""
        return str(getattr(self.generator, "source", ""))

    def pictures(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
        """Yield images HW3 uint8, one per request. The seed of a manifest row gives the same image again."""
        return sample(self.foundation.base, self.generator, requests, sampling)


def planned(
    emotion: str | Mapping[str, float], num_images: int, seed: int, prompt: str = GAP, strength: float = 1.0
) -> list[Request]:
    """Return the requests of a run for `num_images` images; image i has the seed seed_of(seed, "generate", i).

    Raises ValueError for an unknown emotion, for numbers out of range, and for a prompt without {S}.
    """
    if num_images < 1:
        raise ValueError(f"num_images = {num_images}: allowed is a whole number >= 1")
    if GAP not in prompt:
        raise ValueError(f"the prompt {shown(prompt)} has no {GAP}, which stands for the emotion, as in '{GAP} street'")
    return [request(emotion, seed_of(seed, "generate", index), prompt, strength) for index in range(num_images)]


def _foundation_folders(folder: Path, paths: Mapping[str, str | Path | None]) -> dict[str, Path]:
    """Return the folders of the foundation models by name. Raises ValueError if one is absent."""
    beside = folder.absolute().parent
    folders = {name: Path(path) if path else beside / FOUNDATION[name] for name, path in paths.items()}
    for name, path in folders.items():
        if not path.is_dir():
            raise ValueError(
                f"{path} does not exist: {folder} needs the {name} model that it was trained on; run `dvc repro "
                f"foundation_{name}` to create it, or pass its folder (diffusion and clip)"
            )
    return folders
