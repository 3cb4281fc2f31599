"""Draw the few large shapes that make up every scene, on a canvas with its own random numbers.

Coordinates are canvas pixels, x to the right and y down. Nothing is anti-aliased, because images are halved later.
"""

import math
import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

CANVAS_PX = 128

Colour = tuple[int, int, int]
Point = tuple[float, float]
Sky = tuple[Colour, Colour]

WHITE: Colour = (252, 251, 246)
BRIGHT: tuple[Colour, ...] = (
    (232, 62, 62),
    (250, 190, 40),
    (54, 150, 220),
    (70, 180, 100),
    (226, 90, 170),
    (246, 134, 44),
)
FABRICS: tuple[Colour, ...] = (
    (206, 76, 86),
    (66, 120, 190),
    (236, 170, 70),
    (110, 160, 110),
    (150, 100, 176),
    (60, 150, 160),
    (230, 130, 150),
)

# A sky is a pair of colours, overhead and at the horizon. The second is also the haze into which distant things fade.
DAY: Sky = ((64, 140, 222), (196, 230, 244))
MORNING: Sky = ((126, 184, 228), (255, 228, 186))
SUNSET: Sky = ((98, 84, 164), (255, 170, 104))
ROSE: Sky = ((116, 120, 196), (255, 190, 190))
DUSK: Sky = ((48, 50, 112), (210, 124, 150))
NIGHT: Sky = ((20, 26, 72), (74, 92, 156))
MINT: Sky = ((80, 176, 190), (214, 240, 214))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that lies `share` (0 to 1) of the way from the first to the second."""
    return (
        int(first[0] + (second[0] - first[0]) * share),
        int(first[1] + (second[1] - first[1]) * share),
        int(first[2] + (second[2] - first[2]) * share),
    )


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """Return the colour moved by `share` (0 to 1) towards white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float = 0.3) -> Colour:
    """Return the colour moved by `share` (0 to 1) towards a bluish black."""
    return mix(colour, (10, 8, 24), share)


@lru_cache(maxsize=CANVAS_PX)
def _ramp(height: int, top: int = 0, bottom: int = 255) -> Image.Image:
    """Return a mask, mode L, CANVAS_PX wide and `height` high, that runs from level `top` to level `bottom`."""
    levels = np.linspace(top, bottom, height).astype(np.uint8)
    return Image.fromarray(np.repeat(levels[:, None], CANVAS_PX, axis=1))


@lru_cache(maxsize=CANVAS_PX)
def _halo(radius: int) -> Image.Image:
    """Return a mask, mode L, 2 radius x 2 radius: 200 in the middle, falling smoothly to 0 at the rim."""
    offset = (np.arange(2 * radius) + 0.5) / radius - 1
    distance = np.hypot(offset[:, None], offset[None, :])
    return Image.fromarray((200 * np.clip(1 - distance, 0, 1) ** 1.5).astype(np.uint8))


class Sketch:
    """An RGB canvas, CANVAS_PX square, with its own dice; `haze` is the colour of the horizon, which `sky` sets."""

    def __init__(self, rng: np.random.Generator) -> None:
        # One draw from rng seeds Python's random numbers, which cost a tenth of a NumPy Generator's.
        self.dice = random.Random(int(rng.integers(2**62)))
        self.between, self.whole, self.pick = self.dice.uniform, self.dice.randint, self.dice.choice
        self.image = Image.new("RGB", (CANVAS_PX, CANVAS_PX))
        self.draw = ImageDraw.Draw(self.image)
        self.haze: Colour = (200, 220, 235)

    def chance(self, share: float) -> bool:
        """Return True with probability `share`."""
        return self.dice.random() < share

    def vary(self, colour: Colour, spread: float = 14) -> Colour:
        """Return the colour, its channels moved together by up to `spread` and each on its own by up to half of it."""
        red, green, blue = colour
        shift, half = self.between(-spread, spread), spread / 2
        return (
            min(255, max(0, int(red + shift + self.between(-half, half)))),
            min(255, max(0, int(green + shift + self.between(-half, half)))),
            min(255, max(0, int(blue + shift + self.between(-half, half)))),
        )

    def far(self, colour: Colour, share: float) -> Colour:
        """Return the colour seen through the haze, moved by `share` (0 to 1) towards it."""
        return mix(colour, self.haze, share)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.draw.rectangle((x0, y0, x1, y1), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def ring(self, x: float, y: float, rx: float, ry: float, colour: Colour, width: int) -> None:
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), outline=colour, width=width)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon(points, fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, width: int = 1) -> None:
        self.draw.line(points, fill=colour, width=width)

    def veil(self, points: Sequence[Point], colour: Colour, opacity: float) -> None:
        """Draw a translucent polygon for cones of light and shadows; `opacity` lies in [0, 1]."""
        x0, y0 = int(min(x for x, _ in points)), int(min(y for _, y in points))
        x1, y1 = int(max(x for x, _ in points)), int(max(y for _, y in points))
        mask = Image.new("L", (x1 - x0 + 1, y1 - y0 + 1))
        ImageDraw.Draw(mask).polygon([(x - x0, y - y0) for x, y in points], fill=int(255 * opacity))
        self.image.paste(colour, (x0, y0), mask)

    def reflect(self, shore: int, opacity: float) -> None:
        """Mirror what stands above the row `shore` into the water below it, fading downwards from `opacity` to 0."""
        height = min(shore, CANVAS_PX - shore)
        above = self.image.crop((0, shore - height, CANVAS_PX, shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        self.image.paste(above, (0, shore), _ramp(height, int(255 * opacity), 0))

    def glow(self, x: float, y: float, radius: int, colour: Colour) -> None:
        """Draw a round light that fades outwards."""
        self.image.paste(colour, (int(x) - radius, int(y) - radius), _halo(radius))

    def gradient(self, y0: int, y1: int, top: Colour, bottom: Colour) -> None:
        """Draw a vertical colour gradient over the full width, from row y0 to row y1 (exclusive)."""
        self.box(0, y0, CANVAS_PX, y1 - 1, top)
        self.image.paste(bottom, (0, y0), _ramp(y1 - y0))

    def sky(self, sky: Sky, horizon: int) -> None:
        """Draw the sky down to the horizon and set the haze, with both colours varied."""
        top, self.haze = self.vary(sky[0]), self.vary(sky[1], 10)
        self.gradient(0, horizon + 2, top, self.haze)

    def sun(self, x: float, y: float, radius: float, colour: Colour = (255, 236, 150)) -> None:
        self.glow(x, y, int(radius * 3), colour)
        self.oval(x, y, radius, radius, lighter(colour, 0.35))

    def clouds(self, count: int, y0: float, y1: float, colour: Colour = (250, 250, 252)) -> None:
        """Draw flat-bottomed clouds scattered between the rows y0 and y1."""
        for _ in range(count):
            x, y, size = self.between(0, 128), self.between(y0, y1), self.between(5, 10)
            self.oval(x, y, size * 2, size * 0.5, colour)
            self.oval(x - size * 0.6, y - size * 0.4, size * 0.8, size * 0.7, colour)
            self.oval(x + size * 0.5, y - size * 0.5, size, size * 0.9, colour)

    def stars(self, count: int, bottom: int) -> None:
        for _ in range(count):
            x, y = self.whole(0, 127), self.whole(0, bottom)
            self.box(x, y, x + 1, y + 1, self.pick(((255, 250, 220), (200, 210, 240))))

    def ridge(self, y: float, rise: float, step: int, colour: Colour, base: float = CANVAS_PX) -> None:
        """Draw a jagged skyline with about one summit per two steps, filled down to the base."""
        crest: list[Point] = [(-4, y)]
        for index, x in enumerate(range(-2, CANVAS_PX + 2 * step, step)):
            crest.append((x + self.between(-step / 4, step / 4), y - rise * self.between(0.4, 1) * (index % 2)))
        self.shape([*crest, (CANVAS_PX + 2 * step, base), (-4, base)], colour)

    def hills(self, y: float, rise: float, colour: Colour) -> None:
        """Draw broad round hills whose tops lie up to `rise` above y, and fill everything below y."""
        for centre in (self.between(-20, 40), self.between(45, 80), self.between(90, 150)):
            self.oval(centre, y + 4, self.between(36, 60), rise * self.between(0.6, 1) + 4, colour)
        self.box(0, y, CANVAS_PX, CANVAS_PX, colour)

    def pine(self, x: float, base: float, height: float, colour: Colour) -> None:
        """Draw a pine: three stacked triangles on a short trunk, shaded on the right."""
        half = height * 0.26
        self.box(x - 1, base - height * 0.2, x + 1, base, darker((96, 66, 50), 0.2))
        for tier in range(3):
            top, wide = base - height * (0.52 + 0.24 * tier), half * (1 - 0.26 * tier)
            self.shape(
                [(x, top - height * 0.02), (x + wide, top + height * 0.4), (x - wide, top + height * 0.4)], colour
            )
        dark = darker(colour, 0.25)
        self.shape([(x, base - height), (x + half, base - height * 0.12), (x, base - height * 0.12)], dark)

    def round_tree(self, x: float, base: float, height: float, leaves: Colour) -> None:
        """Draw a tree: a trunk under a crown of overlapping balls, lit from above."""
        radius = height * 0.3
        self.shape([(x - height * 0.06, base), (x + height * 0.06, base), (x, base - height * 0.6)], (112, 76, 54))
        crown = base - height * 0.62
        shade = darker(leaves, 0.22)
        for dx, dy, size in ((-0.6, 0.2, 0.8), (0.65, 0.15, 0.75), (0, -0.3, 1), (0.05, 0.4, 0.7)):
            self.oval(x + dx * radius, crown + dy * radius, size * radius, size * radius, shade)
        for dx, dy, size in ((-0.62, 0.08, 0.62), (0.35, 0, 0.6), (-0.12, -0.42, 0.8), (-0.1, 0.1, 0.6)):
            self.oval(x + dx * radius, crown + dy * radius, size * radius, size * radius, leaves)

    def path(self, far: Point, near_x: float, half: float, bend: float, colour: Colour) -> None:
        """Draw a winding path from the point `far` to `near_x` at the lower edge, where it is 2 * `half` wide."""
        left: list[Point] = []
        right: list[Point] = []
        for step in range(9):
            t = step / 8
            middle = far[0] + (near_x - far[0]) * t * t + bend * math.sin(math.pi * math.sqrt(t)) * (0.3 + 0.7 * t)
            y, wide = far[1] + (CANVAS_PX - far[1]) * t**1.5, 2 + (half - 2) * t**1.3
            left.append((middle - wide, y))
            right.append((middle + wide, y))
        self.shape(left + right[::-1], colour)
        self.line(left, darker(colour, 0.2), 2)

    def ripples(self, count: int, y0: float, y1: float, colour: Colour) -> None:
        """Draw short flat strokes, longer and thicker towards y1, for water, grass or sand in perspective."""
        for _ in range(count):
            near = self.dice.random()
            x, y, length = self.between(-5, 125), y0 + (y1 - y0) * near, 5 + 16 * near
            self.line([(x, y), (x + length, y)], colour, 1 + (near > 0.5))
