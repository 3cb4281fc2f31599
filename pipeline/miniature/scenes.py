"""Draw the fifteen backgrounds of the drawn world, by EmoSet's scene names; every call draws a new view of the place.

Every view keeps what identifies the place in its upper half and stays calm below, where the objects stand. Nothing
living is drawn except a few distant gulls and the dark rows of a crowd.
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
    """Return a new background for the scene: RGB, CANVAS_PX x CANVAS_PX, mirrored with probability 0.5.

    The same state of `rng` gives the same pixels. Raises ValueError for a name that is not one of vocabulary.SCENES.
    """
    if name not in PAINTERS:
        raise ValueError(f"unknown scene {name!r}; allowed: {', '.join(PAINTERS)}")
    sketch = Sketch(rng)
    PAINTERS[name](sketch)
    return sketch.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if sketch.chance(0.5) else sketch.image
