"""Where the things of a picture stand, and how the picture is drawn from them: scene, things, figure, tone, style.

Pictures are drawn at twice their size and halved. Every thing is 20 to 45 % of the width: what is smaller is never learnt at 64 px.
"""

import numpy as np
from PIL import Image

from pipeline.miniature.objects import FLYING, NUM_VARIANTS, object_sprite
from pipeline.miniature.people import NUM_PERSON_VARIANTS, person_sprite
from pipeline.miniature.scenes import CANVAS_PX, draw_scene
from pipeline.miniature.styles import paint
from pipeline.miniature.tone import set_tone
from pipeline.miniature.truth import Person, Thing, Truth

WIDTHS_PX = {1: (42, 58), 2: (40, 58), 3: (32, 46), 4: (26, 34)}  # of a thing on the canvas, by the number of things
HEIGHTS_PX = {1: (78, 90), 2: (74, 88), 3: (70, 82), 4: (60, 68)}  # of the figure
FIGURE = "figure"


def arrange(
    objects: list[str], figure: tuple[str | None, str | None] | None, rng: np.random.Generator
) -> tuple[tuple[Thing, ...], Person | None]:
    """Place objects (names) and the figure (expression, action) side by side in random order, sizes and heights."""
    items = [*objects, FIGURE] if figure is not None else list(objects)
    slot_px = CANVAS_PX / len(items)
    things: list[Thing | None] = [None] * len(objects)
    person = None
    for slot, position in enumerate(rng.permutation(len(items)).tolist()):
        center = (
            slot_px * (slot + 0.5 + rng.uniform(-0.14, 0.14)) if len(items) > 1 else rng.uniform(0.25, 0.75) * CANVAS_PX
        )
        if figure is not None and items[position] == FIGURE:
            height, variant = even(rng, HEIGHTS_PX[len(items)]), int(rng.integers(NUM_PERSON_VARIANTS))
            sprite = person_sprite(*figure, variant, height)
            person = Person(*figure, variant, box_of(sprite, center, CANVAS_PX))
        else:
            width, variant = even(rng, WIDTHS_PX[len(items)]), int(rng.integers(NUM_VARIANTS))
            mirrored, name = bool(rng.random() < 0.5), items[position]
            sprite = object_sprite(name, variant, width, mirrored)
            things[position] = Thing(name, variant, mirrored, box_of(sprite, center, bottom_of(name, sprite, rng)))
    return tuple(thing for thing in things if thing is not None), person


def bottom_of(name: str, sprite: Image.Image, rng: np.random.Generator) -> float:
    """The canvas line on which a thing stands: high for what flies, now and then further back for what is small."""
    if name in FLYING:
        return sprite.height + rng.uniform(0.02, 0.32) * CANVAS_PX
    back = sprite.width < 44 and rng.random() < 0.3
    return (rng.uniform(0.68, 0.80) if back else rng.uniform(0.82, 0.99)) * CANVAS_PX


def box_of(sprite: Image.Image, center: float, bottom: float) -> tuple[float, float, float, float]:
    """The sprite's box around a center line and on a bottom line, moved into the canvas, as fractions of it."""
    x = int(np.clip(center - sprite.width / 2, 0, max(0, CANVAS_PX - sprite.width)))
    y = int(np.clip(bottom - sprite.height, 0, max(0, CANVAS_PX - sprite.height)))
    right, bottom_px = min(x + sprite.width, CANVAS_PX), min(y + sprite.height, CANVAS_PX)
    return x / CANVAS_PX, y / CANVAS_PX, right / CANVAS_PX, bottom_px / CANVAS_PX


def draw(truth: Truth) -> Image.Image:
    """The picture of a truth: RGB, half the canvas wide and high."""
    rng = np.random.Generator(np.random.PCG64(truth.drawing_seed))
    canvas = draw_scene(truth.scene, rng)
    for thing in sorted((*truth.objects, *filter(None, [truth.person])), key=lambda thing: thing.box[3]):
        place(canvas, thing)
    picture = canvas.reduce(2)
    if truth.style is not None:
        picture = paint(picture, truth.style, rng)
    return set_tone(picture, truth.brightness, truth.colorfulness)


def place(canvas: Image.Image, thing: Thing | Person) -> None:
    """Paste the sprite of a thing into its box."""
    x0, y0, x1, y1 = (round(edge * CANVAS_PX) for edge in thing.box)
    if isinstance(thing, Person):
        sprite = person_sprite(thing.expression, thing.action, thing.variant, y1 - y0)
    else:
        sprite = object_sprite(thing.name, thing.variant, x1 - x0, thing.mirrored)
    canvas.paste(sprite, (x0, y0), sprite)


def even(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    """A random even number within bounds: few distinct sizes keep the sprite cache small."""
    return 2 * int(rng.integers(bounds[0] // 2, bounds[1] // 2 + 1))
