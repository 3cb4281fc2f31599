"""How alike emotions are to the mapper: one vector for all has a cosine of 1, words that v alone moves no share."""

import pytest
import torch

from experiments.mapper_alike import mean_cosine, share_between


def test_the_cosine_is_of_different_vectors_whatever_their_length() -> None:
    assert mean_cosine(torch.eye(4) * torch.arange(1.0, 5.0)[:, None]) == pytest.approx(0, abs=1e-6)
    assert mean_cosine(torch.ones(3, 5) * torch.tensor([[1.0], [2.0], [3.0]])) == pytest.approx(1)
    assert mean_cosine(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])) == pytest.approx(-1 / 3)


def test_the_share_between_emotions_is_what_groups_differ_by() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 500, 16, generator=generator)
    emotions = torch.randn(8, 1, 16, generator=generator)
    assert share_between(emotions.expand(8, 500, 16)) == pytest.approx(1)
    assert share_between(noise) < 0.01
    shift = emotions - emotions.mean(0)
    wanted = float(shift.square().sum(-1).mean() / (shift.square().sum(-1).mean() + 16))
    assert share_between(noise + emotions) == pytest.approx(wanted, abs=0.02)
