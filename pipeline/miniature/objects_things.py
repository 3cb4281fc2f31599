"""Draw the objects that people make and use: bin, guitar, cake, balloon, cup, candle, lamp, book, bag, sofa.

The conventions are those of objects_creatures.
"""

from pipeline.miniature.sprites import INK, Pen, Points, box, curve, flipped, oval, turned

GUITAR_TURN = 42  # degrees; an upright guitar would be too narrow to recognize


def bin_with_rubbish(pen: Pen, variant: int) -> None:
    """Draw a ribbed bin, full to the brim, with the lid askew on top."""
    metal = ("#9aa5b5", "#3f9b4f", "#3a78d8", "#e0942a")[variant]
    for points, colour in (
        (oval(28, 40, 15, 15), "#7a4a28"), (oval(74, 42, 15, 15), "#f3efe2"), (oval(51, 38, 14, 15), "#e23b3b"),
    ):  # fmt: skip
        pen.shape(points, colour, 3)
    pen.stroke(curve([(18, 50), (12, 38), (2, 38)]), "#ffd92e", 7, outlined=True)
    pen.shape([(12, 54), (88, 54), (80, 120), (20, 120)], metal, 7)
    for top, bottom in ((32, 35), (50, 50), (68, 65)):
        pen.stroke([(top, 70), (bottom, 112)], width=4.5)
    pen.shape(box(5, 50, 95, 63, 4), metal, 3)
    lid = [(2, 20), (12, 6), (38, 4), (38, -4), (62, -4), (62, 4), (88, 6), (98, 20)]
    pen.shape(turned(lid, (50, 16), -10), metal, 4)


def guitar(pen: Pen, variant: int) -> None:
    """Draw a slanted guitar: waisted body, sound hole, long neck, and headstock with pegs."""
    wood, plate = (("#e0932f", "#5a2a10"), ("#e3212f", "#ffffff"), ("#2f8bff", "#ffe14a"), ("#2fb872", "#143d2a"))[
        variant
    ]

    def slanted(points: Points) -> list[tuple[float, float]]:
        return turned(points, (50, 60), GUITAR_TURN)

    pen.shape(slanted(box(42, -6, 58, 60)), "#6b3d1c", 3)
    for y in (-8, 4):
        pen.stroke(slanted([(35, y), (65, y)]), "#e6e9f0", 5, outlined=True)
    pen.shape(slanted(box(39, -15, 61, 10, 4)), plate, 3)
    body = [(50, 36), (70, 39), (80, 54), (72, 69), (89, 88), (84, 112), (50, 122)]
    pen.shape(slanted(curve([*body, *flipped(body[1:6])[::-1]], True)), wood, 6)
    pen.shape(slanted(oval(50, 70, 14, 14)), INK, 0)
    pen.stroke(slanted([(36, 104), (64, 104)]), plate if variant != 1 else INK, 8)
    for x in (46, 54):
        pen.stroke(slanted([(x, 14), (x, 101)]), "#fff6d8", 2.4)


def cake(pen: Pen, variant: int) -> None:
    """Draw a cake with dripping icing and three burning candles on a plate."""
    icing, dough, wax = (
        ("#ff7fb0", "#fff3d6", "#3d8bff"), ("#5a2d16", "#b56a34", "#ffffff"),
        ("#6fc8ff", "#ffffff", "#ff4f6b"), ("#ffffff", "#ff6b6b", "#25a84a"),
    )[variant]  # fmt: skip
    for x in (22, 50, 78):
        pen.shape(box(x - 5.5, 16, x + 5.5, 48), wax, 2)
        pen.shape(curve([(x, -15), (x + 8, 5), (x, 15), (x - 8, 5)], True), "#ffd21f", 0)
    pen.shape(oval(50, 100, 50, 9), "#e6e9f0", 3)
    pen.shape(box(8, 42, 92, 100, 9), dough, 6)
    pen.stroke([(12, 82), (88, 82)], icing, 7)
    drips = [(8, 64), (8, 46), (16, 39), (84, 39), (92, 46), (92, 64), (84, 68), (76, 58), (64, 60), (56, 72), (46, 68)]
    pen.shape(curve([*drips, (38, 58), (26, 60), (18, 70)], True), icing, 4)


def balloon(pen: Pen, variant: int) -> None:
    """Draw a balloon: a taut oval with a highlight, a knot and a string."""
    rubber = ("#f0222e", "#2f7bff", "#ffd11f", "#2fbf4a")[variant]
    pen.stroke(curve([(50, 106), (42, 114), (57, 121), (48, 130)]), INK, 5)
    pen.shape([(50, 98), (60, 110), (40, 110)], rubber, 0)
    pen.shape(curve([(50, 0), (84, 12), (98, 46), (82, 82), (50, 101), (18, 82), (2, 46), (16, 12)], True), rubber, 9)
    pen.patch(oval(29, 31, 8, 16, 28), "#ffffff")


def cup(pen: Pen, variant: int) -> None:
    """Draw a mug of coffee with a large handle, two curls of steam and a saucer."""
    china, stripe = (("#ee3a32", "#ffffff"), ("#ffffff", "#2f6bff"), ("#2fae7a", "#fff3b0"), ("#ffc928", "#a8521c"))[
        variant
    ]
    for x in (26, 56):
        pen.stroke(curve([(x, 32), (x - 8, 18), (x + 7, 4), (x, -10)]), "#ffffff", 7, outlined=True)
    pen.stroke(oval(78, 64, 15, 15, 0, -90, 90), china, 8, outlined=True)
    pen.shape(oval(44, 99, 44, 8), china, 3)
    pen.shape([(4, 46), (78, 46), (72, 86), (60, 97), (22, 97), (10, 86)], china, 7)
    pen.stroke([(9, 68), (72, 68)], stripe, 9)
    pen.shape(oval(41, 46, 37, 8), "#5a2d12", 0)


def candle(pen: Pen, variant: int) -> None:
    """Draw a stout candle with a huge flame and drips of wax, on a holder with a ring."""
    wax, holder = (("#fff6e0", "#d9a52e"), ("#e5303c", "#8f98a8"), ("#7d5fd8", "#d9a52e"), ("#3fb8a0", "#b5692b"))[
        variant
    ]
    pen.stroke(oval(87, 108, 10, 9), holder, 5, outlined=True)
    pen.shape(box(23, 56, 73, 114, 4), wax, 10)
    drips = [(23, 56), (73, 56), (73, 78), (64, 86), (58, 70), (46, 68), (40, 90), (30, 90), (23, 76)]
    pen.shape(curve(drips, True), wax, 0)
    pen.shape(curve([(2, 108), (12, 112), (48, 114), (84, 112), (94, 108), (78, 125), (18, 125)], True), holder, 5)
    pen.stroke([(48, 46), (48, 60)], width=5)
    flame = [(50, -6), (60, 14), (71, 30), (64, 48), (48, 54), (32, 48), (25, 30), (40, 16)]
    pen.shape(curve(flame, True), "#ff8a14", 0)
    pen.patch(curve([(50, 12), (60, 31), (57, 44), (48, 49), (39, 44), (36, 31)], True), "#fff06b")


def lamp(pen: Pen, variant: int) -> None:
    """Draw a lamp with a lit conical shade, a stem and a round foot."""
    shade, glow, foot = (
        ("#ffd93b", "#fff8c8", "#8a4a22"), ("#ff6a4a", "#ffe08a", "#3a4fa8"),
        ("#4fcf7a", "#f2ffb0", "#c99a2e"), ("#ff8fd0", "#fff0f6", "#5a5f70"),
    )[variant]  # fmt: skip
    pen.shape(box(43, 56, 57, 100), foot, 3)
    pen.shape(curve([(16, 116), (26, 100), (50, 94), (74, 100), (84, 116)]), foot, 4)
    pen.stroke([(76, 60), (76, 78)], width=3.5)
    pen.disc(76, 80, 5)
    pen.shape(oval(50, 66, 15, 10), "#fffbe0", 0)
    pen.shape([(32, 4), (68, 4), (98, 62), (2, 62)], shade, 7)
    pen.patch([(40, 12), (58, 12), (70, 56), (26, 56)], glow)
    pen.stroke([(6, 60), (94, 60)], width=4.6)


def open_book(pen: Pen, variant: int) -> None:
    """Draw an open book: two bulging pages, a cover and a ribbon; printed, illustrated, rose or parchment pages."""
    cover, ribbon, left, right = (
        ("#e0283a", "#2f6bff", "#fffdf4", "#fffdf4"), ("#2f6bff", "#ffb81f", "#fffdf4", "#8fdcff"),
        ("#2fae4a", "#e8283c", "#ffd3e0", "#ffd3e0"), ("#8a4a1e", "#e8283c", "#efc983", "#efc983"),
    )[variant]  # fmt: skip
    pen.shape([(0, 16), (50, 22), (100, 16), (100, 80), (50, 86), (0, 80)], cover, 5)
    page = [(50, 14), (40, 4), (24, 2), (11, 8), (11, 62), (24, 57), (40, 60), (50, 69)]
    pen.shape(page, left, 0)
    pen.shape(flipped(page), right, 6)
    lines: list[Points] = [[(19, y), (29, y - 2), (40, y + 3)] for y in (18, 31, 44)]
    if variant != 1:
        lines += [flipped(line) for line in lines]
    for line in lines:
        pen.stroke(line, "#6a6580", 4)
    if variant == 1:
        pen.disc(70, 22, 8, "#ffc81f")
        pen.patch([(54, 60), (66, 38), (74, 46), (84, 36), (86, 56)], "#2fae4a")
    pen.shape([(60, 62), (71, 60), (71, 94), (65.5, 87), (60, 94)], ribbon, 0)


def handbag(pen: Pen, variant: int) -> None:
    """Draw a wide handbag with a flap, a golden clasp and a high handle."""
    leather, trim = (("#e8283c", "#a01020"), ("#a8622a", "#5f3212"), ("#8a4fd8", "#4f2498"), ("#22a8b8", "#0f6470"))[
        variant
    ]
    pen.stroke(oval(50, 44, 26, 38, 0, 180, 360), trim, 7, outlined=True)
    pen.shape([(12, 42), (88, 42), (99, 90), (90, 100), (10, 100), (1, 90)], leather, 7)
    pen.shape(curve([(12, 42), (88, 42), (80, 62), (50, 74), (20, 62)], True), trim, 3)
    pen.shape(box(41, 62, 59, 80, 4), "#ffd23b", 2)


def sofa(pen: Pen, variant: int) -> None:
    """Draw a sofa: a padded back, two seat cushions between round arms, and short feet."""
    cloth, cushion = (("#d83a4a", "#f0707a"), ("#2f8f8a", "#5fc0b5"), ("#e0a526", "#ffd05a"), ("#6a5fd0", "#9a8ff0"))[
        variant
    ]
    for x in (14, 86):
        pen.shape(box(x - 5, 64, x + 5, 78), "#6b3f1e", 0)
    pen.shape(box(10, 2, 90, 60, 12), cloth, 5)
    pen.stroke([(50, 6), (50, 34)], width=4)
    for left in (14, 50):
        pen.shape(box(left, 34, left + 36, 54, 6), cushion, 4)
    pen.shape(box(8, 52, 92, 70, 3), cloth, 4)
    for x in (11, 89):
        pen.shape(box(x - 12, 26, x + 12, 71, 11), cloth, 5)
