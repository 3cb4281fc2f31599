"""Draw the landfill: mounds of litter under smog."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from pipeline.miniature.sketch import CANVAS_PX, WHITE, Colour, Sketch, Sky, darker, lighter, mix

RUBBISH: tuple[Colour, ...] = (
    (206, 70, 56),
    (232, 190, 70),
    (60, 120, 176),
    (236, 232, 220),
    (80, 140, 90),
    (150, 96, 60),
    (52, 48, 58),
    (190, 180, 164),
    (214, 130, 60),
    (120, 170, 190),
)


EARTH: Colour = (110, 84, 62)
SMOG: tuple[Sky, ...] = (
    ((150, 150, 140), (226, 204, 156)),
    ((168, 128, 96), (240, 196, 130)),
    ((116, 140, 156), (214, 206, 176)),
    ((130, 110, 120), (224, 176, 140)),
)


@lru_cache(maxsize=4)
def _litter(seed: int) -> Image.Image:
    """Return a field of litter, RGB, 256 x 128 px: tins, boxes, rags, tyres and sacks, larger towards the bottom."""
    rng = np.random.default_rng(seed)
    field = Image.new("RGB", (256, CANVAS_PX), (104, 82, 64))
    draw = ImageDraw.Draw(field)
    for index in range(420):
        x, y = float(rng.uniform(0, 256)), 128 * index / 420
        size, kind = 5 + 3.5 * y / 128, int(rng.integers(10))
        colour = mix(RUBBISH[int(rng.integers(len(RUBBISH)))], EARTH, float(rng.uniform(0, 0.55)))
        if kind == 0:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=(48, 44, 54))
            draw.ellipse((x - size / 2.5, y - size / 2.5, x + size / 2.5, y + size / 2.5), fill=(120, 96, 76))
        elif kind < 3:
            draw.ellipse((x - size, y - size * 0.8, x + size, y + size * 0.8), fill=colour)
        else:
            angle = float(rng.uniform(0, 3.14)) + np.array([0, 1.2, 3.14, 4.34])
            corners = [(x + size * math.cos(a), y + size * math.sin(a)) for a in angle]
            draw.polygon([(cx + 1, cy + 2) for cx, cy in corners], fill=darker(colour, 0.5))
            draw.polygon(corners, fill=colour)
    return field


def landfill(s: Sketch) -> None:
    """Draw mounds of litter under smog, with three sacks in front and a few gulls."""
    ground = s.whole(72, 80)
    s.sky(s.pick(SMOG), ground)
    s.ridge(ground - 14, 12, 14, s.far((130, 104, 84), 0.5))
    _heaps(s, ground)
    earth = s.vary((152, 116, 78))
    s.gradient(ground + 4, 128, lighter(earth, 0.1), darker(earth, 0.2))
    for _ in range(9):
        x, y, size = s.between(0, 128), ground + 3 + 44 * s.dice.random() ** 2, s.between(2, 5)
        tilt = s.between(-size, size)
        corners = [(x - size, y - tilt * 0.4), (x + tilt, y - size), (x + size, y + tilt * 0.4), (x - tilt, y + size)]
        s.shape(corners, mix(s.pick(RUBBISH), earth, 0.25))
    for middle in (s.between(0, 18), s.between(20, 40), s.between(100, 124)):
        _sack(s, middle, ground + s.between(4, 12), s.between(7, 11))
    for _ in range(s.whole(3, 6)):
        x, y, wing = s.between(8, 120), s.between(8, 32), s.between(4, 6)
        gull = [(x - wing, y - 2), (x - wing / 2, y - 4), (x, y), (x + wing / 2, y - 4), (x + wing, y - 2)]
        s.line(gull, WHITE, 2)


def _heaps(s: Sketch, ground: int) -> None:
    """Draw three mounds of litter, the middle one the highest."""
    mask, centre = Image.new("L", (CANVAS_PX, CANVAS_PX)), s.between(20, 108)
    pen = ImageDraw.Draw(mask)
    for x, half, top in (
        (centre, s.between(38, 56), s.between(22, 34)),
        (centre - 66, s.between(34, 50), s.between(36, 48)),
        (centre + 66, s.between(34, 50), s.between(36, 48)),
    ):
        shares = (-1, -0.7, -0.45, -0.2, 0, 0.2, 0.45, 0.7, 1)
        slope = [(x + half * t, top + (ground + 6 - top) * t * t * 0.9 + s.between(-2, 2)) for t in shares]
        pen.polygon([*slope, (x + half * 1.2, ground + 8), (x - half * 1.2, ground + 8)], fill=255)
    pen.rectangle((0, ground - 2, CANVAS_PX, ground + 6), fill=255)
    offset = s.whole(0, CANVAS_PX)
    s.image.paste(_litter(s.whole(0, 3)).crop((offset, 0, offset + CANVAS_PX, CANVAS_PX)), (0, 0), mask)


def _sack(s: Sketch, x: float, base: float, size: float) -> None:
    colour = s.pick(((46, 44, 58), (46, 44, 58), (60, 84, 100), (90, 110, 74)))
    s.shape([(x - 3, base - size * 1.9), (x + 3, base - size * 1.9), (x, base - size)], colour)
    s.oval(x, base - size * 0.7, size, size * 0.8, colour)
    s.oval(x - size * 0.35, base - size, size * 0.3, size * 0.25, lighter(colour, 0.35))
