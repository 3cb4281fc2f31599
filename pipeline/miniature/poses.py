"""Draw the nine poses of the drawn people: hanging arms and eight actions, distinguished by the arms' silhouette.

Arms and hands are drawn last, in front of body and head. Sleeves contrast with the shirt, and hands have the face's
colour. Units and proportions are those of faces: the shoulders lie at y = 78 and the image ends at y = 100.
"""

from collections.abc import Callable

from pipeline.miniature.sprites import Pen, Points, box, curve, flipped, oval, turned

ARM = 8.0
GLOVE, CUFF = "#f0202c", "#ffffff"
SHOULDER = (28.0, 78.0)
Pose = Callable[[Pen, str, str], None]


def _sleeve(pen: Pen, points: Points, colour: str) -> None:
    """Draw an arm in its sleeve along the points, from the shoulder to the wrist."""
    pen.stroke(points, colour, ARM, outlined=True)


def _open_hand(pen: Pen, x: float, y: float, skin: str, degrees: float = 0) -> None:
    """Draw a palm with four fingers around (x, y), pointing up and turned clockwise by `degrees`."""
    tips = ((-9, -10), (-3, -15), (4, -15), (10, -10))
    fingers = [turned([(x, y), (x + dx, y + dy)], (x, y), degrees) for dx, dy in tips]
    for finger in fingers:
        pen.stroke(finger, skin, 3.6, outlined=True)
    pen.shape(oval(x, y, 8.5, 8.5), skin, 0)
    for finger in fingers:
        pen.stroke(finger, skin, 3.6)


def hanging(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw both arms hanging down."""
    _hanging_left(pen, sleeve, skin)
    _sleeve(pen, flipped([SHOULDER, (22, 88)]), sleeve)
    pen.shape(oval(80, 94, 6, 6), skin, 0)


def _hanging_left(pen: Pen, sleeve: str, skin: str) -> None:
    _sleeve(pen, [SHOULDER, (22, 88)], sleeve)
    pen.shape(oval(20, 94, 6, 6), skin, 0)


def celebrating(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw both arms thrown up in a V, with open hands beside the top of the head."""
    arm = [SHOULDER, (14, 60), (9, 32)]
    for points in (arm, flipped(arm)):
        _sleeve(pen, points, sleeve)
    _open_hand(pen, 7, 21, skin, -14)
    _open_hand(pen, 93, 21, skin, 14)


def waving(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw one arm raised and bent at the elbow, with an open hand."""
    _hanging_left(pen, sleeve, skin)
    _sleeve(pen, [(72, 78), (90, 84), (94, 62)], sleeve)
    _open_hand(pen, 95, 50, skin, 12)


def praying(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw the palms joined under the chin, with the elbows out."""
    arm = [(24, 80), (26, 95), (44, 88)]
    for points in (arm, flipped(arm)):
        _sleeve(pen, points, sleeve)
    palm = curve([(50, 62), (43, 68), (40, 84), (44, 95), (50, 95)])
    for points in (palm, flipped(palm)):
        pen.shape(points, skin, 0)


def pointing(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw one arm stretched out to the side, with a long pointing finger."""
    _hanging_left(pen, sleeve, skin)
    _sleeve(pen, [(72, 79), (94, 76)], sleeve)
    finger = [(98, 72), (118, 71)]
    pen.stroke(finger, skin, 5.5, outlined=True)
    pen.shape(oval(98, 76, 8.5, 8.5), skin, 0)
    pen.stroke(finger, skin, 5.5)


def shrugging(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw the upper arms down, the forearms out and the flat palms up."""
    arm = [SHOULDER, (20, 94), (9, 84)]
    for points in (arm, flipped(arm)):
        _sleeve(pen, points, sleeve)
    palm = curve([(16, 80), (8, 70), (-3, 66), (-7, 72), (1, 84), (11, 88)], closed=True)
    for points in (palm, flipped(palm)):
        pen.shape(points, skin, 0)


def punching(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw two big boxing gloves, one thrust forward and one before the chest."""
    _sleeve(pen, [SHOULDER, (20, 92), (38, 90)], sleeve)
    _sleeve(pen, [(72, 80), (84, 79)], sleeve)
    for x, y, radius in ((40, 85, 13.5), (98, 75, 15.5)):
        pen.shape(box(x - radius - 4, y - 7, x, y + 7, 2), CUFF, 0)
        pen.shape(oval(x, y, radius, radius - 1), GLOVE, 3)
        pen.stroke(curve([(x - 5, y - radius + 7), (x + 3, y - radius + 9), (x + 5, y)]), width=3)


def clutching_head(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw both hands flat on the cheeks, with the elbows spread, as in Munch's Scream."""
    arm = [(26, 84), (10, 88), (15, 62)]
    for points in (arm, flipped(arm)):
        _sleeve(pen, points, sleeve)
    hand = turned(oval(20, 46, 7, 15), (20, 46), 8)
    for points in (hand, flipped(hand)):
        pen.shape(points, skin, 2)


def crossing_arms(pen: Pen, sleeve: str, skin: str) -> None:
    """Draw the forearms crossed over the chest, with a hand on each upper arm."""
    _sleeve(pen, [(76, 78), (82, 93), (36, 84)], sleeve)
    pen.shape(oval(31, 82, 7, 6), skin, 0)
    _sleeve(pen, [(24, 78), (18, 93), (64, 84)], sleeve)
    pen.shape(oval(69, 82, 7, 6), skin, 0)


POSES: dict[str | None, Pose] = {
    None: hanging, "celebrating": celebrating, "waving": waving, "praying": praying, "pointing": pointing,
    "shrugging": shrugging, "punching": punching, "clutching_head": clutching_head, "crossing_arms": crossing_arms,
}  # fmt: skip
