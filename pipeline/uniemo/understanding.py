"""Train and evaluate UniEmo's first stage: L_U = .25 L_S + .25 L_O + .5 L_cls on the understanding chain (Eq. 9)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.emotion_set import EMOTIONS
from pipeline.judges.calibration import fit_temperature, negative_log_likelihood, softmax, wilson_interval
from pipeline.judges.report import emotion_metrics
from pipeline.rows import emotion_indices
from pipeline.training.loop import Batch, Task, Trained
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import row_order
from pipeline.uniemo.attributes import Base, Masks, targets_of
from pipeline.uniemo.chain import UnderstandingChain, build_chain
from pipeline.uniemo.contrast import contrast_weights
from pipeline.uniemo.learner import Learner
from pipeline.uniemo.pictures import ClipInput, Squares, draw_crops

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip
    from pipeline.params import UniemoUnderstanding

Integers = NDArray[np.int64]
BACKBONE, QUERIES = "backbone", "queries"  # prefixes of parameter names with their own learning rate


@dataclass(frozen=True)
class Inputs:
    """N images for the understanding stage: squares NHW3, emotions N, splits N, and attribute masks NK by kind.

    `targets` marks all annotated attributes of an image. `contrasted` marks those that enter Eq. 4, which are fewer
    under its literal reading.
    """

    squares: Squares
    emotions: Integers
    splits: NDArray[np.object_]
    targets: Masks
    contrasted: Masks

    def rows(self, split: str) -> Integers:
        """Return the row indices of a split. Raises ValueError if it has no images."""
        indices = np.flatnonzero(self.splits == split)
        if not len(indices):
            raise ValueError(
                f"No images in the {split} split; understanding needs at least one in each of train, val and test."
            )
        return indices


def inputs_of(corpus: pa.Table, squares: Squares, bases: Mapping[str, Base], settings: "UniemoUnderstanding") -> Inputs:
    """Return the inputs of the understanding stage.

    `corpus` has emotion, split, scene, objects of the same images as `squares`, in the same order.
    """
    assert len(corpus) == len(squares), f"{len(corpus)} images but {len(squares)} squares"
    splits, targets = np.array(corpus["split"].to_pylist(), object), targets_of(corpus, bases)
    contrasted = targets_of(corpus, bases, first_only=True) if settings.positives == "literal" else targets
    return Inputs(squares, emotion_indices(corpus), splits, targets, contrasted)


def build(
    clip: "Clip", bases: Mapping[str, Base], settings: "UniemoUnderstanding", generator: torch.Generator
) -> Learner:
    """Return a learner on CLIP's device: a fresh chain on CLIP's ViT, which it takes over, with its losses."""
    return Learner(build_chain(clip.model.visual, settings, generator), bases, settings).to(clip.device)


def drawer(
    inputs: Inputs, train: Integers, kinds: tuple[str, ...], settings: "UniemoUnderstanding"
) -> Callable[[Tensor, torch.Generator], Batch]:
    """Return a function from positions in `train` and a generator, its only source of randomness, to a batch."""

    def draw(places: Tensor, generator: torch.Generator) -> Batch:
        rows, size = train[places.numpy()], len(places)
        batch = {
            "squares": torch.from_numpy(inputs.squares[rows]),
            "crops": draw_crops(size, settings.min_crop, generator),
            "kept": torch.rand(size, settings.head_hidden, generator=generator) >= settings.dropout,
            "emotions": torch.from_numpy(inputs.emotions[rows]),
        }
        for kind in kinds:
            chosen = torch.from_numpy(inputs.contrasted[kind][rows])
            positives, candidates = contrast_weights(chosen, settings.positives == "literal")
            batch |= {f"{kind}_positives": positives, f"{kind}_candidates": candidates}
        return batch

    return draw


def task(learner: Learner, inputs: Inputs, generator: np.random.Generator) -> Task:
    """Return the task for the training loop. The weights with the lowest loss on val are kept.

    `generator` draws the order of the images.
    """
    settings, chain = learner.settings, learner.chain
    train, val = inputs.rows("train"), inputs.rows("val")

    def score() -> float:
        logits = read(chain, inputs.squares, val, settings.batch_size).logits
        return -negative_log_likelihood(softmax(logits), inputs.emotions[val])

    order = row_order(inputs.emotions[train], settings.sampler, generator)
    draw = drawer(inputs, train, chain.kinds, settings)
    rates = {BACKBONE: settings.backbone_rate, QUERIES: settings.query_rate}
    return Task(
        "uniemo_understanding", learner, order, draw, optimization_of(settings), rates,
        score=score, score_steps=settings.val_steps,
    )  # fmt: skip


@dataclass(frozen=True)
class Read:
    """Chain output for N images: logits N8 before temperature; pooled queries in CLIP's joint space, ND by kind."""

    logits: NDArray[np.float32]
    joint: Mapping[str, Tensor]


@torch.inference_mode()
def read(chain: UnderstandingChain, squares: Squares, rows: Integers, batch_size: int) -> Read:
    """Return the output of the chain for whole squares, in fp32 whatever the training precision was."""
    source = chain.backbone.conv1.weight.device
    prepare = ClipInput(chain.backbone).to(source)
    logits: list[Tensor] = [torch.empty(0, len(EMOTIONS))]
    joint: dict[str, list[Tensor]] = {kind: [] for kind in chain.kinds}
    for start in range(0, len(rows), batch_size):
        batch = torch.from_numpy(squares[rows[start : start + batch_size]]).to(source)
        understood = chain(prepare(batch))
        logits.append(understood.logits.float().cpu())
        for kind, seen in understood.seen.items():
            joint[kind].append(seen.joint.cpu())
    return Read(torch.cat(logits).numpy(), {kind: torch.cat(parts) for kind, parts in joint.items()})


@dataclass(frozen=True)
class Report:
    """Results on the test images: calibrated probabilities N8, emotions N, the temperature, and the metrics."""

    probabilities: NDArray[np.float32]
    emotions: Integers
    temperature: float
    metrics: dict[str, float]


def report(learner: Learner, trained: Trained, inputs: Inputs, bases: Mapping[str, Base]) -> Report:
    """Return the results on the test split, with the temperature fitted on the val split.

    The metrics cover the emotions and whether the nearest attributes are annotated ones.
    """
    chain, batch_size = learner.chain, learner.settings.batch_size
    val, test = inputs.rows("val"), inputs.rows("test")
    val_logits = read(chain, inputs.squares, val, batch_size).logits
    temperature = fit_temperature(val_logits, inputs.emotions[val])
    seen = read(chain, inputs.squares, test, batch_size)
    probabilities = softmax(seen.logits / temperature).astype(np.float32)
    metrics = emotion_metrics(probabilities, temperature, inputs.emotions[test])
    metrics |= {
        "num_train": len(inputs.rows("train")),
        "n_val": len(val),
        "accuracy_val": float((val_logits.argmax(1) == inputs.emotions[val]).mean()),
        "best_step": trained.best_step,
    }
    for kind, joint in seen.joint.items():
        metrics |= retrieval(joint, bases[kind], inputs.targets[kind][test], kind)
        metrics[f"beta_{kind}"] = float(chain.queries[kind].beta.detach())
    return Report(probabilities, inputs.emotions[test], temperature, metrics)


def retrieval(joint_ND: Tensor, base: Base, targets_NK: NDArray[np.bool_], kind: str) -> dict[str, float]:
    """Return how often the nearest attribute of an image is one of its annotated attributes.

    Images without annotation are left out. The numbers include the counts and the Wilson interval of the accuracy.
    """
    annotated = targets_NK.any(1)
    numbers: dict[str, float] = {f"n_{kind}": int(annotated.sum()), f"num_{kind}_attributes": len(base.names)}
    if annotated.any():
        nearest = (joint_ND[annotated] @ base.features.T).argmax(1).numpy()
        right = targets_NK[annotated][np.arange(len(nearest)), nearest]
        low, high = wilson_interval(int(right.sum()), len(right))
        numbers |= {
            f"accuracy_{kind}": float(right.mean()), f"accuracy_{kind}_low": low, f"accuracy_{kind}_high": high
        }  # fmt: skip
    return numbers
