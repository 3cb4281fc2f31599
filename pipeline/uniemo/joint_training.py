"""Train UniEmo's second stage: its batches, its task for the training loop, its Gaussians and its metrics.

If generated images are among the inputs, this is also the third stage, explicit feedback (III-D). Generated images have
an emotion but no attributes, so Eq. 4 skips them, and the Gaussians are fitted on real images alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import Foundation
from pipeline.generation.request import request
from pipeline.generation.sampling import sample, sampling_of
from pipeline.generation.space import Space, fit_space
from pipeline.rows import emotion_indices
from pipeline.sheet import contact_sheet
from pipeline.training.curves import final_values
from pipeline.training.denoising import draw_diffusion
from pipeline.training.latents import LatentCache, draw_mirrored
from pipeline.training.loop import Batch, Task, Trained
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import RowOrder
from pipeline.uniemo import understanding
from pipeline.uniemo.folder import Understanding
from pipeline.uniemo.generator import UniEmoGenerator
from pipeline.uniemo.joint import UniEmo, pooled
from pipeline.uniemo.joint_folder import save_joint
from pipeline.uniemo.pictures import ClipInput, Squares, mirror_map
from pipeline.uniemo.understanding import Inputs

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.corpora.records import TrainingSplits
    from pipeline.params import Images

SHEET_COLUMNS = 8
GENERATED = "generated"  # split of the generated images that are fed back


@dataclass(frozen=True)
class JointInputs:
    """Inputs of the joint training.

    `pictures` holds the real images of all splits, then the generated ones. `trained` holds the rows of the N images
    that are trained on, real ones first, and `latent_rows` their rows in the latent cache, N. The last `num_generated`
    of them are generated.
    """

    pictures: Inputs
    trained: NDArray[np.int64]
    latent_rows: Tensor
    latents: LatentCache
    num_generated: int = 0

    @property
    def num_real(self) -> int:
        """Return how many of the images that are trained on are real; these come first."""
        return len(self.trained) - self.num_generated

    @property
    def emotions(self) -> NDArray[np.int64]:
        """Return the emotions of the images that are trained on, N."""
        return self.pictures.emotions[self.trained]


def inputs(
    corpus: pa.Table, pictures: Inputs, latents: LatentCache, generated: pa.Table | None = None,
    splits: "TrainingSplits" = "train",
) -> JointInputs:  # fmt: skip
    """Return the inputs of the joint training.

    `corpus` has image_id of the real images in the order of `pictures`; `generated` has image_id and emotion of the
    generated images that follow them.
    """
    ids = corpus["image_id"].to_pylist() + (generated["image_id"].to_pylist() if generated is not None else [])
    num_generated = len(generated) if generated is not None else 0
    trained = np.concatenate([trained_rows(pictures, splits), np.arange(len(ids) - num_generated, len(ids))])
    place = {image_id: index for index, image_id in enumerate(latents.image_ids)}
    return JointInputs(pictures, trained, torch.tensor([place[ids[row]] for row in trained]), latents, num_generated)


def trained_rows(pictures: Inputs, splits: "TrainingSplits") -> NDArray[np.int64]:
    """Return the rows of the real images that are trained on."""
    return pictures.rows("train") if splits == "train" else np.flatnonzero(pictures.splits != GENERATED)


def with_generated(pictures: Inputs, generated: pa.Table, squares: Squares) -> Inputs:
    """Return the real images followed by generated ones, which get a split of their own and no attributes.

    `generated` has the column emotion. `squares` holds the squares of all images.
    """
    assert len(squares) == len(pictures.splits) + len(generated), f"{len(squares)} squares"

    def unannotated(masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
        return {kind: np.pad(mask, ((0, len(generated)), (0, 0))) for kind, mask in masks.items()}

    return replace(
        pictures,
        squares=squares,
        emotions=np.concatenate([pictures.emotions, emotion_indices(generated)]),
        splits=np.concatenate([pictures.splits, np.full(len(generated), GENERATED, object)]),
        targets=unannotated(pictures.targets),
        contrasted=unannotated(pictures.contrasted),
    )


def drawer(inputs: JointInputs, model: UniEmo) -> Callable[[Tensor, torch.Generator], Batch]:
    """Return a function from positions in `inputs.trained` and a generator to a batch.

    Chain and autoencoder see the same image, mirrored or not.
    """
    settings, learner = model.settings, model.learner
    understood = understanding.drawer(inputs.pictures, inputs.trained, learner.chain.kinds, learner.settings)

    def draw(places: Tensor, generator: torch.Generator) -> Batch:
        size = len(places)
        batch = understood(places, generator)
        mirrored = draw_mirrored(size, settings.mirror, generator)
        latents = inputs.latents.draw(inputs.latent_rows[places], mirrored, generator)
        return {
            **batch,
            "crops": mirror_map(mirrored),
            "one_hot": torch.eye(len(EMOTIONS))[batch["emotions"]],
            **draw_diffusion(model.base.schedule, latents, settings.text_dropout, generator),
        }

    return draw


class Gaussians:
    """The Gaussians of a model in training, refitted only if its weights have changed since the last call.

    The last contact sheet and the finished model share them, which saves a pass over the train split.
    """

    def __init__(self, model: UniEmo, pictures: Inputs) -> None:
        self.model, self.pictures = model, pictures
        self._versions: list[int] = []
        self._space: Space | None = None

    def __call__(self) -> Space:
        """Return the space fitted with the current weights."""
        versions = [p._version for p in self.model.learner.parameters()]  # torch counts the in-place writes to a tensor
        if self._space is None or versions != self._versions:
            self._space, self._versions = gaussians(self.model, self.pictures), versions
        return self._space


def task(
    name: str,
    model: UniEmo,
    inputs: JointInputs,
    images: "Images",
    order: RowOrder,
    spaces: Gaussians,
) -> Task:
    """Return the task for the training loop. Contact sheets use the Gaussians of the current weights."""  # fmt: skip
    settings = model.settings

    def sheet() -> "Image.Image":
        space = spaces()
        sampler = UniEmoGenerator(model, space, images.source)
        shown = [request(emotion, seed) for emotion in space.emotions for seed in range(SHEET_COLUMNS)]
        samples = sample(model.base, sampler, shown, sampling_of(images))
        return contact_sheet(list(samples), SHEET_COLUMNS)

    rates = {
        "learner.backbone": settings.backbone_rate,
        "learner.queries": settings.query_rate,
        "learner.head": settings.head_rate,
    }
    return Task(name, model, order, drawer(inputs, model), optimization_of(settings), rates, sheet)


@torch.inference_mode()
def gaussians(model: UniEmo, pictures: Inputs, batch_size: int = 50) -> Space:
    """Return the Gaussians of each part of Eq. 6, fitted on whole squares of the training splits.

    Features of the val split serve as the real ones.
    """
    rows = {"train": trained_rows(pictures, model.settings.training_splits), "val": pictures.rows("val")}
    features = {split: _parts(model, pictures, rows[split], batch_size) for split in rows}
    emotions = {split: pictures.emotions[rows[split]] for split in rows}
    return fit_space({
        part: (features["train"][part], emotions["train"], features["val"][part], emotions["val"])
        for part in model.fusion.parts
    })  # fmt: skip


def _parts(
    model: UniEmo, pictures: Inputs, rows: NDArray[np.int64], batch_size: int
) -> Mapping[str, NDArray[np.float32]]:
    """Return the parts of Eq. 6 for whole squares, ND by name."""
    chain = model.learner.chain
    device = chain.backbone.conv1.weight.device
    prepare, batches = ClipInput(chain.backbone).to(device), []
    for start in range(0, len(rows), batch_size):
        squares = torch.from_numpy(pictures.squares[rows[start : start + batch_size]]).to(device)
        batches.append(pooled(chain(prepare(squares))))
    return {part: torch.cat([each[part] for each in batches]).float().cpu().numpy() for part in model.fusion.parts}


def leave(
    folder: Path,
    model: UniEmo,
    trained: Trained,
    inputs: JointInputs,
    trained_before: Understanding,
    foundation: Foundation,
    spaces: Gaussians,
) -> dict[str, float]:
    """Write the folder of a newly trained model, calibrated on val, and return its metrics.

    These are the metrics on test, accuracy first, and the summary of the training.
    """
    report = understanding.report(model.learner, trained, inputs.pictures, trained_before.bases)
    save_joint(
        folder, model, trained.weights, replace(trained_before, temperature=report.temperature), spaces(), foundation
    )
    return report.metrics | summary(trained, inputs)


def summary(trained: Trained, inputs: JointInputs) -> dict[str, float]:
    """Return the numbers of real and generated images, the final losses, and what UniEmo.forward observes."""
    return {"num_train": inputs.num_real, "num_generated": inputs.num_generated, **final_values(trained)}
