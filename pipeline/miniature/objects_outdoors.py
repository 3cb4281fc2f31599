"""Draw the objects that stand outdoors: boat, tree, flower, house, car, bench (conventions: objects_creatures)."""

from math import cos, radians, sin

from pipeline.miniature.sprites import INK, Pen, Points, box, curve, oval


def sailing_boat(pen: Pen, variant: int) -> None:
    """Draw a sailing boat: a mast, a large and a small sail, and a hull with a stripe."""
    hull, main, jib = (
        ("#a8521c", "#ffffff", "#ee2b2b"), ("#2456d6", "#ffe14a", "#ffffff"),
        ("#d62839", "#ffffff", "#35a7ff"), ("#f4f1e6", "#ff7a1f", "#22b07d"),
    )[variant]  # fmt: skip
    pen.stroke([(47, 2), (47, 80)], "#7a4a1e", 3, outlined=True)
    pen.shape([(53, 4), (92, 70), (53, 70)], main, 5)
    pen.shape([(41, 16), (41, 70), (10, 70)], jib, 4)
    pen.patch([(53, 46), (78, 46), (85, 58), (53, 58)], jib)
    pen.shape([(2, 78), (98, 78), (82, 104), (20, 104)], hull, 6)
    pen.stroke([(10, 88), (90, 88)], "#ffffff" if variant != 3 else "#22b07d", 5)


def tree(pen: Pen, variant: int) -> None:
    """Draw a tree with a crown on a stout trunk: leafy, fir, autumn or apple."""
    if variant == 1:
        _fir(pen)
        return
    leaf, light = (("#2fa33a", "#7fdc5a"), ("", ""), ("#f0781e", "#ffc13b"), ("#5fbf3a", "#a5e860"))[variant]
    pen.shape([(38, 70), (62, 70), (62, 100), (74, 118), (26, 118), (38, 100)], "#8a5226", 5)
    lobes = [(50 + 29 * cos(radians(a)), 44 + 24 * sin(radians(a))) for a in range(0, 360, 60)]
    for x, y in lobes:
        pen.shape(oval(x, y, 20, 19), leaf, 4)
    pen.patch(oval(50, 44, 31, 26), leaf)
    for x, y in ((32, 28), (56, 22), (24, 46)):
        pen.patch(oval(x, y, 9, 6, -25), light)
    if variant == 3:
        for x, y in ((40, 44), (66, 36), (60, 60), (28, 62), (80, 54)):
            pen.shape(oval(x, y, 6, 6), "#f0202c", 0)


def _fir(pen: Pen) -> None:
    pen.shape(box(40, 100, 60, 120), "#7a4520", 5)
    for top, bottom, reach in ((62, 102, 48), (34, 76, 40), (4, 50, 31)):
        pen.shape([(50, top), (50 + reach, bottom), (50 - reach, bottom)], "#14784a", 7)
    pen.stroke([(44, 26), (36, 40)], "#5fd08a", 5)
    pen.stroke([(40, 58), (30, 68)], "#5fd08a", 5)


def flower(pen: Pen, variant: int) -> None:
    """Draw a flower with fat petals round a disc, or a tulip, on a stem with two leaves."""
    petal, centre = (("#ff4fa0", "#ffe14a"), ("#ffcf1f", "#7a3d10"), ("#ffffff", "#ffb81f"), ("#e5202e", "#ff6b6b"))[
        variant
    ]
    pen.stroke([(50, 60), (50, 120)], "#2f9e3a", 6, outlined=True)
    for x, tilt in ((26, 35), (74, -35)):
        pen.shape(oval(x, 106, 25, 11, tilt), "#3fbf45", 4)
    if variant == 3:
        tulip = [(14, 14), (34, 26), (50, 4), (66, 26), (86, 14), (90, 48), (70, 78), (30, 78), (10, 48)]
        pen.shape(curve(tulip, closed=True), petal, 6)
        pen.shape(curve([(50, 6), (70, 40), (58, 78), (42, 78), (30, 40)], True), centre, 5)
        return
    for angle in range(0, 360, 60 if variant == 0 else 45):
        x_petal, y_petal = 50 + 29 * cos(radians(angle)), 42 + 26 * sin(radians(angle))
        pen.shape(oval(x_petal, y_petal, 20, 14 if variant == 0 else 10, angle), petal, 3)
    pen.shape(oval(50, 42, 17, 17), centre, 5)


def house(pen: Pen, variant: int) -> None:
    """Draw a house with a gable roof, a chimney, a door and a window."""
    wall, roof, door = (
        ("#ffe9b8", "#d8342b", "#3a6fd8"), ("#cfe6ff", "#3a4fa8", "#d8342b"),
        ("#ffffff", "#3f8f4a", "#a8521c"), ("#ff9d8a", "#6b3a2a", "#ffe14a"),
    )[variant]  # fmt: skip
    pen.shape(box(68, 4, 84, 40), "#a85a3a", 4)
    pen.shape(box(12, 44, 88, 104), wall, 6)
    pen.shape([(50, 2), (101, 54), (-1, 54)], roof, 7)
    pen.shape(box(22, 66, 46, 104), door, 4)
    pen.disc(40, 86, 3, "#fff3b0")
    pen.shape(box(56, 64, 80, 86), "#7fd6ff", 0)
    pen.stroke([(68, 64), (68, 86)], width=3.5)
    pen.stroke([(56, 75), (80, 75)], width=3.5)


def car(pen: Pen, variant: int) -> None:
    """Draw a car from the side: two big wheels, two windows, a headlight; saloon, taxi, van or beetle."""
    windows: tuple[Points, Points]
    paint = ("#ee2b2b", "#ffc814", "#2f7bf0", "#3fbf5a")[variant]
    if variant == 2:
        pen.shape([(2, 0), (68, 0), (84, 32), (98, 38), (98, 60), (2, 60)], paint, 5)
        windows = ([(11, 9), (36, 9), (36, 31), (11, 31)], [(45, 9), (63, 9), (74, 31), (45, 31)])
    elif variant == 3:
        pen.shape(oval(48, 38, 42, 37, 0, 180, 360), paint, 6)
        pen.shape(box(2, 36, 98, 62, 12), paint, 5)
        windows = ([*oval(46, 36, 24, 24, 0, 180, 270), (46, 36)], [*oval(53, 36, 24, 24, 0, 270, 360), (53, 36)])
    else:
        pen.shape([(10, 36), (24, -4), (68, -4), (86, 36)], paint, 4)
        pen.shape(box(2, 30, 98, 60, 8), paint, 5)
        pen.patch(box(15, 28, 80, 38), paint)
        windows = ([(19, 31), (29, 4), (44, 4), (44, 31)], [(51, 31), (51, 4), (64, 4), (76, 31)])
    for window in windows:
        pen.shape(window, "#c4efff", 0)
    if variant == 1:
        pen.shape(box(36, -15, 60, -4), "#ffffff", 0)
        for x in range(30, 70, 14):
            pen.patch(box(x, 42, x + 7, 49), INK)
    pen.shape(oval(93, 45, 5, 6), "#fff7a8", 0)
    for x in (26, 74):
        pen.patch(oval(x, 62, 17, 17), INK)
        pen.disc(x, 62, 8, "#e6e9f0")


def bench(pen: Pen, variant: int) -> None:
    """Draw a bench: two slats as a back, a seat, iron arms and legs; the background shows through the gaps."""
    wood, iron = (("#cf9048", "#5a5f70"), ("#3fae55", "#8a5a2e"), ("#ee2438", "#e6e9f0"), ("#4f8ff0", "#f4f1e6"))[
        variant
    ]
    for x in (16, 84):
        pen.stroke([(x, 4), (x, 78)], iron, 7, outlined=True)
    for top in (2, 22):
        pen.shape(box(4, top, 96, top + 13, 3), wood, 3)
    pen.shape(box(0, 48, 100, 61, 3), wood, 3)
