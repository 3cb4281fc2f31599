"""One-point perspective for the drawn world: walls and floors that run to a vanishing point."""

from dataclasses import dataclass

from pipeline.miniature.sketch import Colour, Point, Sketch


@dataclass(frozen=True)
class Perspective:
    """Depth is 1 on the picture's frame and 0 at the vanishing point (x, y); across and height run from -1 to 1, left
    to right and top to bottom, and measure `half_px`, `above_px` and `below_px` on the frame."""

    sketch: Sketch
    x: float
    y: float
    half_px: float
    above_px: float
    below_px: float

    def at(self, across: float, height: float, depth: float) -> Point:
        tall = self.below_px if height > 0 else self.above_px
        return self.x + across * self.half_px * depth, self.y + height * tall * depth

    def wall(self, across: float, top: float, bottom: float, far: float, near: float, colour: Colour) -> None:
        """An upright panel at one side, between two heights and two depths."""
        corners = ((top, far), (top, near), (bottom, near), (bottom, far))
        self.sketch.shape([self.at(across, height, depth) for height, depth in corners], colour)

    def slab(self, height: float, left: float, right: float, far: float, near: float, colour: Colour) -> None:
        """A level panel on floor or ceiling."""
        corners = ((left, far), (right, far), (right, near), (left, near))
        self.sketch.shape([self.at(across, height, depth) for across, depth in corners], colour)

    def front(self, left: float, right: float, top: float, bottom: float, depth: float, colour: Colour) -> None:
        """A panel that faces us."""
        (x0, y0), (x1, y1) = self.at(left, top, depth), self.at(right, bottom, depth)
        self.sketch.box(x0, y0, x1, y1, colour)
