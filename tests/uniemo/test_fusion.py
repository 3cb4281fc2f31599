"""Eq. 6 and 7: coefficients of the right attribute and emotion, detached; the triplet loss on its hard negative."""

import pytest
import torch

from pipeline.conditioning.encoder import TokenSpace
from pipeline.emotions import EMOTIONS
from pipeline.uniemo.fusion import CLASS, PATCH, Fusion, coefficient_table, condition_loss, cross_entropy_loss

NAMES = ("beach", "park", "street")


def found() -> dict[str, torch.Tensor]:
    return {
        "scene/beach": torch.linspace(0.1, 0.8, 8),
        "scene/street": torch.linspace(0.8, 0.1, 8),
        "object/dog": torch.ones(8),
    }


def fusion(parts: tuple[str, ...] = ("scene", CLASS), has_norms: bool = True) -> Fusion:
    torch.manual_seed(0)
    table = coefficient_table(found(), NAMES, "scene", "correlated", torch.Generator())
    return Fusion(6, TokenSpace((4,), (0.5,)), {"scene": table}, parts, has_norms)


def test_a_coefficient_is_of_the_nearest_attribute_and_the_emotion_asked_for() -> None:
    module = fusion()
    alpha = module.coefficient("scene", torch.tensor([0, 2, 1]), torch.eye(8)[[0, 0, 3]])
    park = (found()["scene/beach"] + found()["scene/street"])[3] / 2  # it has none of its own: the mean
    assert torch.allclose(alpha, torch.tensor([0.1, 0.8, park]))


def test_controls_take_the_place_of_the_coefficients() -> None:
    constant = coefficient_table(found(), NAMES, "scene", "constant", torch.Generator())
    assert torch.allclose(constant, torch.full((3, 8), 0.45))
    assert torch.equal(coefficient_table(found(), NAMES, "scene", "one", torch.Generator()), torch.ones(3, 8))
    table = coefficient_table(found(), NAMES, "scene", "correlated", torch.Generator())
    shuffled = coefficient_table(found(), NAMES, "scene", "shuffled", torch.Generator().manual_seed(0))
    assert torch.allclose(shuffled.sort().values.sum(0), table.sort().values.sum(0))
    assert not torch.equal(shuffled, table)
    with pytest.raises(ValueError, match="contains no action"):
        coefficient_table(found(), NAMES, "action", "correlated", torch.Generator())


def test_a_part_counts_by_its_coefficient_and_the_class_token_fully() -> None:
    """Without the norm at the end c is linear in alpha; a coefficient of 0 leaves the part out."""
    module = fusion()
    parts = {"scene": torch.randn(2, 6), CLASS: torch.randn(2, 6)}
    nearest, emotions = {"scene": torch.tensor([0, 1])}, torch.eye(8)[[2, 5]]
    with_scene = module(parts, nearest, emotions)
    module.scene_table.zero_()
    alone = module(parts, nearest, emotions)
    other = module({**parts, "scene": torch.randn(2, 6)}, nearest, emotions)
    assert torch.allclose(alone, other)
    assert not torch.allclose(alone, with_scene)
    assert torch.allclose(alone.square().mean(1).sqrt(), torch.tensor(0.5), rtol=1e-3)


@pytest.mark.parametrize("has_norms", [True, False])
def test_a_patch_part_counts_fully_by_a_phi_of_its_own(has_norms: bool) -> None:
    module = fusion((CLASS, PATCH), has_norms)
    parts = {CLASS: torch.randn(2, 6), PATCH: torch.randn(2, 6)}
    wanted = sum(module.phis[part](module.norms[part](parts[part])) for part in (CLASS, PATCH))
    c = module(parts, {}, torch.eye(8)[[2, 5]])
    assert torch.allclose(torch.nn.functional.normalize(c), torch.nn.functional.normalize(wanted), atol=1e-6)


def test_without_norms_c_is_equation_6_as_written() -> None:
    module = fusion(has_norms=False)
    parts = {"scene": 7 * torch.randn(2, 6), CLASS: torch.randn(2, 6)}
    nearest, emotions = {"scene": torch.tensor([0, 2])}, torch.eye(8)[[2, 5]]
    alpha = module.coefficient("scene", nearest["scene"], emotions)[:, None]
    wanted = alpha * module.phis["scene"](parts["scene"]) + module.phis[CLASS](parts[CLASS])
    assert torch.equal(module(parts, nearest, emotions), wanted)
    assert {name.split(".")[0] for name, _ in module.named_parameters()} == {"phis"}
    assert not torch.allclose(fusion()(parts, nearest, emotions), wanted)


def test_the_cross_entropy_is_of_the_conditions_head_against_the_true_emotion() -> None:
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss, active = cross_entropy_loss(logits, torch.eye(8)[[0, 5]])
    each = -logits.log_softmax(1)[[0, 1], [0, 5]]
    assert torch.allclose(loss, each.mean())
    assert active == 1.0
    loss.backward()
    assert logits.grad is not None


def test_the_triplet_loss_is_equation_7() -> None:
    """One right and one wrong reader: e- is the runner-up of the first and the mistake of the second."""
    understood = torch.tensor([[3.0, 2, 0, 0, 0, 0, 0, 0], [0.0, 0, 0, 5, 0, 1, 0, 0]])
    emotions = torch.eye(8)[[0, 5]]
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss, active = condition_loss(logits, emotions, understood, 0.1)
    p = logits.softmax(1)
    cosine = torch.nn.functional.cosine_similarity
    positive, negative = torch.eye(8)[[0, 5]], torch.eye(8)[[1, 3]]
    each = ((1 - cosine(p, positive)) - (1 - cosine(p, negative)) + 0.1).clamp(min=0)
    assert torch.allclose(loss, each.mean())
    assert active == (each > 0).float().mean()
    loss.backward()
    assert logits.grad is not None
    assert len(EMOTIONS) == 8


def test_a_condition_that_is_sure_costs_nothing_and_is_not_active() -> None:
    loss, active = condition_loss(40 * torch.eye(8), torch.eye(8), torch.eye(8), 0.1)
    assert (loss.item(), active.item()) == (0.0, 0.0)
