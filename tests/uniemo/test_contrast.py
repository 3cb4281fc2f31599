"""Eq. 4: what it rewards, what it must not punish, and that both readings are what they say."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.uniemo.contrast import contrast_weights, weighted_contrast

TAU = 0.07
seeds = st.integers(0, 2**31 - 1)


def contrastive_loss(
    joint: Tensor, attributes: Tensor, targets: Tensor, temperature: float, literal: bool = False
) -> Tensor:
    """The loss of one batch: unit vectors of images BD and of attributes KD, targets BK bool -> scalar."""
    return weighted_contrast(joint, attributes, *contrast_weights(targets, literal), temperature)


def unit(number: int, seed: int, width: int = 16) -> Tensor:
    return F.normalize(torch.randn(number, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def some_targets(rows: int, attributes: int, seed: int, share: float = 0.3) -> Tensor:
    return torch.rand(rows, attributes, generator=torch.Generator().manual_seed(seed)) < share


def one_each(labels: list[int | None], attributes: int) -> Tensor:
    targets = torch.zeros(len(labels), attributes, dtype=torch.bool)
    for row, label in enumerate(labels):
        if label is not None:
            targets[row, label] = True
    return targets


def slow_equal(joint: Tensor, attributes: Tensor, targets: Tensor) -> Tensor:
    """Pair by pair."""
    candidates = [k for k in range(targets.shape[1]) if targets[:, k].any()]
    losses = []
    for row in range(len(joint)):
        mine = [k for k in candidates if targets[row, k]]
        if not mine:
            continue
        below = sum(math.exp(float(joint[row] @ attributes[k]) / TAU) for k in candidates)
        logs = [float(joint[row] @ attributes[k]) / TAU - math.log(below) for k in mine]
        losses.append(-sum(logs) / len(logs))
    return torch.tensor(sum(losses) / len(losses))


def slow_literal(joint: Tensor, attributes: Tensor, labels: list[int | None]) -> Tensor:
    """Eq. 4 as written: K pictures, K texts, row by row."""
    rows = [row for row, label in enumerate(labels) if label is not None]
    texts = torch.stack([attributes[labels[row]] for row in rows])
    return F.cross_entropy(joint[rows] @ texts.T / TAU, torch.arange(len(rows)))


@given(seeds)
def test_equal_attributes_is_the_mean_over_anchors_and_positives(seed: int) -> None:
    targets = some_targets(7, 5, seed)
    targets[0, 0] = True
    joint, attributes = unit(7, seed), unit(5, seed + 1)
    wanted = slow_equal(joint, attributes, targets)
    assert torch.allclose(contrastive_loss(joint, attributes, targets, TAU), wanted, rtol=1e-4)


@given(seeds)
def test_literal_is_cross_entropy_over_the_rows_of_the_batch(seed: int) -> None:
    drawn = torch.randint(-1, 4, (9,), generator=torch.Generator().manual_seed(seed)).tolist()
    labels = [None if label < 0 else label for label in [*drawn, 0]]
    joint, attributes = unit(10, seed), unit(4, seed + 1)
    found = contrastive_loss(joint, attributes, one_each(labels, 4), TAU, literal=True)
    assert torch.allclose(found, slow_literal(joint, attributes, labels), rtol=1e-4)


def test_perfect_alignment_costs_nothing_and_the_worst_a_lot() -> None:
    attributes, targets = torch.eye(6), one_each([0, 1, 2, 3, 3, None], 6)
    joint = torch.eye(6)[[0, 1, 2, 3, 3, 5]]
    assert contrastive_loss(joint, attributes, targets, TAU) < 1e-4
    assert contrastive_loss(joint.roll(1, 0), attributes, targets, TAU) > 5


@given(seeds, st.booleans())
def test_the_order_of_pictures_and_of_attributes_does_not_matter(seed: int, literal: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets = one_each([0, 0, 1, 3, None], 4) if literal else some_targets(5, 4, seed)
    joint, attributes = unit(5, seed), unit(4, seed + 1)
    rows, columns = torch.randperm(5, generator=generator), torch.randperm(4, generator=generator)
    found = contrastive_loss(joint[rows], attributes[columns], targets[rows][:, columns], TAU, literal)
    assert torch.allclose(found, contrastive_loss(joint, attributes, targets, TAU, literal), atol=1e-4)


@pytest.mark.parametrize("literal", [False, True])
def test_a_picture_without_attribute_is_neither_anchor_nor_negative(literal: bool) -> None:
    """UniEmo's code keeps it as a negative, by the text "scene"."""
    targets, joint, attributes = one_each([0, 1, 2], 8), unit(3, 0), unit(8, 1)
    alone = contrastive_loss(joint, attributes, targets, TAU, literal)
    more = torch.cat([joint, unit(4, 2)]).requires_grad_()
    longer = torch.cat([targets, torch.zeros(4, 8, dtype=torch.bool)])
    found = contrastive_loss(more, attributes, longer, TAU, literal)
    found.backward()
    assert torch.allclose(found, alone, atol=1e-5)
    assert not more.grad[3:].any()


def test_pictures_with_equal_attributes_do_not_repel_each_other() -> None:
    """As written the duplicate is a negative, so even perfect queries cost log 2 and are pushed."""
    targets, attributes = one_each([0, 0, 1], 2), torch.eye(2)
    joint = torch.eye(2)[[0, 0, 1]]
    assert contrastive_loss(joint, attributes, targets, TAU) < 1e-4
    assert contrastive_loss(joint, attributes, targets, TAU, literal=True) == pytest.approx(2 / 3 * math.log(2), 1e-3)


def test_each_of_several_objects_is_a_positive() -> None:
    targets, attributes = torch.tensor([[True, True, False], [False, False, True]]), torch.eye(3)
    between = F.normalize(torch.tensor([[1.0, 1, 0], [0, 0, 1]]), dim=1)
    first_only = F.normalize(torch.tensor([[1.0, 0, 0], [0, 0, 1]]), dim=1)
    assert contrastive_loss(between, attributes, targets, TAU) < contrastive_loss(first_only, attributes, targets, TAU)
    with pytest.raises(AssertionError, match="at most one attribute"):
        contrastive_loss(between, attributes, targets, TAU, literal=True)


@pytest.mark.parametrize("literal", [False, True])
def test_a_batch_without_any_attribute_costs_nothing(literal: bool) -> None:
    joint = unit(3, 0).requires_grad_()
    loss = contrastive_loss(joint, unit(4, 1), torch.zeros(3, 4, dtype=torch.bool), TAU, literal)
    loss.backward()
    assert loss == 0
    assert not joint.grad.any()


@pytest.mark.parametrize("literal", [False, True])
def test_parts_of_a_batch_on_two_processes_make_the_whole(literal: bool) -> None:
    targets = one_each([0, 0, 1, 3, None, 2, None, None], 4)
    joint, attributes = unit(8, 3), unit(4, 4)
    weights = contrast_weights(targets, literal)
    parts = [weighted_contrast(joint[part], attributes, *(each[part] for each in weights), TAU)
             for part in (slice(4), slice(4, 8))]  # fmt: skip
    assert torch.allclose(torch.stack(parts).mean(), contrastive_loss(joint, attributes, targets, TAU, literal))
