"""Judges with weights by chance beside the bundled CLIP, and pictures that differ by emotion."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from pipeline.emotions import EMOTIONS
from pipeline.foundation import bundle
from pipeline.judges.examples import Names
from pipeline.judges.head import EmotionHead, save_head
from pipeline.judges.panel import Judges, save_judges
from pipeline.judges.pixels import PixelJudge
from pipeline.metrics.judgement import ModelFiles
from pipeline.params import Scores, load_params

ROOT = Path(__file__).parents[2]


@cache
def models_of_chance(folder: Path) -> ModelFiles:
    """models/ as the pipeline lays it out, with an empty folder of pretrained weights."""
    bundle.unpack(ROOT / "models/miniature/clip" / bundle.CLIP, folder / "foundation/clip")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_head(EmotionHead(128, None), folder / "emotion_classifier", {})
        network = PixelJudge("small", 3, 3).eval()
        save_judges(Judges(network, "small", 64, Names(("none", "sea", "wood"), ("none", "boat", "tree"))),
                    folder / "judges", {})  # fmt: skip
    (folder / "pretrained").mkdir()
    return ModelFiles(
        folder / "foundation/clip", folder / "emotion_classifier", folder / "judges", folder / "pretrained"
    )


def settings(**changes: Any) -> Scores:
    """Those of the miniature."""
    return load_params(ROOT / "params.yaml").scores.model_copy(update=changes)


def picture(number: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Noise on a grey that grows with the emotion, number modulo 8."""
    pixels = np.random.default_rng(number).integers(0, 100, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels + np.uint8(20 * (number % 8)))


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def laid_down(number: int) -> bytes:
    """A picture that is twice as wide as high as a PNG whose EXIF block says to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(number, (96, 48)), exif=exif)


def rows(numbers: range, size: tuple[int, int] = (64, 64)) -> pa.Table:
    """image_id, image, emotion of pictures, sorted by id."""
    found = [
        {"image_id": f"mine/{EMOTIONS[number % 8]}/{number:05d}", "emotion": EMOTIONS[number % 8],
         "image": {"bytes": encoded(picture(number, size)), "path": None}} for number in numbers
    ]  # fmt: skip
    return pa.Table.from_pylist(sorted(found, key=lambda row: row["image_id"]))


def write_folder(folder: Path, numbers: range, file_format: str = "PNG") -> Path:
    """A subfolder for each emotion."""
    for number in numbers:
        path = folder / EMOTIONS[number % 8] / f"{number}.{file_format.lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(number), file_format))
    return folder
