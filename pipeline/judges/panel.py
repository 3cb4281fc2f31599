"""Provide the judges to later stages: images in; probabilities of emotion, scene and object, and Sem-C out.

Scenes and objects come from the heads trained here, which have the class `none`, or from published networks, which do
not (pipeline/judges/pretrained.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.emotion_set import check_recorded_set, recorded_set
from pipeline.judges.examples import NONE, Names, square
from pipeline.judges.pixels import PixelJudge
from pipeline.judges.pretrained import PublishedJudge, load_published, save_published
from pipeline.params import Backbone
from pipeline.weights import load_safetensors, save_safetensors

FILE, SCENE_FILE, OBJECT_FILE = "judge.safetensors", "scene.safetensors", "object.safetensors"
SCENE_KIND, OBJECT_KIND = "places", "imagenet"
SHAPE = "judge"
BATCH = 100
MAX_IMAGE_PX = 4096

Floats = NDArray[np.float32]
Pictures = Sequence[Image.Image] | NDArray[np.uint8]


@dataclass(frozen=True)
class Verdicts:
    """Judgements of N images.

    emotions N8 (calibrated), scenes and objects N x names, each row a softmax; features ND, pooled.
    """

    emotions: Floats
    scenes: Floats
    objects: Floats
    features: Floats

    def __len__(self) -> int:
        return len(self.emotions)


@dataclass(frozen=True)
class Judges:
    """The judge networks in evaluation mode. `names` belong to the trained heads; a published judge has its own."""

    network: PixelJudge
    backbone: Backbone
    image_px: int
    names: Names
    scene_judge: PublishedJudge | None = None
    object_judge: PublishedJudge | None = None

    @property
    def scene_names(self) -> tuple[str, ...]:
        """Return the names of the columns of Verdicts.scenes; the first is `none` unless the judge is published."""
        return self.scene_judge.names if self.scene_judge else self.names.scenes

    @property
    def object_names(self) -> tuple[str, ...]:
        """Return the names of the columns of Verdicts.objects; the first is `none` unless the judge is published."""
        return self.object_judge.names if self.object_judge else self.names.objects

    def judge(self, pictures: Pictures) -> Verdicts:
        """Return the verdicts on at least one RGB image of any size (PIL, or BHWC uint8), computed in batches."""
        parts = [self._judge(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        return joined(parts)

    def clarity(self, verdicts: Verdicts) -> Floats:
        """Return Sem-C of each image: the largest probability of any scene or object except `none`.

        verdicts of N images -> N float32 in [0, 1], or NaN if the judges know no scene and no object
        """
        pairs = ((verdicts.scenes, self.scene_names), (verdicts.objects, self.object_names))
        named = np.concatenate([values[:, 1:] if names[0] == NONE else values for values, names in pairs], 1)
        largest: Floats = named.max(1) if named.shape[1] else np.full(len(named), np.nan, np.float32)
        return largest

    @torch.inference_mode()
    def feature_maps(self, pictures: Pictures) -> list[Tensor]:
        """Return the feature maps of each level, fine to coarse, on the judges' device; one forward pass.

        RGB images -> list of maps BCHW
        """
        return self.network.feature_maps(self._squares(_as_images(pictures)))

    @torch.inference_mode()
    def emotion_logits(self, pictures: Pictures) -> Floats:
        """Return the emotion logits before temperature scaling, computed in batches: N RGB images -> N8."""
        starts = range(0, len(pictures), BATCH)
        parts = [self.network(self._squares(_as_images(pictures[at : at + BATCH]))).emotions for at in starts]
        return np.asarray(torch.cat(parts).cpu().numpy())

    @torch.inference_mode()
    def _judge(self, pictures: Pictures) -> Verdicts:
        images = _as_images(pictures)
        logits = self.network(self._squares(images))
        emotions = (logits.emotions / self.network.temperature).softmax(1)
        scenes = self.scene_judge.probabilities(images) if self.scene_judge else logits.scenes.softmax(1)
        objects = self.object_judge.probabilities(images) if self.object_judge else logits.objects.softmax(1)
        return Verdicts(*(part.cpu().numpy() for part in (emotions, scenes, objects, logits.features)))

    def _squares(self, images: Sequence[Image.Image]) -> Tensor:
        """Return the images as squares BHWC uint8 on the judges' device."""
        squares = np.stack([square(image, self.image_px) for image in images])
        return torch.from_numpy(squares).to(self.network.temperature.device)


def joined(parts: Sequence[Verdicts]) -> Verdicts:
    """Return the concatenation of several verdicts."""
    names = ("emotions", "scenes", "objects", "features")
    return Verdicts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def save_judges(judges: Judges, folder: Path, metadata: Mapping[str, str]) -> None:
    """Write everything that `load_judges` needs, including copies of the published networks."""
    shape = {
        "backbone": judges.backbone,
        "image_px": judges.image_px,
        "scenes": judges.names.scenes,
        "objects": judges.names.objects,
    }
    text = json.dumps(shape, sort_keys=True, ensure_ascii=False)
    save_safetensors(folder / FILE, judges.network.state_dict(), {**metadata, **recorded_set(), SHAPE: text})
    for judge, name in ((judges.scene_judge, SCENE_FILE), (judges.object_judge, OBJECT_FILE)):
        if judge:
            save_published(judge, folder / name)


def load_judges(folder: Path, device: torch.device | str = "cpu") -> Judges:
    """Load the judges of a folder.

    Raises ValueError that names the file if one is missing or damaged, or knows other emotions than emotions.yaml.
    """
    state, metadata = load_safetensors(folder / FILE)
    check_recorded_set(metadata, folder / FILE)
    try:
        shape = json.loads(metadata[SHAPE])
        names = Names(tuple(shape["scenes"]), tuple(shape["objects"]))
        if shape["backbone"] not in get_args(Backbone) or not 1 <= shape["image_px"] <= MAX_IMAGE_PX:
            raise ValueError(f"invalid backbone {shape['backbone']} or image size {shape['image_px']} px")
        network = PixelJudge(shape["backbone"], *(len(state.get(f"{head}.bias", ())) for head in ("scenes", "objects")))
        network.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder / FILE}: not a judge of this project: {' '.join(str(error).split())[:300]}"
        ) from None
    scenes, objects = (
        published_on(folder / name, kind, device) if head is None else None
        for name, kind, head in (
            (SCENE_FILE, SCENE_KIND, network.scenes), (OBJECT_FILE, OBJECT_KIND, network.objects),
        )
    )  # fmt: skip
    network = network.to(device).eval()
    return Judges(network, shape["backbone"], shape["image_px"], names, scenes, objects)


def published_on(file: Path, kind: str, device: torch.device | str) -> PublishedJudge:
    """Load a published judge and move it to a device."""
    judge = load_published(file, kind)
    judge.net.to(device)
    return judge


def _as_images(pictures: Pictures) -> list[Image.Image]:
    return [Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture for picture in pictures]
