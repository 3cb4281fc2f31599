"""Train the judge network on pixels.

All images train the emotion head, annotated images the scene and object heads, and destroyed images the class `none`.
The weights of the last epoch are kept, because the learning rate has reached 0 by then and val is small. The val split
only sets the temperature.
"""

import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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
from pipeline.runtime import autocast, device, torch_generator
from pipeline.training.checkpoints import Checkpoints
from pipeline.work import leaving_later

if TYPE_CHECKING:
    from pipeline.params import Judges as Settings

DESTROYED_FRAC = 1 / 8  # destroyed images added to a batch, per image
LABEL_SMOOTHING = 0.1  # for emotions, 7 % of which are wrong in the miniature
ATTRIBUTE_WEIGHT = 0.25  # loss weight of scene and of object; emotion has 1
WARMUP_FRAC = 0.1
GRAD_NORM = 1.0
BETAS = (0.9, 0.98)

log = logging.getLogger("evoke")


def fit_judges(train: Examples, val: Examples, settings: "Settings", pretrained: Path, seed: int, work: Path) -> Judges:
    """Train a network on `train`, calibrate it on `val`, and return it with the published networks of the settings.

    `pretrained` is the folder of the published weights, `work` the folder for checkpoints of long trainings. Raises
    ValueError if there are no training images, or if a weights file is missing or belongs to another network.
    """
    check_weights(settings, pretrained)
    if not len(train.targets):
        raise ValueError(f"no picture in the {settings.half} half of the train split: the judges learn from nothing")
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
            f"judges.backbone_weights = {settings.backbone_weights!r}: the backbone `small` is ours and has no "
            "published weights; set it to null, or judges.backbone to resnet18 or resnet50"
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
    state, losses = TrainingState(network, settings, len(train.targets), work), []
    with leaving_later() as is_asked_to_leave:
        for batch in batches(train, settings, seed, state.restore()):
            losses.append(state.step(batch))
            epoch, rest = divmod(state.num_steps, state.steps_per_epoch)
            if not rest:
                log.info("epoch %d of %d, loss %.3f", epoch, settings.epochs, torch.stack(losses).mean())
                losses = []
            leaves = is_asked_to_leave()
            if state.checkpoints.due() or leaves:
                state.save()
            if leaves:
                break


@dataclass(frozen=True)
class Batch:
    """A batch on the CPU: squares BHWC uint8 and their targets, each B int64."""

    squares: Tensor
    emotions: Tensor
    scenes: Tensor
    objects: Tensor


def batches(train: Examples, settings: "Settings", seed: int, first: int) -> Iterator[Batch]:
    """Yield the batches of all epochs, starting at step `first`.

    Each epoch has its own random generator, whose draws are repeated up to the first step.
    """
    begun, skipped = divmod(first, -(-len(train.targets) // settings.batch_size))
    for epoch in range(begun, settings.epochs):
        generator = torch_generator(seed, "epoch", epoch)
        all_rows = torch.randperm(len(train.targets), generator=generator).split(settings.batch_size)
        drawn = (draw(train, rows, generator) for rows in all_rows)
        yield from islice(drawn, skipped if epoch == begun else 0, None)


def draw(train: Examples, rows: Tensor, generator: torch.Generator) -> Batch:
    """Return the images of rows B after augmentation, followed by destroyed copies of some of them.

    The destroyed copies have scene and object `none` and an unknown emotion.
    """
    squares = augmented(torch.from_numpy(train.squares)[rows], generator)
    victims = squares[: math.ceil(DESTROYED_FRAC * len(rows))]
    ruined = destroyed(victims, draw_kinds(len(victims), generator), generator)
    targets = [
        F.pad(torch.from_numpy(values)[rows], (0, len(ruined)), value=value)
        for values, value in (
            (train.targets.emotions, UNKNOWN), (train.targets.scenes, 0), (train.targets.objects, 0),
        )
    ]  # fmt: skip
    return Batch(torch.cat([squares, ruined]), *targets)


class TrainingState:
    """The training state that a step changes and a checkpoint stores: weights, AdamW moments and step count."""

    def __init__(self, network: PixelJudge, settings: "Settings", num_pictures: int, work: Path) -> None:
        self.network, self.settings = network, settings
        self.steps_per_epoch = -(-num_pictures // settings.batch_size)
        self.num_steps = 0
        self.parameters = dict(network.named_parameters())
        groups = [
            {"params": [p for p in self.parameters.values() if (p.ndim > 1) == decays], "weight_decay": decay}
            for decays, decay in ((True, settings.weight_decay), (False, 0.0))
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=BETAS, fused=True)
        interval = float(os.environ.get("EVOKE_CHECKPOINT_SECONDS", "60"))
        self.checkpoints = Checkpoints(work / "checkpoints", settings.model_dump_json(), interval)

    def step(self, batch: Batch) -> Tensor:
        """Run one optimizer step on a batch and return the detached loss."""
        where = self.network.temperature.device
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self._rate()
        self.optimizer.zero_grad()
        with autocast("bf16", where):
            logits = self.network(batch.squares.to(where))
        loss = total_loss(logits, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), GRAD_NORM)
        self.optimizer.step()
        self.num_steps += 1
        return loss.detach()

    def _rate(self) -> float:
        """Return the fraction of the peak learning rate: linear warmup, then cosine decay to 0."""
        all_steps = self.settings.epochs * self.steps_per_epoch
        warmup = WARMUP_FRAC * all_steps
        falling = max(0.0, self.num_steps - warmup) / (all_steps - warmup)
        return min(1.0, (self.num_steps + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * falling))

    def save(self) -> None:
        """Write a checkpoint."""
        tensors = {f"weight/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for name, parameter in self.parameters.items():
            tensors |= {f"{key}/{name}": tensor for key, tensor in self.optimizer.state[parameter].items()}
        self.checkpoints.write(
            self.num_steps, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        )

    def restore(self) -> int:
        """Load the newest complete checkpoint, if any, and return the number of completed steps."""
        found = self.checkpoints.newest(self.network.temperature.device)
        if found is None:
            return 0
        self.num_steps, tensors = found
        self.network.load_state_dict({name: tensors[f"weight/{name}"] for name in self.network.state_dict()})
        for name, parameter in self.parameters.items():
            moments = {key: torch.empty_like(parameter) for key in ("exp_avg", "exp_avg_sq")}  # same memory layout
            for key, moment in moments.items():
                moment.copy_(tensors[f"{key}/{name}"])
            self.optimizer.state[parameter] = {"step": tensors[f"step/{name}"], **moments}
        log.info("going on after step %d", self.num_steps)
        return self.num_steps


def total_loss(logits: Logits, batch: Batch) -> Tensor:
    """Return the weighted sum of the cross-entropies of emotion, scene and object.

    Each cross-entropy is a mean over the images whose target is known.
    """
    loss = cross_entropy(logits.emotions, batch.emotions, LABEL_SMOOTHING)
    for head, targets in ((logits.scenes, batch.scenes), (logits.objects, batch.objects)):
        if head is not None:
            loss = loss + ATTRIBUTE_WEIGHT * cross_entropy(head, targets)
    return loss


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy over the known targets, or 0 if there are none: logits BC, targets B -> scalar."""
    targets = targets.to(logits.device)
    total = F.cross_entropy(
        logits.float(), targets, ignore_index=UNKNOWN, reduction="sum", label_smoothing=label_smoothing
    )
    return total / (targets != UNKNOWN).sum().clamp(min=1)
