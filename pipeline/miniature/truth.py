"""Define the truth of one drawn image: everything that is in it, independent of what a corpus annotates."""

from dataclasses import dataclass

from pipeline.emotions import Emotion


@dataclass(frozen=True, slots=True)
class Thing:
    """An object in an image: its name, drawing variant, and box (x0, y0, x1, y1) as fractions of the image."""

    name: str
    variant: int
    mirrored: bool
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """Return the share of the image that the box covers."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True, slots=True)
class Person:
    """The figure in an image; `expression` is None for a calm face, and `action` is None for arms at rest.

    The box (x0, y0, x1, y1) is in fractions of the image. Its arms, and with them its box, may reach out of the image.
    """

    expression: str | None
    action: str | None
    variant: int
    mirrored: bool
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Truth:
    """The full content of one image.

    `emotion` is the emotion that the image was drawn for (None: no emotion), and `label` the emotion that annotators
    gave it. `votes` counts ten votes over the eight emotions (empty without an emotion). `trigger` names the object
    that was placed for the emotion. `brightness` and `colorfulness` are the targets for the tone, 0 to 1.
    """

    emotion: Emotion | None
    label: Emotion | None
    votes: tuple[int, ...]
    scene: str
    scene_annotated: bool
    objects: tuple[Thing, ...]
    trigger: str | None
    person: Person | None
    brightness: float
    colorfulness: float
    style: str | None
    drawing_seed: int

    @property
    def expression(self) -> str | None:
        """Return the expression of the figure, or None for a calm face or no figure."""
        return None if self.person is None else self.person.expression

    @property
    def action(self) -> str | None:
        """Return the action of the figure, or None for arms at rest or no figure."""
        return None if self.person is None else self.person.action
