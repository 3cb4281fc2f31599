"""Augmented pictures keep what they show, pixel by pixel; destroyed ones keep their colours and nothing else."""

import pytest
import torch
from torch import Tensor

from pipeline.judges.distortion import MAX_SHIFT_FRAC, augmented, destroyed
from pipeline.runtime import torch_generator


def squares(num: int, image_px: int) -> Tensor:
    """Smooth pictures with a bright corner: a diagonal ramp in each colour."""
    ramp = torch.linspace(0, 120, image_px)
    grid = ramp[:, None] + ramp[None, :]
    return torch.stack([grid, grid.flip(0), 240 - grid], -1).expand(num, -1, -1, -1).round().byte().contiguous()


@pytest.mark.parametrize("image_px", [33, 64])
def test_an_augmented_picture_is_the_picture_shifted_and_perhaps_mirrored(image_px: int) -> None:
    pictures, margin = squares(40, image_px), int(MAX_SHIFT_FRAC * image_px)
    changed = augmented(pictures, torch_generator(0))
    assert changed.shape == pictures.shape
    assert changed.dtype == torch.uint8
    inner = slice(2 * margin, image_px - 2 * margin)
    kinds = set()
    for picture, found in zip(pictures, changed, strict=True):
        sources = [(mirrored, picture.flip(1) if mirrored else picture) for mirrored in (False, True)]
        moves = [
            (mirrored, down, right)
            for mirrored, source in sources
            for down in range(-margin, margin + 1)
            for right in range(-margin, margin + 1)
            if torch.equal(source.roll((down, right), (0, 1))[inner, inner], found[inner, inner])
        ]
        assert moves
        kinds.add(moves[0])
    assert {mirrored for mirrored, _, _ in kinds} == {False, True}
    assert len(kinds) > 20


def test_what_comes_into_view_is_a_mirror_image() -> None:
    """So no value appears that was not in the picture, not even black."""
    pictures = squares(20, 64).clamp(min=50)
    assert augmented(pictures, torch_generator(1)).min() == 50


@pytest.mark.parametrize("image_px", [33, 64])
def test_destroyed_pictures_are_as_bright_as_before_and_no_longer_the_same(image_px: int) -> None:
    pictures = squares(60, image_px)
    ruined = destroyed(pictures, torch_generator(0))
    assert ruined.shape == pictures.shape
    assert ruined.dtype == torch.uint8
    brightness = ruined.float().mean((1, 2)) - pictures.float().mean((1, 2))
    assert brightness.abs().max() < 6
    for channel in range(3):
        pairs = torch.stack([ruined[..., channel].flatten(1).float(), pictures[..., channel].flatten(1).float()])
        correlations = torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs.unbind(1)])
        assert correlations.mean().abs() < 0.15


def test_the_three_kinds_of_destruction_all_occur() -> None:
    """Shuffled patches keep every pixel, a blur makes neighbours alike, noise makes them unlike."""
    pictures = squares(60, 64)
    ruined = destroyed(pictures, torch_generator(0)).float()
    steps = (ruined[:, 1:] - ruined[:, :-1]).abs().mean((1, 2, 3))
    kept = (ruined.flatten(1).sort().values == pictures.float().flatten(1).sort().values).all(1)
    assert 8 < kept.sum() < 32
    assert 8 < (steps > 30).sum() < 32
    assert 8 < ((steps < 30) & ~kept).sum() < 32


def test_equal_generators_change_equally() -> None:
    pictures = squares(8, 64)
    for change in (augmented, destroyed):
        assert torch.equal(change(pictures, torch_generator(3)), change(pictures, torch_generator(3)))
        assert not torch.equal(change(pictures, torch_generator(3)), change(pictures, torch_generator(4)))
