"""Train a small residual network that recognises the scene, objects and expression of drawn images.

It serves only to measure the foundation models. It is trained on real (drawn, not generated) images of the foundation
stream. It is not one of the judges of the DAG, and no model is trained on its output.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.foundation.recipes import JudgeRecipe
from pipeline.foundation.training.clip import normalized
from pipeline.foundation.training.objective import Objective, train
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import EXPRESSIONS, OBJECTS, SCENES
from pipeline.training.loop import Batch
from pipeline.training.rows import Shuffled
from pipeline.weights import load_safetensors, save_safetensors

SCENE_NAMES, OBJECT_NAMES, EXPRESSION_NAMES = tuple(SCENES), tuple(OBJECTS), ("none", *EXPRESSIONS)
BATCH = 256


@dataclass(frozen=True)
class Verdicts:
    """The content of N images, as seen by a judge or as drawn.

    scenes N int64, objects NO bool, expressions N int64 (0: none or calm)
    """

    scenes: Tensor
    objects: Tensor
    expressions: Tensor


class Judge(nn.Module):
    """A small ResNet with heads for scene, objects and expression.

    pictures B3HW float in [-1, 1] -> logits of scenes BS, objects BO, expressions BE
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, stride=2, padding=2)]
        for level, (before, after) in enumerate(itertools.pairwise(widths)):
            blocks.append(ResidualBlock(before, after, stride=2 if level < 2 else 1))
        self.body = nn.Sequential(*blocks)
        self.sizes = (len(SCENE_NAMES), len(OBJECT_NAMES), len(EXPRESSION_NAMES))
        self.head = nn.Linear(2 * widths[-1], sum(self.sizes))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        maps = self.body(pictures)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)).split(self.sizes, dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions with a projection shortcut; group norms, as they behave alike in training and evaluation."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, before), nn.SiLU(), nn.Conv2d(before, after, 3, stride, 1))
        self.second = nn.Sequential(nn.GroupNorm(8, after), nn.SiLU(), nn.Conv2d(after, after, 3, 1, 1))
        self.shortcut = nn.Conv2d(before, after, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        return self.shortcut(maps) + self.second(self.first(maps))


def truths_of(truths: Sequence[Truth]) -> Verdicts:
    """Return the true content of images, which a perfect judge would return."""
    present = [{thing.name for thing in truth.objects} for truth in truths]
    return Verdicts(
        torch.tensor([SCENE_NAMES.index(truth.scene) for truth in truths]),
        torch.tensor([[name in names for name in OBJECT_NAMES] for names in present]),
        torch.tensor([EXPRESSION_NAMES.index(truth.expression or "none") for truth in truths]),
    )


def train_judge(
    images: np.ndarray, truths: Sequence[Truth], recipe: JudgeRecipe, out: Path, work: Path, device: torch.device
) -> Judge:
    """Train a judge on images N3HW uint8 and their truths, write its weights to `out` and return the judge."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        judge = Judge(recipe.widths).to(device)
    said = truths_of(truths)
    tensors = {
        "pictures": torch.from_numpy(images), "scenes": said.scenes, "objects": said.objects.float(),
        "expressions": said.expressions,
    }  # fmt: skip
    draw = partial(draw_judged, {name: tensor.to(device) for name, tensor in tensors.items()})
    train(Objective(judge, judge_loss), Shuffled(len(images)), draw, recipe, work, device)
    save_safetensors(out, judge.state_dict(), {"recipe": recipe.model_dump_json()})
    return judge.eval()


def load_judge(file: Path, recipe: JudgeRecipe, device: torch.device) -> Judge:
    """Load a trained judge in evaluation mode. Raises ValueError if it was trained by another recipe."""
    state, metadata = load_safetensors(file)
    if metadata["recipe"] != recipe.model_dump_json():
        raise ValueError(f"{file} was trained with another recipe; delete it")
    judge = Judge(recipe.widths).to(device)
    judge.load_state_dict(state)
    return judge.eval()


def draw_judged(tensors: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Batch:
    """Return the rows B of each tensor: images, scenes, objects and expressions. Nothing is drawn at random."""
    return {name: tensor[rows] for name, tensor in tensors.items()}


def judge_loss(judge: Judge, pictures: Tensor, scenes: Tensor, objects: Tensor, expressions: Tensor) -> Tensor:
    """Return the cross-entropy of scene and expression plus the binary cross-entropies of all objects.

    pictures B3HW uint8, scenes B, objects BO float, expressions B -> scalar
    """
    scene, things, expression = judge(normalized(pictures))
    of_things = F.binary_cross_entropy_with_logits(things.float(), objects, reduction="none").sum(1).mean()
    return F.cross_entropy(scene.float(), scenes) + of_things + F.cross_entropy(expression.float(), expressions)


@torch.inference_mode()
def judge_pictures(judge: Judge, pictures: Tensor) -> Verdicts:
    """Return what the judge sees in images N3HW float in [-1, 1]."""
    device = next(judge.parameters()).device
    parts = [judge(batch.to(device)) for batch in pictures.split(BATCH)]
    scene, things, expression = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return Verdicts(scene.argmax(1), things > 0, expression.argmax(1))


def recognition(seen: Verdicts, there: Verdicts) -> dict[str, float]:
    """Return recognition rates in [0, 1] by name.

    scene: share of scenes that are right; object: share of present objects that are seen; object_precision: share of
    seen objects that are present; expression: share of shown expressions that are right.
    """
    both, shown = (seen.objects & there.objects).sum().item(), there.expressions > 0
    return {
        "scene": (seen.scenes == there.scenes).float().mean().item(),
        "object": both / max(there.objects.sum().item(), 1),
        "object_precision": both / max(seen.objects.sum().item(), 1),
        "expression": (seen.expressions == there.expressions)[shown].float().mean().item(),
    }
