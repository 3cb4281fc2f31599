"""Train the judge network on pixels.

All images train the emotion head, annotated images the scene and object heads, and destroyed images the class `none`.
The weights of the last epoch are kept, because the learning rate has reached 0 by then and val is small. The val split
only sets the temperature.
"""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.judges.calibration import fit_temperature
from pipeline.judges.distortion import augmented, destroyed, draw_kinds
from pipeline.judges.examples import UNKNOWN, Examples, Names
from pipeline.judges.panel import OBJECT_KIND, SCENE_KIND, Judges, published_on
from pipeline.judges.pixels import Logits, PixelJudge
from pipeline.judges.pretrained import load_backbone, weights_file
from pipeline.runtime import device
from pipeline.training.loop import Batch, Task, fit
from pipeline.training.optimization import Optimization
from pipeline.training.rows import Shuffled

if TYPE_CHECKING:
    from pipeline.params import Judges as Settings

DESTROYED_FRAC = 1 / 8  # destroyed images added to a batch, per image
LABEL_SMOOTHING = 0.1  # for emotions, 7 % of which are wrong in the miniature
ATTRIBUTE_WEIGHT = 0.25  # loss weight of scene and of object; emotion has 1
WARMUP_FRAC = 0.1
BETAS = (0.9, 0.98)


def fit_judges(train: Examples, val: Examples, settings: "Settings", pretrained: Path, seed: int, work: Path) -> Judges:
    """Train a network on `train`, calibrate it on `val`, and return it with the published networks of the settings.

    `pretrained` is the folder of the published weights, `work` the folder for checkpoints of long trainings. Raises
    ValueError if there are no training images, or if a weights file is missing or belongs to another network.
    """
    check_weights(settings, pretrained)
    if not len(train.targets):
        raise ValueError(f"No images in the {settings.half} half of the train split to train the judges on.")
    target = device()
    published = [
        published_on(weights_file(pretrained, key, name), kind, target) if name else None
        for key, name, kind in (
            ("scene_weights", settings.scene_weights, SCENE_KIND),
            ("object_weights", settings.object_weights, OBJECT_KIND),
        )
    ]
    network = build_network(train.names, settings, pretrained, seed).to(target)
    train_network(network, train, settings, seed, work)
    judges = Judges(network.eval(), settings.backbone, settings.image_px, train.names, *published)
    if len(val.targets):
        network.temperature.fill_(fit_temperature(judges.emotion_logits(val.squares), val.targets.emotions))
    return judges


def check_weights(settings: "Settings", pretrained: Path) -> None:
    """Check the weights files of the settings before any image is read.

    Raises ValueError for a file that is missing or that no network would use.
    """
    if settings.backbone_weights and settings.backbone == "small":
        raise ValueError(
            f"judges.backbone_weights = {settings.backbone_weights!r}: the backbone `small` is specific to this "
            "project and has no published weights; set it to null, or judges.backbone to resnet18 or resnet50"
        )
    for key in ("backbone_weights", "scene_weights", "object_weights"):
        if name := getattr(settings, key):
            weights_file(pretrained, key, name)


def build_network(names: Names, settings: "Settings", pretrained: Path, seed: int) -> PixelJudge:
    """Return the network before training, with heads for whatever no published network judges."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        num_scenes = 0 if settings.scene_weights else len(names.scenes)
        num_objects = 0 if settings.object_weights else len(names.objects)
        network = PixelJudge(settings.backbone, num_scenes, num_objects)
    if settings.backbone_weights:
        load_backbone(network.backbone.net, weights_file(pretrained, "backbone_weights", settings.backbone_weights))
    return network


def train_network(network: PixelJudge, train: Examples, settings: "Settings", seed: int, work: Path) -> None:
    """Train the network in place with AdamW for `settings.epochs`.

    An interrupted training resumes from its checkpoint and gives the same result as an uninterrupted one.
    """
    number = len(train.targets)
    module, order = JudgeLosses(network).train(), Shuffled(number)
    task = Task("judges", module, order, partial(draw, train), optimization_of(settings, number))
    fit(task, seed, work, settings.model_dump_json())


def optimization_of(settings: "Settings", num_images: int) -> Optimization:
    """Return the settings for the training loop: linear warm-up, then a cosine to 0."""
    steps = -(-settings.epochs * num_images // settings.batch_size)
    return Optimization(
        steps=steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=WARMUP_FRAC * steps,
        decay_frac=1 - WARMUP_FRAC,
        betas=BETAS,
        decays_vectors=False,
    )


def draw(train: Examples, rows: Tensor, generator: torch.Generator) -> Batch:
    """Return the images of rows B after augmentation, followed by destroyed copies of some of them.

    The batch holds squares BHWC uint8, and emotions, scenes and objects, each B int64. The destroyed copies have scene
    and object `none` and an unknown emotion.
    """
    squares = augmented(torch.from_numpy(train.squares)[rows], generator)
    victims = squares[: math.ceil(DESTROYED_FRAC * len(rows))]
    ruined = destroyed(victims, draw_kinds(len(victims), generator), generator)
    targets = {"emotions": UNKNOWN, "scenes": 0, "objects": 0}
    return {
        "squares": torch.cat([squares, ruined]),
        **{
            name: F.pad(torch.from_numpy(getattr(train.targets, name))[rows], (0, len(ruined)), value=value)
            for name, value in targets.items()
        },
    }


class JudgeLosses(nn.Module):
    """The network with its losses: a batch as `draw` returns it -> losses by name, `total` among them."""

    def __init__(self, network: PixelJudge) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Batch:
        return losses(self.network(batch["squares"]), batch)


def losses(logits: Logits, batch: Batch) -> Batch:
    """Return the cross-entropies of emotion, scene and object by name, and their weighted sum `total`.

    Each cross-entropy is a mean over the images whose target is known.
    """
    named = {"emotion": cross_entropy(logits.emotions, batch["emotions"], LABEL_SMOOTHING)}
    for name, head in (("scene", logits.scenes), ("object", logits.objects)):
        if head is not None:
            named[name] = cross_entropy(head, batch[f"{name}s"])
    total = named["emotion"] + sum(ATTRIBUTE_WEIGHT * loss for name, loss in named.items() if name != "emotion")
    return {"total": total, **named}


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy over the known targets, or 0 if there are none: logits BC, targets B -> scalar."""
    total = F.cross_entropy(
        logits.float(), targets, ignore_index=UNKNOWN, reduction="sum", label_smoothing=label_smoothing
    )
    return total / (targets != UNKNOWN).sum().clamp(min=1)
