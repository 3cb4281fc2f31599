"""Augmented pictures keep what they show, pixel by pixel; destroyed ones keep their colours and nothing else."""

import itertools

import pytest
import torch
from torch import Tensor

from pipeline.judges import distortion
from pipeline.judges.distortion import KINDS, MAX_SHIFT_FRAC, augmented, destroyed, draw_kinds
from pipeline.runtime import torch_generator


def squares(num: int, image_px: int) -> Tensor:
    """Smooth pictures with a bright corner: a diagonal ramp in each colour."""
    ramp = torch.linspace(0, 120, image_px)
    grid = ramp[:, None] + ramp[None, :]
    return torch.stack([grid, grid.flip(0), 240 - grid], -1).expand(num, -1, -1, -1).round().byte().contiguous()


@pytest.mark.parametrize("image_px", [33, 64])
def test_an_augmented_picture_is_the_picture_shifted_and_perhaps_mirrored(
    image_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distortion, "SOFTENED_FRAC", 0)
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


def test_a_softened_picture_loses_its_finest_detail_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distortion, "MAX_SHIFT_FRAC", 0)
    board = 255 * (torch.arange(64)[:, None] + torch.arange(64)[None, :]).remainder(2).byte()
    fine = board[None, :, :, None].expand(200, -1, -1, 3).contiguous()
    coarse = squares(200, 64)
    soft_fine, soft_coarse = (augmented(pictures, torch_generator(0)).float() for pictures in (fine, coarse))
    flat = soft_fine.std((1, 2, 3)) < 1
    assert 30 < flat.sum() < 70
    mirrored = torch.where(
        (soft_coarse - coarse).abs().mean((1, 2, 3))[:, None, None, None] > 5, coarse.flip(2), coarse
    )
    assert (soft_coarse - mirrored).abs().max() <= 4


def test_what_comes_into_view_is_a_mirror_image() -> None:
    """So no value appears that was not in the picture, not even black."""
    pictures = squares(20, 64).clamp(min=50)
    assert augmented(pictures, torch_generator(1)).min() == 50


def of_kind(pictures: Tensor, kind: str, seed: int = 0) -> Tensor:
    return destroyed(pictures, torch.full((len(pictures),), KINDS.index(kind)), torch_generator(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image_px", [33, 64])
def test_destroyed_pictures_are_as_bright_as_before_and_no_longer_the_same(image_px: int, kind: str) -> None:
    """Random boards, black or white by squares, so that what is kept of the layout would show."""
    places = torch.arange(image_px) * 16 // image_px
    boards = torch.randint(2, (40, 16, 16), generator=torch_generator(9))[:, places][:, :, places]
    pictures = (40 + 170 * boards).byte()[..., None].expand(-1, -1, -1, 3)
    ruined = of_kind(pictures, kind)
    assert ruined.shape == pictures.shape
    assert ruined.dtype == torch.uint8
    assert (ruined.float().mean() - pictures.float().mean()).abs() < 5
    pairs = torch.stack([ruined.flatten(1).float(), pictures.flatten(1).float()])
    covariance = ((pairs - pairs.mean(2, keepdim=True)).prod(0)).mean(1)
    assert (covariance / 85**2).mean().abs() < 0.2


def test_shuffling_keeps_every_pixel_and_scattering_softens_them() -> None:
    pictures = squares(20, 64)
    shuffled, scattered = of_kind(pictures, "shuffled"), of_kind(pictures, "scattered")
    assert torch.equal(shuffled.flatten(1).sort().values, pictures.flatten(1).sort().values)
    steps = [(part[:, 1:].float() - part[:, :-1].float()).abs().mean() for part in (shuffled, scattered)]
    assert steps[1] < steps[0]


def test_a_mixed_picture_is_the_mean_of_pictures_of_the_batch() -> None:
    flat = torch.tensor([0, 100, 200, 60])[:, None, None, None].expand(-1, 8, 8, 3).byte()
    means = of_kind(flat, "mixed")[:, 0, 0, 0].tolist()
    possible = {round(sum(four) / 4) for four in itertools.product([0, 100, 200, 60], repeat=4)}
    assert set(means) <= possible
    assert means != [0, 100, 200, 60]


def test_a_picture_alone_is_mixed_with_its_mirror_images() -> None:
    picture = squares(1, 8)
    mirrored = torch.stack([picture.flip(axes) for axes in ((), (1,), (2,), (1, 2))]).float().mean(0)
    assert torch.equal(of_kind(picture, "mixed"), mirrored.round().byte())


def test_every_kind_is_drawn_about_equally_often() -> None:
    counts = draw_kinds(1000, torch_generator(0)).bincount(minlength=len(KINDS))
    assert counts.min() > 150
    assert len(counts) == len(KINDS)


def test_each_picture_is_destroyed_in_its_own_way() -> None:
    pictures = squares(10, 64)
    kinds = torch.arange(10) % len(KINDS)
    ruined = destroyed(pictures, kinds, torch_generator(2))
    for index, kind in enumerate(KINDS):
        assert torch.equal(ruined[kinds == index], of_kind(pictures, kind, 2)[kinds == index])


def test_equal_generators_change_equally() -> None:
    pictures = squares(8, 64)

    def ruin(pictures: Tensor, generator: torch.Generator) -> Tensor:
        return destroyed(pictures, torch.arange(8) % len(KINDS), generator)

    for change in (augmented, ruin):
        assert torch.equal(change(pictures, torch_generator(3)), change(pictures, torch_generator(3)))
        assert not torch.equal(change(pictures, torch_generator(3)), change(pictures, torch_generator(4)))
