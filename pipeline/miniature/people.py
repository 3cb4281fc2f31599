"""Draw the people of the drawn world: emoji-like busts with one of seven faces and nine poses, in six variants each.

The variant sets hair, shirt and natural skin, independently of expression and action. Units are hundredths of the
height.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image

from pipeline.miniature.faces import FACES, HEAD_RADIUS, HEAD_X, HEAD_Y, SKIN
from pipeline.miniature.poses import POSES
from pipeline.miniature.sprites import Pen, curve, fit, flipped, oval

NUM_PERSON_VARIANTS = 6
OUTLINE = 3.0  # a little more than a pixel at 40 px


@dataclass(frozen=True)
class Look:
    """The appearance of one of the person variants; colours are "#rrggbb"."""

    hair: str
    form: Literal["short", "long", "curls", "spikes", "bun", "plaits"]
    skin: str
    shirt: str
    sleeve: str


LOOKS = (
    Look("#5a3418", "short", "#f2c79c", "#2f7bf0", "#ffffff"),
    Look("#f2b632", "long", "#f7d3b0", "#2fae5a", "#fff0a8"),
    Look("#2b2430", "curls", "#8f5a36", "#ff9a1f", "#ffe9c8"),
    Look("#d8561c", "spikes", "#f7d3b0", "#7a4fd0", "#e6dcff"),
    Look("#8a8f9c", "bun", "#d9a06c", "#1fa5a8", "#d8fbf4"),
    Look("#3a2030", "plaits", "#b97c4c", "#e84f9a", "#ffe0ef"),
)


@lru_cache(maxsize=8192)
def person_sprite(expression: str | None, action: str | None, variant: int, height_px: int) -> Image.Image:
    """Return the tightly cropped person: RGBA, exactly `height_px` high; head and hair take about 65 % of the height.

    Names are those of vocabulary.EXPRESSIONS and ACTIONS; None means a neutral face or hanging arms. `variant` lies in
    [0, NUM_PERSON_VARIANTS). The image is cached and shared: paste it, but do not draw on it. Raises ValueError for an
    unknown name or variant.
    """
    return fit(_drawing(expression, action, variant), height_px=height_px)


@lru_cache(maxsize=512)
def _drawing(expression: str | None, action: str | None, variant: int) -> Image.Image:
    """Return the cropped person at drawing size. Raises ValueError for an unknown name or variant."""
    for kind, name, allowed in (("expression", expression, FACES), ("action", action, POSES)):
        if name not in allowed:
            raise ValueError(f"unknown {kind} {name!r}; allowed: {list(allowed)}")
    if variant not in range(NUM_PERSON_VARIANTS):
        raise ValueError(f"unknown variant {variant!r}; allowed: 0 to {NUM_PERSON_VARIANTS - 1}")
    look = LOOKS[variant]
    skin = look.skin if expression is None else SKIN[expression]
    pen = Pen(height=100, line=OUTLINE)
    _hair_behind(pen, look)
    pen.shape(curve([(20, 100), (23, 79), (38, 66), (62, 66), (77, 79), (80, 100)]), look.shirt, 4)
    pen.shape(oval(HEAD_X, HEAD_Y, HEAD_RADIUS, HEAD_RADIUS), skin, 4)
    _hair_in_front(pen, look)
    FACES[expression](pen)
    POSES[action](pen, look.sleeve, skin)
    return pen.cropped()


def _hair_behind(pen: Pen, look: Look) -> None:
    """Draw the hair that shows beside and above the head."""
    if look.form == "long":
        pen.shape(curve([(50, 4), (80, 12), (88, 44), (86, 80), (14, 80), (12, 44), (20, 12)], True), look.hair, 5)
    elif look.form == "bun":
        pen.shape(oval(50, 4, 13, 9), look.hair, 3)
    elif look.form == "plaits":
        plait = [(22, 40), (12, 52), (12, 72)]
        for points in (plait, flipped(plait)):
            pen.stroke(points, look.hair, 10, outlined=True)


def _hair_in_front(pen: Pen, look: Look) -> None:
    """Draw the hair over the forehead; it ends above the brows."""
    if look.form == "curls":
        for x, y in ((21, 26), (25, 14), (37, 7), (50, 4), (63, 7), (75, 14), (79, 26)):
            pen.shape(oval(x, y, 9, 9), look.hair, 3)
        return
    top = oval(HEAD_X, HEAD_Y - 2, HEAD_RADIUS + 2, HEAD_RADIUS + 3, 0, 196, 344)
    fringe: dict[str, list[tuple[float, float]]] = {
        "short": [(72, 16), (56, 12), (38, 18), (26, 20)],
        "long": [(74, 22), (64, 13), (52, 8), (36, 16), (26, 24)],
        "spikes": [(74, 17), (66, 12), (60, 19), (52, 11), (44, 19), (37, 12), (28, 20)],
        "bun": [(72, 21), (50, 13), (28, 21)],
        "plaits": [(72, 20), (60, 16), (50, 9), (40, 16), (28, 20)],
    }
    if look.form == "spikes":
        top = [(21, 27), (16, 12), (28, 14), (30, 0), (42, 8), (50, -4), (58, 8), (70, 0), (72, 14), (84, 12), (79, 27)]
    pen.shape([*top, *fringe[look.form]], look.hair, 3)
