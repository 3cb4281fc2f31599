"""Write how an image was made into its PNG file, and read it again.

The recipe is JSON in the text chunk "evoke". The chunk "parameters" says the same in the form of AUTOMATIC1111's web
UI, which most galleries and tools for Stable Diffusion read.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

RECIPE, PARAMETERS = "evoke", "parameters"
SETTINGS = {"steps": "Steps", "solver": "Sampler", "guidance": "CFG scale", "seed": "Seed", "model": "Model"}
SHEET = "-sheet.png"  # end of a contact sheet's name
TEXTS = ("prompt", "negative_prompt")


def png_bytes(image: NDArray[np.uint8] | Image.Image, recipe: Mapping[str, Any]) -> bytes:
    """Return an image, HW3 if it is an array, as the bytes of a PNG file that carries its recipe.

    Of the recipe, a mapping that JSON can hold, the keys of TEXTS and SETTINGS have a place of their own in the
    parameters; the others follow under their own names.
    """
    info = PngInfo()
    info.add_itxt(RECIPE, json.dumps(recipe, ensure_ascii=False))
    info.add_text(PARAMETERS, parameters(recipe))
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def is_sheet(path: Path) -> bool:
    """Return True for the PNG file of a contact sheet, whose recipe has a list of seeds."""
    recipe = recipe_of(path.read_bytes()) if path.suffix == ".png" and path.is_file() else None
    return recipe is not None and isinstance(recipe.get("seed"), list)


def recipe_of(data: bytes) -> dict[str, Any] | None:
    """Return the recipe in the bytes of a PNG file; None for any other file and for a PNG without one."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            recipe = json.loads(image.info.get(RECIPE, "null"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None
    return recipe if isinstance(recipe, dict) else None


def parameters(recipe: Mapping[str, Any]) -> str:
    """Return a recipe in the form of AUTOMATIC1111: the prompt, the negative prompt, and a line of settings."""
    lines = [str(recipe.get("prompt", ""))]
    if recipe.get("negative_prompt"):
        lines.append(f"Negative prompt: {recipe['negative_prompt']}")
    settings = {name: recipe[key] for key, name in SETTINGS.items() if key in recipe}
    others = {key: value for key, value in recipe.items() if key not in (*SETTINGS, *TEXTS)}
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in (settings | others).items())])
