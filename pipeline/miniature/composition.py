"""Place the objects and the figure of an image, and draw the image: scene, figure, objects, style, tone.

Images are drawn at twice their size and halved. Every object is 28 to 45 % of the width, as smaller ones are never
learnt at 64 px.
"""

import numpy as np
from PIL import Image

from pipeline.miniature.objects import FLYING, NUM_VARIANTS, object_sprite
from pipeline.miniature.people import NUM_PERSON_VARIANTS, person_sprite
from pipeline.miniature.scenes import CANVAS_PX, draw_scene
from pipeline.miniature.styles import paint
from pipeline.miniature.tone import set_tone
from pipeline.miniature.truth import Person, Thing, Truth

WIDTHS_PX = {1: (46, 58), 2: (44, 58), 3: (36, 46)}  # range for an object on the canvas, by the number of items
HEIGHTS_PX = {1: (80, 92), 2: (76, 88), 3: (70, 80)}  # range for the figure, likewise
FIGURE_SHARE = 0.62  # figure width without arms / height; the arms may reach behind objects and out of view
ONE_ARMED = ("pointing", "waving")  # the head is off centre; the figure is mirrored so that the arm points inwards


def arrange(
    objects: list[str], figure: tuple[str | None, str | None] | None, rng: np.random.Generator
) -> tuple[tuple[Thing, ...], Person | None]:
    """Return the placed objects and the placed figure; the second is None where there is no figure.

    Up to three objects (by name) and the figure (expression, action) stand side by side, with random order, sizes and
    drawing variants. An object's box lies within the canvas; the figure's may not.
    """
    num_items = len(objects) + (figure is not None)
    looks = [
        (even(rng, WIDTHS_PX[num_items]), int(rng.integers(NUM_VARIANTS)), bool(rng.random() < 0.5)) for _ in objects
    ]
    widths = [float(width) for width, _, _ in looks]
    height, person_variant = even(rng, HEIGHTS_PX[num_items]), int(rng.integers(NUM_PERSON_VARIANTS))
    if figure is not None:
        widths.append(FIGURE_SHARE * height)
    centers = side_by_side(widths, rng)
    things = []
    for name, (width, variant, mirrored), center in zip(objects, looks, centers, strict=False):
        sprite = object_sprite(name, variant, width, mirrored)
        things.append(Thing(name, variant, mirrored, box_of(sprite, center, bottom_of(name, sprite, rng))))
    if figure is None:
        return tuple(things), None
    sprite = person_sprite(*figure, person_variant, height)
    mirrored = figure[1] in ONE_ARMED and centers[-1] > CANVAS_PX / 2
    before_head = FIGURE_SHARE * height / 2 if figure[1] in ONE_ARMED else sprite.width / 2
    left = centers[-1] - (sprite.width - before_head if mirrored else before_head)
    return tuple(things), Person(*figure, person_variant, mirrored, fractions(int(left), CANVAS_PX - height, sprite))


def side_by_side(widths: list[float], rng: np.random.Generator) -> list[float]:
    """Return the horizontal centers, in canvas pixels, of items of these widths standing in random order.

    Spare space is split at random between and around the items; missing space makes them overlap.
    """
    gaps = (CANVAS_PX - sum(widths)) * rng.dirichlet(np.ones(len(widths) + 1))
    centers, edge = [0.0] * len(widths), 0.0
    for gap, item in zip(gaps, rng.permutation(len(widths)).tolist(), strict=False):
        centers[item] = edge + gap + widths[item] / 2
        edge += gap + widths[item]
    return centers


def bottom_of(name: str, sprite: Image.Image, rng: np.random.Generator) -> float:
    """Return the canvas row, in pixels, of the object's lower edge; FLYING objects hang in the upper part."""
    if name in FLYING:
        return sprite.height + rng.uniform(0.02, 0.32) * CANVAS_PX
    return rng.uniform(0.74, 0.99) * CANVAS_PX


def box_of(sprite: Image.Image, center: float, bottom: float) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1), as fractions of the canvas, of a sprite with this center and lower edge.

    `center` and `bottom` are canvas pixels; the box is moved into the canvas where it would leave it.
    """
    x = int(np.clip(center - sprite.width / 2, 0, max(0, CANVAS_PX - sprite.width)))
    y = int(np.clip(bottom - sprite.height, 0, max(0, CANVAS_PX - sprite.height)))
    return fractions(x, y, sprite)


def fractions(x: int, y: int, sprite: Image.Image) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1), as fractions of the canvas, of a sprite with its upper left corner at (x, y)."""
    return x / CANVAS_PX, y / CANVAS_PX, (x + sprite.width) / CANVAS_PX, (y + sprite.height) / CANVAS_PX


def draw(truth: Truth) -> Image.Image:
    """Return the image that a truth describes: RGB, half the canvas wide and high (64 x 64 px)."""
    rng = np.random.Generator(np.random.PCG64(truth.drawing_seed))
    canvas = draw_scene(truth.scene, rng)
    if truth.person is not None:
        place(canvas, truth.person)
    for thing in sorted(truth.objects, key=lambda thing: thing.box[3]):
        place(canvas, thing)
    picture = canvas.reduce(2)
    if truth.style is not None:
        picture = paint(picture, truth.style, rng)
    return set_tone(picture, truth.brightness, truth.colorfulness)


def place(canvas: Image.Image, thing: Thing | Person) -> None:
    """Paste the sprite of an object or person into its box on the canvas."""
    x0, y0, x1, y1 = (round(edge * CANVAS_PX) for edge in thing.box)
    if isinstance(thing, Person):
        sprite = person_sprite(thing.expression, thing.action, thing.variant, y1 - y0)
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if thing.mirrored else sprite
    else:
        sprite = object_sprite(thing.name, thing.variant, x1 - x0, thing.mirrored)
    canvas.paste(sprite, (x0, y0), sprite)


def even(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    """Return a random even number within the bounds, inclusive; few distinct sizes keep the sprite cache small."""
    return 2 * int(rng.integers(bounds[0] // 2, bounds[1] // 2 + 1))
