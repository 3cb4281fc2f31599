"""Squares and crops: what the chain sees is what CLIP's own transform shows, or a part of it."""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from pipeline.corpora.images import to_rgb
from pipeline.foundation.clip import load_clip
from pipeline.uniemo.pictures import MAX_ASPECT, ClipInput, cached_squares, draw_crops, square_of
from pipeline.work import WorkFolder
from tests.uniemo.chains import visual_of


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def shard(pictures: list[Image.Image]) -> pa.Table:
    rows = []
    for each in pictures:
        buffer = BytesIO()
        each.save(buffer, format="PNG")
        rows.append({"bytes": buffer.getvalue(), "path": "x.png"})
    return pa.table({"image": pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))})


def test_squares_are_cached_in_order_and_made_once(tmp_path: Path) -> None:
    pictures = [picture(40, 30, 0), picture(20, 50, 1), picture(32, 32, 2).convert("L")]
    work = WorkFolder("toy", "a", tmp_path)
    squares = cached_squares(work, [shard(pictures[:2]), shard(pictures[2:])], 16)
    assert squares.shape == (3, 16, 16, 3)
    assert all(np.array_equal(squares[index], square_of(to_rgb(each), 16)) for index, each in enumerate(pictures))
    assert np.array_equal(cached_squares(work, [], 16), squares)


def test_a_kill_while_writing_leaves_no_half_cache(tmp_path: Path) -> None:
    def dying():  # noqa: ANN202
        yield shard([picture(16, 16)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_squares(WorkFolder("toy", "a", tmp_path), dying(), 16)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [(64, 64), (120, 80), (50, 90)])
def test_whole_squares_are_what_clips_own_transform_shows(size: tuple[int, int], models: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    shown = ClipInput(clip.model.visual)(torch.from_numpy(square_of(picture(*size), 64))[None])
    difference = (shown[0] - clip.transform(picture(*size))).abs()
    assert difference.mean() < 0.02
    assert difference.max() < 0.25  # the middle of an odd rest may lie half a pixel aside


def test_a_square_of_another_size_is_resized_to_the_vits() -> None:
    squares = torch.from_numpy(np.stack([square_of(picture(64, 64), 64), square_of(picture(64, 64), 64)]))
    shown = ClipInput(visual_of())(squares)
    wanted = torch.from_numpy(square_of(picture(64, 64), 16)).permute(2, 0, 1) / 127.5 - 1
    assert shown.shape == (2, 3, 16, 16)
    assert (shown[0] - wanted).abs().mean() < 0.02


def test_crops_lie_within_the_square_and_have_the_areas_and_shapes_that_are_allowed() -> None:
    crops = draw_crops(2000, 0.3, torch.Generator().manual_seed(0))
    size, middle = torch.diagonal(crops[:, :, :2], dim1=1, dim2=2).abs(), crops[:, :, 2]
    assert (middle.abs() + size).max() <= 1 + 1e-6
    area, aspect = size.prod(1), size[:, 0] / size[:, 1]
    assert 0.3 - 1e-6 <= area.min() < 0.31
    assert 0.98 < area.max() <= 1 + 1e-6
    assert aspect.log().abs().max() <= math.log(MAX_ASPECT) + 1e-5
    assert 0.45 < (crops[:, 0, 0] < 0).float().mean() < 0.55
    assert torch.equal(crops, draw_crops(2000, 0.3, torch.Generator().manual_seed(0)))


def test_a_crop_shows_its_part_of_the_square() -> None:
    """The upper right quarter, as torchvision would cut it out."""
    square = torch.from_numpy(square_of(picture(64, 64), 64))[None]
    crop = torch.tensor([[[0.5, 0, 0.5], [0, 0.5, -0.5]]])
    shown = ClipInput(visual_of(image_px=32))(square, crop)
    wanted = square[0, :32, 32:].permute(2, 0, 1) / 127.5 - 1
    assert torch.allclose(shown[0], wanted, atol=1e-4)


def test_without_cropping_a_picture_is_whole_or_mirrored() -> None:
    square = torch.from_numpy(square_of(picture(16, 16), 16))[None].expand(8, -1, -1, -1)
    prepare = ClipInput(visual_of())
    shown = prepare(square, draw_crops(8, 1.0, torch.Generator().manual_seed(0)))
    plain = prepare(square)[0]
    kinds = {"plain" if F.l1_loss(each, plain) < 1e-4 else "mirror" if F.l1_loss(each, plain.flip(2)) < 1e-4 else "?"
             for each in shown}  # fmt: skip
    assert kinds == {"plain", "mirror"}
