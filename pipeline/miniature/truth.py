"""The truth of one drawn picture: everything that is in it, whatever a corpus tells of it."""

from dataclasses import dataclass

from pipeline.emotions import Emotion


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a picture: its name, drawing variant, and box (x0, y0, x1, y1) as fractions of the picture."""

    name: str
    variant: int
    mirrored: bool
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """Share of the picture that the box covers."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True, slots=True)
class Person:
    """The figure of a picture; no expression is a calm face, no action are arms at rest.

    Its arms, and so its box, may reach out.
    """

    expression: str | None
    action: str | None
    variant: int
    mirrored: bool
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Truth:
    """All of one picture. `emotion` is the one it was drawn for (None: none), `label` what annotators called it."""

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
        """The expression of the figure, if there is one and it shows one."""
        return None if self.person is None else self.person.expression

    @property
    def action(self) -> str | None:
        """What the figure does, if there is one and it does anything."""
        return None if self.person is None else self.person.action
