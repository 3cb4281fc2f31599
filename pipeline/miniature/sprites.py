"""Draw shapes for the objects and people of the drawn world: thick dark outlines, with light from the upper left.

At 64 px only what is large, outlined and rich in contrast is learnt (MINIATURE, second study). Shapes are lists of
points in *units* of a hundredth of the sprite's width. They are drawn large and hard-edged, and `fit` smooths them.
This module does not depend on what is drawn.
"""

from collections.abc import Sequence
from math import cos, radians, sin

from PIL import Image, ImageChops, ImageColor, ImageDraw

Point = tuple[float, float]
Points = Sequence[Point]

INK = "#1d1626"
PX_PER_UNIT = 2.5  # 100 units are 250 px
MARGIN_UNITS = 24  # around the sheet, so that nothing is cut off
SHADE = 0.76


def toned(colour: str, factor: float) -> str:
    """Return `colour` ("#rrggbb") with its channels multiplied by a factor in [0, 1]."""
    return "#" + "".join(f"{round(channel * factor):02x}" for channel in ImageColor.getrgb(colour)[:3])


def oval(x: float, y: float, rx: float, ry: float, tilt: float = 0, start: float = 0, end: float = 360) -> list[Point]:
    """Return the points of an ellipse with centre (x, y), or of its arc from `start` to `end`.

    Angles are in degrees, clockwise from the right; `tilt` turns the whole ellipse clockwise.
    """
    num = max(6, round(36 * abs(end - start) / 360))
    angles = [radians(start + (end - start) * step / num) for step in range(num + 1)]
    return turned([(x + rx * cos(a), y + ry * sin(a)) for a in angles], (x, y), tilt)


def box(left: float, top: float, right: float, bottom: float, radius: float = 0) -> list[Point]:
    """Return the points of a rectangle, its corners rounded with `radius`."""
    if not radius:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    corners = (
        (right - radius, top + radius, -90), (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 90), (left + radius, top + radius, 180),
    )  # fmt: skip
    return [point for x, y, start in corners for point in oval(x, y, radius, radius, 0, start, start + 90)]


def curve(points: Points, closed: bool = False, steps: int = 7) -> list[Point]:
    """Return a smooth line through `points` (Catmull-Rom), with `steps` points for each segment."""
    before, after = ((points[-1],), (points[0], points[1])) if closed else ((points[0],), (points[-1],))
    knots = [*before, *points, *after]
    smooth: list[Point] = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        smooth += [_catmull_rom(a, b, c, d, step / steps) for step in range(steps)]
    return smooth if closed else [*smooth, points[-1]]


def _catmull_rom(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    """Return the Catmull-Rom point at t in [0, 1] between b and c."""
    weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
    x, y = (sum(w * knot[axis] for w, knot in zip(weights, (a, b, c, d), strict=True)) / 2 for axis in (0, 1))
    return x, y


def turned(points: Points, centre: Point, degrees: float) -> list[Point]:
    """Return `points` turned clockwise about `centre`."""
    if not degrees:
        return list(points)
    c, s, (x0, y0) = cos(radians(degrees)), sin(radians(degrees)), centre
    return [(x0 + (x - x0) * c - (y - y0) * s, y0 + (x - x0) * s + (y - y0) * c) for x, y in points]


def flipped(points: Points, axis: float = 50) -> list[Point]:
    """Return `points` mirrored at the vertical line x = `axis`."""
    return [(2 * axis - x, y) for x, y in points]


class Pen:
    """A pen on a transparent sheet of `width` x `height` units; later shapes cover earlier ones."""

    def __init__(self, width: float = 100, height: float = 135, line: float = 4.6) -> None:
        """Create an empty sheet; `line` is the outline's width in units, by default about one final pixel."""
        size = round((width + 2 * MARGIN_UNITS) * PX_PER_UNIT), round((height + 2 * MARGIN_UNITS) * PX_PER_UNIT)
        self.line = line
        self.image = Image.new("RGBA", size, (*ImageColor.getrgb(INK), 0))
        self._draw = ImageDraw.Draw(self.image)

    def shape(self, points: Points, fill: str, shade: float = 4) -> None:
        """Draw a filled and outlined shape, with a darker rim of `shade` units at the lower right."""
        self.patch(points, fill, shade)
        self._trace([*points, points[0]], INK, self.line)

    def patch(self, points: Points, fill: str, shade: float = 0) -> None:
        """Draw a filled shape without outline, with a darker rim of `shade` units at the lower right."""
        pixels = _to_px(points)
        if not shade:
            self._draw.polygon(pixels, fill=fill)
            return
        shift = round(shade * PX_PER_UNIT)
        left, top = (int(min(p[axis] for p in pixels)) - shift for axis in (0, 1))
        right, bottom = (int(max(p[axis] for p in pixels)) + shift + 1 for axis in (0, 1))
        whole = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(whole).polygon([(x - left, y - top) for x, y in pixels], fill=255)
        lit = ImageChops.darker(whole, ImageChops.offset(whole, -shift, -shift))
        self.image.paste(toned(fill, SHADE), (left, top), whole)
        self.image.paste(fill, (left, top), lit)

    def stroke(self, points: Points, colour: str = INK, width: float | None = None, outlined: bool = False) -> None:
        """Draw a line with round ends, `width` units thick (None: as the outline), optionally outlined itself."""
        width = self.line if width is None else width
        if outlined:
            self._trace(points, INK, width + 2 * self.line)
        self._trace(points, colour, width)

    def disc(self, x: float, y: float, radius: float, fill: str = INK) -> None:
        """Draw a filled circle without outline, for pupils, dots and glints."""
        self._draw.circle(_to_px([(x, y)])[0], radius * PX_PER_UNIT, fill=fill)

    def _trace(self, points: Points, colour: str, width: float) -> None:
        pixels, width_px = _to_px(points), width * PX_PER_UNIT
        self._draw.line(pixels, fill=colour, width=round(width_px))
        for point in pixels:  # round joints and ends
            self._draw.circle(point, (width_px - 1) / 2, fill=colour)

    def cropped(self) -> Image.Image:
        """Return the drawing without its transparent rim, RGBA."""
        return self.image.crop(self.image.getchannel("A").getbbox())


def _to_px(points: Points) -> list[Point]:
    return [((x + MARGIN_UNITS) * PX_PER_UNIT, (y + MARGIN_UNITS) * PX_PER_UNIT) for x, y in points]


def fit(drawing: Image.Image, *, width_px: int | None = None, height_px: int | None = None) -> Image.Image:
    """Return an RGBA drawing resized to the given width or height, with its proportions kept.

    Pillow resizes RGBA with premultiplied alpha, so no light or dark halo appears at the edges. Raises ValueError
    unless exactly one side is given.
    """
    if width_px is not None and height_px is None:
        size = width_px, max(1, round(drawing.height * width_px / drawing.width))
    elif height_px is not None and width_px is None:
        size = max(1, round(drawing.width * height_px / drawing.height)), height_px
    else:
        raise ValueError(f"give one of width_px and height_px, got {width_px} and {height_px}")
    return drawing.resize(size, Image.Resampling.BOX)
