"""Read emotions with a trained understanding model: an image in, its emotions, attributes and attention out.

    read = EmotionReader.from_pretrained("models/uniemo_understanding")
    reading = read("picture.jpg")
    reading.emotions["awe"], reading.polarities["positive"], reading.attributes["scene"]
    read.overlay("picture.jpg", reading)["object"].save("where.png")

It reads from the image alone and uses no annotated emotion and no correlation coefficient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import torch
from PIL import Image

from pipeline.corpora.images import read_image, to_rgb
from pipeline.emotion_set import EMOTIONS, POLARITIES, polarity
from pipeline.runtime import device as usual_device
from pipeline.uniemo.attention import Map, overlay
from pipeline.uniemo.folder import Understanding, load_understanding
from pipeline.uniemo.pictures import ClipInput, square_of

Picture = str | Path | Image.Image
NUM_NEAREST = 3
BATCH_SIZE = 32


@dataclass(frozen=True)
class Reading:
    """Reading of one image: probabilities of emotions and of polarities, each summing to 1, calibrated on val.

    `attributes` has, for the kinds scene and object, the nearest attributes of the train split with their cosine,
    nearest first. `attention` has for each kind where its queries look: HW over the patches of the central square,
    summing to 1.
    """

    emotions: Mapping[str, float]
    polarities: Mapping[str, float]
    attributes: Mapping[str, list[tuple[str, float]]]
    attention: Mapping[str, Map]


@dataclass(frozen=True)
class EmotionReader:
    """A trained understanding model that reads images of any size and mode; it sees their central square."""

    understanding: Understanding

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, clip: str | Path | None = None, device: torch.device | str | None = None
    ) -> "EmotionReader":
        """Return a reader of the model in a folder such as models/uniemo_understanding.

        For a joint model such as models/uniemo_joint, the understanding model in its folder is used. `clip` is the
        folder of the CLIP that it was trained on, by default foundation/clip beside the folder. `device` defaults to
        EVOKE_DEVICE, else to a GPU if there is one. Raises ValueError if a folder is absent or damaged, or if the CLIP
        is a different one.
        """
        folder = Path(folder)
        beside = folder.absolute().parent / "foundation/clip"
        return cls(load_understanding(folder, Path(clip) if clip else beside, device or usual_device()))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of attributes that the model has queries for: scene, object, both or none."""
        return self.understanding.chain.kinds

    @overload
    def __call__(self, images: Picture) -> Reading: ...  # type: ignore[overload-overlap]  # a str is a sequence of str

    @overload
    def __call__(self, images: Sequence[Picture]) -> list[Reading]: ...

    def __call__(self, images: Picture | Sequence[Picture]) -> Reading | list[Reading]:
        """Return the reading of one image, or the list of readings of several images.

        Raises ValueError for a file that is not a complete image.
        """
        if isinstance(images, Picture):
            return self([images])[0]
        starts = range(0, len(images), BATCH_SIZE)
        return [reading for start in starts for reading in self._batch(images[start : start + BATCH_SIZE])]

    @staticmethod
    def overlay(image: Picture, reading: Reading) -> dict[str, Image.Image]:
        """Return the square that was read, by kind of queries, with their attention overlaid as heat."""
        picture = opened(image)
        square = Image.fromarray(square_of(picture, min(picture.size)))
        return {kind: overlay(square, attention) for kind, attention in reading.attention.items()}

    @torch.inference_mode()
    def _batch(self, images: Sequence[Picture]) -> list[Reading]:
        chain, bases = self.understanding.chain, self.understanding.bases
        device = chain.backbone.conv1.weight.device
        edge = self.understanding.settings.image_px
        squares = torch.from_numpy(np.stack([square_of(opened(image), edge) for image in images])).to(device)
        understood = chain(ClipInput(chain.backbone).to(device)(squares), attention=True)
        probabilities = (understood.logits.float() / self.understanding.temperature).softmax(1).tolist()
        seen, grid = understood.seen, chain.backbone.grid_size
        nearest = {kind: bases[kind].nearest(each.joint, NUM_NEAREST) for kind, each in seen.items()}
        maps = {kind: each.attention.float().cpu().numpy().reshape(-1, *grid) for kind, each in seen.items()}
        return [
            Reading(
                dict(zip(EMOTIONS, row, strict=True)),
                polarities_of(row),
                {kind: names[index] for kind, names in nearest.items()},
                {kind: map_NHW[index] for kind, map_NHW in maps.items()},
            )
            for index, row in enumerate(probabilities)
        ]


def opened(image: Picture) -> Image.Image:
    """Return an upright RGB image from a path or image. Raises RejectedError, a ValueError, for a defective file."""
    return to_rgb(image if isinstance(image, Image.Image) else read_image(Path(image)))


def polarities_of(probabilities: Sequence[float]) -> dict[str, float]:
    """Return the sums by polarity of probabilities given in the order of EMOTIONS."""
    sums = dict.fromkeys(map(str, POLARITIES), 0.0)
    for emotion, probability in zip(EMOTIONS, probabilities, strict=True):
        if sign := polarity(emotion):
            sums[sign] += probability
    return sums
