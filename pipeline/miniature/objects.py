"""Provide the 24 objects of the drawn world as sprites, in four variants each; the drawings are in objects_*."""

from collections.abc import Callable
from functools import cache, lru_cache

from PIL import Image, ImageOps

from pipeline.miniature import objects_creatures as creatures
from pipeline.miniature import objects_outdoors as outdoors
from pipeline.miniature import objects_things as things
from pipeline.miniature.sprites import Pen, fit

NUM_VARIANTS = 4
FLYING: frozenset[str] = frozenset({"balloon", "bird"})  # these hang in the air; everything else stands on the ground

DRAWERS: dict[str, Callable[[Pen, int], None]] = {
    "skull": creatures.skull, "lion": creatures.lion, "spider": creatures.spider, "snake": creatures.snake,
    "toy": creatures.teddy_bear, "dog": creatures.dog, "bird": creatures.bird, "sculpture": creatures.bust,
    "waste_container": things.bin_with_rubbish, "musical_instrument": things.guitar, "cake": things.cake,
    "balloon": things.balloon, "coffee_cup": things.cup, "candle": things.candle, "lamp": things.lamp,
    "book": things.open_book, "bag": things.handbag, "sofa": things.sofa, "bench": outdoors.bench,
    "boat": outdoors.sailing_boat, "tree": outdoors.tree, "flower": outdoors.flower, "house": outdoors.house,
    "car": outdoors.car,
}  # fmt: skip


@lru_cache(maxsize=4096)
def object_sprite(name: str, variant: int, width_px: int, mirrored: bool) -> Image.Image:
    """Return the tightly cropped object: RGBA, exactly `width_px` wide and 0.6 to 1.35 times as high.

    `name` is one of vocabulary.OBJECTS and `variant` lies in [0, NUM_VARIANTS). The image is cached and shared: paste
    it, but do not draw on it. Raises ValueError for an unknown name or variant.
    """
    drawing = fit(_drawing(name, variant), width_px=width_px)
    return ImageOps.mirror(drawing) if mirrored else drawing


@cache
def _drawing(name: str, variant: int) -> Image.Image:
    """Return the cropped object at drawing size. Raises ValueError for an unknown name or variant."""
    if name not in DRAWERS:
        raise ValueError(f"unknown object {name!r}; allowed: {sorted(DRAWERS)}")
    if variant not in range(NUM_VARIANTS):
        raise ValueError(f"unknown variant {variant!r}; allowed: 0 to {NUM_VARIANTS - 1}")
    pen = Pen()
    DRAWERS[name](pen, variant)
    return pen.cropped()
