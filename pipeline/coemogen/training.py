"""Train CoEmoGen: the cached inputs of each batch, the task for the shared training loop, and the final summary."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.coemogen.generator import PART, CoEmoGenGenerator
from pipeline.coemogen.model import CoEmoGen
from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.emotion_set import EMOTIONS
from pipeline.features import feature_matrix, feature_table
from pipeline.generation.request import request
from pipeline.generation.sampling import sample, sampling_of
from pipeline.generation.space import Space, fit_space
from pipeline.rows import emotion_indices, is_trained_on
from pipeline.sheet import contact_sheet
from pipeline.training.curves import final_values
from pipeline.training.denoising import draw_diffusion
from pipeline.training.latents import LatentCache, draw_mirrored
from pipeline.training.loop import Batch, Task, Trained
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import row_order

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.corpora.records import TrainingSplits
    from pipeline.params import Coemogen, Images, TextSpace

SHEET_COLUMNS = 8
BATCH = 250  # captions per forward pass


@dataclass(frozen=True)
class Inputs:
    """The N training images, each once: emotions N, v ND, caption features ND, and rows N in the latent cache."""

    emotions: NDArray[np.int64]
    visual: Tensor
    captions: Tensor
    latent_rows: Tensor
    latents: LatentCache


def inputs(
    corpus: pa.Table, features: pa.Table, captions: pa.Table, kept: pa.Table, latents: LatentCache,
    splits: "TrainingSplits" = "train",
) -> Inputs:  # fmt: skip
    """Return the images of the training splits whose captions passed the filter.

    The four tables list the same images in the same order. `corpus` has image_id, emotion, split; `features` and
    `captions` have feature; `kept` has kept.
    """
    rows = np.flatnonzero(is_trained_on(corpus, splits) & kept["kept"].to_numpy(zero_copy_only=False))
    ids = corpus["image_id"].to_pylist()
    place = {image_id: index for index, image_id in enumerate(latents.image_ids)}
    return Inputs(
        emotion_indices(corpus)[rows],
        torch.from_numpy(feature_matrix(features)[rows]),
        torch.from_numpy(feature_matrix(captions)[rows]),
        torch.tensor([place[ids[row]] for row in rows]),
        latents,
    )


@torch.inference_mode()
def caption_vectors(captions: pa.Table, encoder: ConditionEncoder, space: "TextSpace") -> pa.Table:
    """Return captions, with image_id and caption, as unit vectors of the base's own space: image_id, feature."""
    texts = [encoder.fitted(caption or "") for caption in captions["caption"].to_pylist()]
    parts = [
        encoder.of(texts[start : start + BATCH]).text_vectors(space).float().cpu().numpy()
        for start in range(0, len(texts), BATCH)
    ]
    return feature_table(captions, parts, parts[0].shape[1])


def drawer(inputs: Inputs, model: CoEmoGen, settings: "Coemogen") -> Callable[[Tensor, torch.Generator], Batch]:
    """Return a function from rows and a generator to a batch; all its randomness comes from the generator."""

    def draw(rows: Tensor, generator: torch.Generator) -> Batch:
        mirrored = draw_mirrored(len(rows), settings.mirror, generator)
        latents = inputs.latents.draw(inputs.latent_rows[rows], mirrored, generator)
        return {
            **draw_diffusion(model.base.schedule, latents, settings.text_dropout, generator),
            "emotions": torch.eye(len(EMOTIONS))[torch.from_numpy(inputs.emotions)[rows]],
            "visual": inputs.visual[rows],
            "caption": inputs.captions[rows],
        }

    return draw


def visual_space(corpus: pa.Table, features: pa.Table, training_splits: "TrainingSplits" = "train") -> Space:
    """Return the Gaussians of v fitted on the training splits, with the features of the val split as real ones."""
    splits, emotions, matrix = np.array(corpus["split"].to_pylist()), emotion_indices(corpus), feature_matrix(features)
    train, val = is_trained_on(corpus, training_splits), splits == "val"
    return fit_space({PART: (matrix[train], emotions[train], matrix[val], emotions[val])})


def task(
    model: CoEmoGen, inputs: Inputs, space: Space, settings: "Coemogen", images: "Images",
    generator: np.random.Generator,
) -> Task:  # fmt: skip
    """Return the task for the training loop.

    `images` tells how contact sheets are sampled; `generator` draws the order of the images.
    """
    shown = [request(name, seed) for name in space.emotions for seed in range(SHEET_COLUMNS)]
    sampler = CoEmoGenGenerator(model, space, images.source)

    def sheet() -> "Image.Image":
        samples = sample(model.base, sampler, shown, sampling_of(images))
        return contact_sheet(list(samples), SHEET_COLUMNS)

    order = row_order(inputs.emotions, settings.sampler, generator)
    rates = {"embedding": settings.embedding_rate}
    return Task("coemogen", model, order, drawer(inputs, model, settings), optimization_of(settings), rates, sheet)


def summary(trained: Trained, model: CoEmoGen, inputs: Inputs) -> dict[str, float]:
    """Return the numbers of images, adapters and parameters, and the final losses."""
    parts = {"adapters": "unet.", "embedding": "embedding."}
    sizes = {
        f"num_parameters_{part}": sum(t.numel() for name, t in trained.weights.items() if name.startswith(prefix))
        for part, prefix in parts.items()
    }
    counts = {
        f"num_train_{name}": int(count)
        for name, count in zip(EMOTIONS, np.bincount(inputs.emotions, minlength=len(EMOTIONS)), strict=True)
    }
    numbers = {"num_train": len(inputs.emotions), "num_adapters": len(model.hilora.names)}
    return numbers | counts | sizes | final_values(trained)
