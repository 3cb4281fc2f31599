"""Draw walls and floors in one-point perspective, for scenes that run to a vanishing point."""

from dataclasses import dataclass

from pipeline.miniature.sketch import Colour, Point, Sketch


@dataclass(frozen=True)
class Perspective:
    """A one-point perspective with its vanishing point at canvas pixel (x, y).

    Depth is 0 at the vanishing point and 1 on the image's frame. Across runs from -1 (left) to 1 (right), and height
    from -1 (top) to 1 (bottom). On the frame, one unit of across is `half_px` pixels; one unit of height is `above_px`
    pixels above the vanishing point and `below_px` below it.
    """

    sketch: Sketch
    x: float
    y: float
    half_px: float
    above_px: float
    below_px: float

    def at(self, across: float, height: float, depth: float) -> Point:
        """Return the canvas pixel (x, y) of a position in space."""
        tall = self.below_px if height > 0 else self.above_px
        return self.x + across * self.half_px * depth, self.y + height * tall * depth

    def wall(self, across: float, top: float, bottom: float, far: float, near: float, colour: Colour) -> None:
        """Draw an upright panel at the side `across`, between two heights and two depths."""
        corners = ((top, far), (top, near), (bottom, near), (bottom, far))
        self.sketch.shape([self.at(across, height, depth) for height, depth in corners], colour)

    def slab(self, height: float, left: float, right: float, far: float, near: float, colour: Colour) -> None:
        """Draw a level panel at one height, such as a floor or a ceiling."""
        corners = ((left, far), (right, far), (right, near), (left, near))
        self.sketch.shape([self.at(across, height, depth) for across, depth in corners], colour)

    def front(self, left: float, right: float, top: float, bottom: float, depth: float, colour: Colour) -> None:
        """Draw a panel that faces the viewer at one depth."""
        (x0, y0), (x1, y1) = self.at(left, top, depth), self.at(right, bottom, depth)
        self.sketch.box(x0, y0, x1, y1, colour)
