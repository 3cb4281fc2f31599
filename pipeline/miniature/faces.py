"""Draw the seven faces of the drawn people: neutral and six expressions, each with its own colour and huge features.

Units are hundredths of a person's height. The head is a circle around (50, 37); a feature of four units is about one
and a half pixels when the person is 40 px high.
"""

from collections.abc import Callable

from pipeline.miniature.sprites import INK, Pen, box, curve, flipped, oval

HEAD_X, HEAD_Y, HEAD_RADIUS = 50.0, 37.0, 29.0
SKIN: dict[str, str] = {
    "angry": "#f03a2e", "disgust": "#7cc242", "fear": "#d5c8ff",
    "happy": "#ffd83a", "sad": "#5b9cf5", "surprise": "#ff8a3c",
}  # fmt: skip
LINE = 4.0
WHITE, TONGUE, THROAT = "#ffffff", "#ff5a7d", "#6b0f22"


def neutral(pen: Pen) -> None:
    """Draw dots for the eyes and a straight mouth."""
    for x in (38, 62):
        pen.disc(x, 34, 4.6)
    pen.stroke([(39, 52), (61, 52)], width=LINE)


def angry(pen: Pen) -> None:
    """Draw knitted brows that press on the eyes, and gritted teeth."""
    eye = [(27, 26), (46, 40), (38, 47), (27, 40)]
    for points in (eye, flipped(eye)):
        pen.patch(points, WHITE)
    for x in (38, 62):
        pen.disc(x, 39, 4)
    brow = [(25, 22), (46, 35)]
    for points in (brow, flipped(brow)):
        pen.stroke(points, width=6.5)
    pen.shape(box(33, 48, 67, 61, 4), WHITE, 0)
    pen.stroke([(33, 54.5), (67, 54.5)], width=2.2)
    for x in (42, 50, 58):
        pen.stroke([(x, 48), (x, 61)], width=2.2)


def disgust(pen: Pen) -> None:
    """Draw eyes squeezed to arrows, and the tongue hanging out."""
    eye = [(28, 25), (43, 32.5), (28, 40)]
    for points in (eye, flipped(eye)):
        pen.stroke(points, width=LINE + 0.6)
    pen.stroke(curve([(33, 53), (40, 48), (60, 48), (67, 53)]), width=LINE + 0.6)
    pen.shape([*curve([(41, 48), (41, 62), (50, 70), (59, 62), (59, 48)])], TONGUE, 0)
    pen.stroke([(50, 50), (50, 60)], "#b5224a", 2.6)


def fear(pen: Pen) -> None:
    """Draw white eyes with tiny pupils, brows that slant outwards, and a wavy open mouth."""
    for x in (36, 64):
        pen.shape(oval(x, 34, 11, 12), WHITE, 0)
        pen.disc(x, 35, 3.4)
    brow = [(25, 19), (41, 13)]
    for points in (brow, flipped(brow)):
        pen.stroke(points, width=LINE)
    mouth = [(42, 49), (50, 48), (58, 49), (68, 60), (62, 64), (56, 60), (50, 64), (44, 60), (38, 64), (32, 60)]
    pen.shape(curve(mouth, closed=True), THROAT, 0)
    pen.patch(box(43, 49.5, 57, 53), WHITE)


def happy(pen: Pen) -> None:
    """Draw tall bright eyes, and a grin over the whole lower half."""
    for x in (38, 62):
        pen.patch(oval(x, 29, 5, 8), INK)
        pen.disc(x + 1.5, 26, 2, WHITE)
    for x in (27, 73):
        pen.patch(oval(x, 42, 5, 4), "#ff9a5a")
    pen.shape(oval(50, 43, 20, 19, 0, 0, 180), THROAT, 0)
    pen.patch([(33, 44.5), (67, 44.5), (65, 50), (35, 50)], WHITE)
    pen.patch(oval(50, 58.5, 9, 4.5, 0, 180, 360) + oval(50, 58, 9, 3, 0, 0, 180), TONGUE)


def sad(pen: Pen) -> None:
    """Draw brows that rise to the middle, streams of tears, and a mouth that bends down."""
    brow = [(27, 28), (43, 20)]
    for points in (brow, flipped(brow)):
        pen.stroke(points, width=LINE + 0.6)
    for x in (37, 63):
        pen.disc(x, 34, 5.2)
    tear = curve([(32, 35), (37, 52), (31, 60), (25, 54), (26, 44)], closed=True)
    for points in (tear, flipped(tear)):
        pen.patch(points, "#e2f9ff")
        pen.stroke([*points, points[0]], "#1b3f9c", 2)
    pen.stroke(curve([(39, 58), (44, 52.5), (56, 52.5), (61, 58)]), width=LINE + 1)


def surprise(pen: Pen) -> None:
    """Draw high round brows, round eyes and a round mouth."""
    for x in (36, 64):
        pen.shape(oval(x, 32, 9, 9), WHITE, 0)
        pen.disc(x, 32, 4.4)
        pen.stroke(oval(x, 24, 9, 9, 0, 215, 325), width=LINE)
    pen.shape(oval(50, 54, 9, 10), THROAT, 0)


FACES: dict[str | None, Callable[[Pen], None]] = {
    None: neutral, "angry": angry, "disgust": disgust, "fear": fear, "happy": happy, "sad": sad, "surprise": surprise,
}  # fmt: skip
