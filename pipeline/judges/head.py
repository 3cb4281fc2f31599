"""Implement the emotion classifier on frozen CLIP features, used for curation, correlation, and Emo-A as published.

It has two fully connected layers if trained here, or one as published by EmoGen. Both give calibrated probabilities. It
is not the independent judge, because it sees what CLIP sees (SCIENCE 2).
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.emotion_set import EMOTIONS, check_recorded_set, recorded_set
from pipeline.judges.calibration import fit_temperature
from pipeline.runtime import torch_generator
from pipeline.weights import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from pipeline.params import EmotionClassifier

FILE, SHAPE = "head.safetensors", "head"
BATCH = 8192
Data = tuple[Tensor, Tensor]  # features ND, emotions N

log = logging.getLogger("evoke")


class EmotionHead(nn.Module):
    """The emotion classifier: Linear, ReLU, Dropout, Linear; a single Linear without `hidden`.

    features BD -> logits B8 in the order of EMOTIONS

    If `normalized`, the head takes features of unit length. EmoGen's classifier takes features v of their own length.
    `epoch` is the training epoch of the weights, or 0 if unknown.
    """

    def __init__(self, width: int, hidden: int | None, dropout: float = 0.0, normalized: bool = True) -> None:
        super().__init__()
        self.width, self.hidden, self.dropout, self.normalized = width, hidden, dropout, normalized
        last = nn.Linear(hidden or width, len(EMOTIONS))
        first = [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.layers = nn.Sequential(*first, last)
        self.register_buffer("temperature", torch.ones(()))
        self.epoch = 0

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits before temperature scaling: features BD -> B8.

        Features of unit length are first scaled to a mean square of 1, which suits the first layer.
        """
        return self.layers(features * self.width**0.5 if self.normalized else features)

    @torch.inference_mode()
    def logits(self, features: NDArray[np.float32], norms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits before temperature scaling.

        features ND of unit length, norms N (their lengths before normalization) -> logits N8

        Raises ValueError if D is not the width of the head.
        """
        if features.shape[1] != self.width:
            raise ValueError(f"features have width {features.shape[1]}; this emotion classifier expects {self.width}")
        whole = features if self.normalized else features * norms[:, None]
        parts = torch.from_numpy(np.ascontiguousarray(whole, np.float32)).split(BATCH)
        logits = torch.cat([self.eval()(part.to(self.temperature.device)).float().cpu() for part in parts])
        return np.asarray(logits.numpy())

    def probabilities(self, features: NDArray[np.float32], norms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities.

        features ND of unit length, norms N (their lengths before normalization) -> probabilities N8 float32
        """
        scaled = torch.from_numpy(self.logits(features, norms)) / self.temperature.cpu()
        return np.asarray(scaled.softmax(1).numpy())


def fit_head(
    features: NDArray[np.float32],
    emotions: NDArray[np.int64],
    val_features: NDArray[np.float32],
    val_emotions: NDArray[np.int64],
    settings: "EmotionClassifier",
    seed: int,
) -> EmotionHead:
    """Return a two-layer head trained on features ND of unit length and emotions N, and calibrated on val.

    The epoch with the lowest val loss is kept. The optimizer is AdamW with cosine decay to 0. Raises ValueError if
    train or val has no images.
    """
    for name, values in (("train", emotions), ("val", val_emotions)):
        if not len(values):
            raise ValueError(f"No images in the {name} split: the emotion classifier needs at least one.")
    train = _tensors(features, emotions)
    val = _tensors(val_features, val_emotions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = EmotionHead(features.shape[1], settings.hidden, settings.dropout)
        _train(head, train, val, settings, torch_generator(seed, "order"))
    calibrate(head, val_features, np.ones(len(val_features), np.float32), val_emotions)
    return head.eval()


def calibrate(
    head: EmotionHead, features: NDArray[np.float32], norms: NDArray[np.float32], emotions: NDArray[np.int64]
) -> None:
    """Set the head's temperature to the one under which emotions N are most likely.

    features ND have unit length; norms N are their lengths before normalization.
    """
    head.temperature.fill_(fit_temperature(head.logits(features, norms), emotions))


def save_head(head: EmotionHead, folder: Path, metadata: Mapping[str, str]) -> None:
    """Write FOLDER/head.safetensors with the weights, the temperature, the shape and the given metadata."""
    assert SHAPE not in metadata, f"metadata key {SHAPE!r} is reserved for the shape"
    shape = {name: getattr(head, name) for name in ("width", "hidden", "dropout", "normalized", "epoch")}
    save_safetensors(
        folder / FILE, head.state_dict(), {**metadata, **recorded_set(), SHAPE: json.dumps(shape, sort_keys=True)}
    )


def load_head(folder: Path, device: torch.device | str = "cpu") -> EmotionHead:
    """Load the head of a folder in evaluation mode.

    Raises ValueError that names the file if it is missing, is not an emotion classifier, or knows other emotions than
    emotions.yaml.
    """
    state, metadata = load_safetensors(folder / FILE)
    check_recorded_set(metadata, folder / FILE)
    try:
        shape = json.loads(metadata[SHAPE])
        epoch = shape.pop("epoch")
        with torch.device("meta"):  # the stored shape may be wrong: allocate only what the file holds
            head = EmotionHead(**shape)
        head.load_state_dict(state, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder / FILE}: not an emotion classifier of this project: {reason}") from None
    head.epoch = epoch
    return head.float().to(device).eval()


def _train(
    head: EmotionHead, train: Data, val: Data, settings: "EmotionClassifier", generator: torch.Generator
) -> None:
    """Train for all epochs and keep the weights of the first epoch with the lowest val loss."""
    optimizer = torch.optim.AdamW(
        head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    num_batches = -(-len(train[0]) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * num_batches)
    best, least = {}, math.inf
    for epoch in range(1, settings.epochs + 1):
        head.train()
        for rows in torch.randperm(len(train[0]), generator=generator).split(settings.batch_size):
            optimizer.zero_grad()
            F.cross_entropy(head(train[0][rows]), train[1][rows]).backward()
            optimizer.step()
            schedule.step()
        loss = _loss(head, val)
        if loss < least:
            least, head.epoch = loss, epoch
            best = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    assert best, "the loss on val was NaN after every epoch"
    head.load_state_dict(best)
    log.info("epoch %d of %d has the lowest loss on val, %.4f", head.epoch, settings.epochs, least)


@torch.inference_mode()
def _loss(head: EmotionHead, data: Data) -> float:
    return float(F.cross_entropy(head.eval()(data[0]), data[1]))


def _tensors(features: NDArray[np.float32], emotions: NDArray[np.int64]) -> Data:
    return torch.from_numpy(np.ascontiguousarray(features, np.float32)), torch.from_numpy(emotions)
