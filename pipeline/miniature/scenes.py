"""The fifteen backgrounds of the drawn world, by EmoSet's scene names: one call, one new view of the place.

Every view keeps what names the place in its upper half and stays calm below, where the objects stand; nothing
living is drawn but a few far gulls and the dark rows of a crowd.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from pipeline.miniature import scenes_dump, scenes_lawns, scenes_nature, scenes_places, scenes_rooms, scenes_shows
from pipeline.miniature.sketch import CANVAS_PX, Sketch

__all__ = ["CANVAS_PX", "PAINTERS", "draw_scene"]

PAINTERS: dict[str, Callable[[Sketch], None]] = {
    "amusement_park": scenes_places.amusement_park,
    "beach": scenes_nature.beach,
    "bedroom": scenes_rooms.bedroom,
    "boxing_ring": scenes_shows.boxing_ring,
    "cemetery": scenes_lawns.cemetery,
    "corridor": scenes_rooms.corridor,
    "forest_path": scenes_nature.forest_path,
    "lake": scenes_nature.lake,
    "landfill": scenes_dump.landfill,
    "mountain": scenes_nature.mountain,
    "park": scenes_lawns.park,
    "playground": scenes_lawns.playground,
    "room": scenes_rooms.room,
    "stage": scenes_shows.stage,
    "street": scenes_places.street,
}


def draw_scene(name: str, rng: np.random.Generator) -> Image.Image:
    """A background, RGB, CANVAS_PX x CANVAS_PX, mirrored half of the time; the same rng state gives the same pixels.

    Raises ValueError for a name that is not one of vocabulary.SCENES.
    """
    if name not in PAINTERS:
        raise ValueError(f"unknown scene {name!r}; allowed: {', '.join(PAINTERS)}")
    sketch = Sketch(rng)
    PAINTERS[name](sketch)
    return sketch.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if sketch.chance(0.5) else sketch.image
