"""Bundled generators: what is packed draws nearly the same, and what is bundled is as good as the default run."""

import json
from pathlib import Path

import numpy as np
import pytest

from evoke import bundled
from evoke.pipeline import EmotionPipeline
from pipeline.artifacts import read_json
from pipeline.generation.folder import digest_of
from pipeline.weights import load_safetensors
from tests.generation.trained import random_coemogen

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / bundled.BUNDLE / bundled.GENERATORS).glob("*.safetensors"))


def test_a_packed_generator_comes_back_whole_and_draws_the_same_image(models: Path, tmp_path: Path) -> None:
    folder = random_coemogen(models, "packed")
    bundled.pack_generator(folder, tmp_path / "one.safetensors", {"diffusion": "x"})
    bundled.unpack_generator(tmp_path / "one.safetensors", tmp_path / "back")
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in (tmp_path / "back").iterdir())
    assert (tmp_path / "back/meta.json").read_bytes() == (folder / "meta.json").read_bytes()
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert (tmp_path / "one.safetensors").stat().st_size < 0.45 * size
    foundation = {"diffusion": models / "foundation/diffusion", "clip": models / "foundation/clip"}
    images = [
        np.asarray(EmotionPipeline.from_pretrained(each, **foundation)("awe", steps=4)[0], np.int64)
        for each in (folder, tmp_path / "back")
    ]
    assert np.abs(images[0] - images[1]).mean() < 4


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bundled_generator_is_as_good_as_the_default_runs(file: Path, models: Path) -> None:
    _, metadata = load_safetensors(file)
    measured = read_json(ROOT / f"metrics/scores/{file.stem}.json")["emo_a/judge"]
    assert json.loads(metadata["figures"])["emo_a/judge"] == pytest.approx(measured, abs=0.04)
    assert metadata["diffusion"] == digest_of(models / "foundation/diffusion")


def test_it_is_unpacked_once_beside_its_foundation_and_serves_at_once(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/miniature").symlink_to(ROOT / "models/miniature")
    assert bundled.bundled("nobody", tmp_path) is None
    folder = bundled.bundled("coemogen_emoset", tmp_path)
    assert folder is not None
    before = (folder / "meta.json").stat().st_mtime_ns
    assert bundled.bundled("coemogen_emoset", tmp_path) == folder
    assert (folder / "meta.json").stat().st_mtime_ns == before
    (image,) = EmotionPipeline.from_pretrained(folder)("awe", steps=2)
    assert image.size == (64, 64)
