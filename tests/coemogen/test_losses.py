"""L_SEM and its alternatives: each is 0 for equal vectors; equalised, each is 1 for orthogonal ones."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.coemogen.model import semantic_loss
from pipeline.params import Distance

DISTANCES: list[Distance] = ["cosine", "mae", "mse", "kl"]


def unit(num: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(num, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("width", [128, 768])
def test_equal_vectors_cost_nothing_and_unrelated_ones_one_when_equalised(distance: Distance, width: int) -> None:
    one, other = unit(2000, width, 0), unit(2000, width, 1)
    assert semantic_loss(one, one, distance).item() == pytest.approx(0, abs=1e-6)
    assert semantic_loss(one, other, distance, equalised=True).item() == pytest.approx(1, abs=0.05)


def test_raw_distances_of_unit_vectors_differ_by_orders_of_magnitude() -> None:
    one, other = unit(500, 768, 0), unit(500, 768, 1)
    raw = {distance: semantic_loss(one, other, distance).item() for distance in DISTANCES}
    assert raw["mse"] == pytest.approx(2 / 768 * raw["cosine"], rel=1e-4)
    assert raw["mae"] == pytest.approx(F.l1_loss(one, other).item())
    assert raw["cosine"] / raw["mse"] > 300


def test_kl_is_of_the_caption_from_the_condition() -> None:
    one, other = unit(3, 5, 0), unit(3, 5, 1)
    said, wanted = torch.softmax(one / 0.5, 1), torch.softmax(other / 0.5, 1)
    divergence = (wanted * (wanted / said).log()).sum(1).mean()
    assert torch.allclose(semantic_loss(one, other, "kl", temperature=0.5), divergence)
