"""Cached latents are the autoencoder's posteriors, of the picture and of its mirror image."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from pipeline.artifacts import read_table, write_table
from pipeline.foundation.diffusion import load_module
from pipeline.schemas import LATENTS_SCHEMA
from pipeline.training.latents import LatentCache, draw_mirrored, encode_pictures, factor, prepared
from pipeline.work import WorkFolder


def rows(num: int) -> pa.Table:
    pictures = np.random.default_rng(0).integers(0, 255, (num, 64, 64, 3), dtype=np.uint8)
    pictures[:, :, 32:] = 0
    data = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        data.append({"bytes": buffer.getvalue(), "path": ""})
    return pa.table({"image_id": [f"emoset/{index:03d}" for index in range(num)], "image": data})


@pytest.fixture(scope="module")
def vae(models: Path) -> AutoencoderKL:
    return load_module(AutoencoderKL, models / "foundation/diffusion/vae")


def test_the_cache_gives_what_the_autoencoder_says(vae: AutoencoderKL, tmp_path: Path) -> None:
    table = encode_pictures(vae, rows(5), 64, "crop", 2)
    write_table(tmp_path / "part-00000.parquet", table, LATENTS_SCHEMA)
    cache = LatentCache(
        WorkFolder("toy", "a", tmp_path), [read_table(tmp_path / "part-00000.parquet", LATENTS_SCHEMA)], 16
    )
    assert cache.values.shape == (5, 4, 16, 8, 8)
    with Image.open(io.BytesIO(rows(5)["image"][3].as_py()["bytes"])) as picture:
        pixels = torch.from_numpy(np.asarray(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        plain, mirrored = (vae.encode(x).latent_dist.mean for x in (pixels, pixels.flip(3)))
    for kind, wanted in ((0, plain), (2, mirrored)):
        found = torch.from_numpy(cache.values[3, kind].astype(np.float32))
        assert (found - wanted[0]).abs().mean() < 0.02 * wanted.abs().mean()


def test_draws_are_posterior_samples_of_the_rows_asked_for(vae: AutoencoderKL, tmp_path: Path) -> None:
    cache = LatentCache(WorkFolder("toy", "a", tmp_path), [encode_pictures(vae, rows(3), 64, "crop", 8)], 16)
    drawn = cache.draw(torch.tensor([2, 0, 2]), torch.zeros(3, dtype=torch.bool), torch.Generator().manual_seed(0))
    mean = torch.from_numpy(cache.values[[2, 0, 2], 0].astype(np.float32))
    spread = (0.5 * torch.from_numpy(cache.values[[2, 0, 2], 1].astype(np.float32))).exp()
    assert ((drawn - mean) / spread).std() == pytest.approx(1.0, abs=0.1)
    mirrored = draw_mirrored(400, True, torch.Generator().manual_seed(0))
    both = cache.draw(torch.zeros(400, dtype=torch.long), mirrored, torch.Generator().manual_seed(0))
    is_plain = (both - mean[1]).abs().mean((1, 2, 3)) < 0.01
    assert torch.equal(is_plain, ~mirrored)
    assert 0.4 < mirrored.float().mean() < 0.6
    assert not draw_mirrored(400, False, torch.Generator().manual_seed(0)).any()


def test_an_empty_shard_has_the_width_of_the_others(vae: AutoencoderKL) -> None:
    empty, full = (encode_pictures(vae, rows(1).slice(0, num), 64, "crop", 8) for num in (0, 1))
    assert (empty.schema, len(empty)) == (full.schema, 0)


def test_a_picture_becomes_a_square_by_its_middle_or_squashed(vae: AutoencoderKL) -> None:
    wide = Image.new("RGB", (40, 20), "red")
    wide.paste("blue", (10, 0, 30, 20))
    colors = {fit: np.asarray(prepared(wide, 16, fit))[8, 0].argmax() for fit in ("crop", "squash")}
    assert colors == {"crop": 2, "squash": 0}
    assert factor(vae) == 8
