"""The recipe in a PNG file: it comes back as it was, other tools find theirs, and no other file gives one."""

import io

import numpy as np
import pytest
from PIL import Image

from evoke.png import parameters, png_bytes, recipe_of

RECIPE = {
    "prompt": "{S} café ☂", "negative_prompt": "fog", "emotions": {"awe": 0.6, "fear": 0.4}, "seed": 2**63 - 1,
    "steps": 25, "guidance": 5.0, "solver": "ddim", "model": "0123456789abcdef",
}  # fmt: skip
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)


@pytest.mark.parametrize("image", [IMAGE, Image.fromarray(IMAGE)])
def test_pixels_and_recipe_come_back_as_they_were(image: np.ndarray | Image.Image) -> None:
    data = png_bytes(image, RECIPE)
    assert recipe_of(data) == RECIPE
    assert (np.asarray(Image.open(io.BytesIO(data))) == IMAGE).all()
    assert data == png_bytes(image, RECIPE)


def test_parameters_have_the_lines_and_names_that_other_tools_read() -> None:
    text = Image.open(io.BytesIO(png_bytes(IMAGE, RECIPE))).info["parameters"]
    assert text == parameters(RECIPE)
    prompt, negative, settings = text.split("\n")
    assert (prompt, negative) == ("{S} café ☂", "Negative prompt: fog")
    assert settings.startswith(
        "Steps: 25, Sampler: ddim, CFG scale: 5.0, Seed: 9223372036854775807, Model: 0123456789abcdef"
    )


def plain(format: str = "PNG", **info: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(IMAGE)
    if info:
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        for key, value in info.items():
            chunks.add_text(key, value)
        image.save(buffer, format, pnginfo=chunks)
    else:
        image.save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"text", plain(), plain("JPEG"), plain(evoke="{"), plain(evoke="[1]"), png_bytes(IMAGE, RECIPE)[:60]],
    ids=["empty", "text", "without", "jpeg", "broken", "list", "cut"],
)
def test_no_other_file_gives_a_recipe(data: bytes) -> None:
    assert recipe_of(data) is None
