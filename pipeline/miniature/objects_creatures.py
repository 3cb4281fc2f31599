"""Draw the objects that have a face: skull, lion, spider, snake, teddy bear, dog, bird and stone bust.

Every function draws variant 0 to 3 in units of a hundredth of the width; the object stands on its lowest line. The
feature that identifies the object is exaggerated, because nothing smaller than two of twenty pixels is ever learnt.
"""

from math import cos, radians, sin

from pipeline.miniature.sprites import INK, Pen, box, curve, flipped, oval, toned


def skull(pen: Pen, variant: int) -> None:
    """Draw a skull with huge eye holes, a nose hole and teeth; bone, ivory, mossy, or black with glowing eyes."""
    bone, socket = (("#fbf8ee", INK), ("#f0d596", "#4a1c12"), ("#bfe3a4", "#17361f"), ("#5c5470", "#ff3b24"))[variant]
    pen.shape(box(25, 62, 75, 108, 8), bone)
    pen.shape(
        curve([(50, 2), (84, 14), (98, 46), (88, 72), (62, 80), (38, 80), (12, 72), (2, 46), (16, 14)], True), bone, 6
    )
    pen.patch(box(29, 70, 71, 86), bone)
    for x in (30, 70):
        pen.shape(oval(x, 48, 15, 17), socket, 0)
    if variant == 3:
        for x in (30, 70):
            pen.disc(x, 48, 6, "#ffe14a")
    pen.patch([(50, 60), (60, 76), (40, 76)], INK)
    for x in (38, 50, 62):
        pen.stroke([(x, 88), (x, 108)], width=5)
    if variant == 1:
        pen.stroke([(52, 4), (46, 14), (56, 20), (50, 29)], width=4)


def lion(pen: Pen, variant: int) -> None:
    """Draw a sitting lion with a jagged mane; golden, black-maned, white or red-maned; variants 1 and 3 roar."""
    fur, mane = (("#ffc13b", "#d4560e"), ("#d9974a", "#3b1f14"), ("#fff1cf", "#c99a5b"), ("#ffe9a0", "#d0202c"))[
        variant
    ]
    pen.stroke(curve([(74, 104), (94, 104), (95, 84)]), fur, 6, outlined=True)
    pen.shape(oval(95, 78, 7, 9), mane, 2)
    pen.shape(oval(50, 96, 30, 27), fur)
    for x in (35, 65):
        pen.shape(oval(x, 114, 13, 9), fur, 3)
    radii = [46 if step % 2 else 37 for step in range(24)]
    rays = [(47 + r * cos(radians(15 * i)), 46 + r * sin(radians(15 * i))) for i, r in enumerate(radii)]
    pen.shape(rays, mane, 5)
    for x in (22, 72):
        pen.shape(oval(x, 22, 8, 8), fur, 0)
    pen.shape(oval(47, 48, 29, 28), fur)
    for x in (36, 58):
        pen.disc(x, 41, 5)
    if variant % 2:
        pen.stroke([(28, 31), (42, 36)], width=5)
        pen.stroke([(66, 31), (52, 36)], width=5)
        pen.shape(oval(47, 64, 14, 13), "#7d0f1c", 0)
        pen.patch([(36, 58), (45, 58), (40, 67)], "#ffffff")
        pen.patch([(49, 58), (58, 58), (54, 67)], "#ffffff")
    else:
        pen.patch(oval(47, 63, 17, 11), "#ffffff")
        pen.stroke(curve([(35, 64), (41, 69), (47, 62), (53, 69), (59, 64)]), width=4)
    pen.patch([(38, 50), (56, 50), (47, 60)], INK)


def spider(pen: Pen, variant: int) -> None:
    """Draw a spider with eight long bent legs, a fat abdomen with a mark, and two round eyes."""
    body, mark = (("#5a4f6e", "#ff3a2e"), ("#a8622a", "#ffd36b"), ("#8b3fc8", "#c6ff3d"), ("#d42433", "#1d1626"))[
        variant
    ]
    knees_and_feet = (((28, 0), (8, 22)), ((18, 28), (0, 52)), ((18, 54), (2, 80)), ((24, 78), (14, 106)))
    for (knee, foot), y in zip(knees_and_feet, (34, 40, 52, 62), strict=True):
        leg = [(50.0, y), knee, foot]
        for points in (leg, flipped(leg)):
            pen.stroke(points, body, 5, outlined=True)
    pen.shape(oval(50, 68, 28, 30), body, 6)
    pen.shape(oval(50, 34, 19, 18), body, 3)
    pen.patch([(39, 58), (61, 58), (50, 70), (61, 84), (39, 84), (50, 70)], mark)
    for x in (42, 58):
        pen.disc(x, 31, 8, "#ffffff")
        pen.disc(x, 33, 4)


def snake(pen: Pen, variant: int) -> None:
    """Draw a coiled snake with its neck raised and a red forked tongue."""
    skin, band = (("#3fc93c", "#f4ef5a"), ("#f6b21b", "#8a3a08"), ("#e8322f", "#2a1a1f"), ("#3b7bf0", "#d8f4ff"))[
        variant
    ]
    pen.stroke(curve([(16, 88), (4, 82), (6, 70)]), skin, 6, outlined=True)
    for y, reach in ((88, 43), (68, 31)):
        pen.shape(oval(50, y, reach, 15), skin, 4)
        for x in (-0.5, 0.5):
            pen.stroke([(50 + x * reach - 2, y + 2), (50 + x * reach + 2, y + 10)], band, 9)
    pen.stroke(curve([(46, 66), (28, 50), (33, 30), (54, 20), (66, 20)]), skin, 17, outlined=True)
    pen.stroke(curve([(44, 62), (31, 48), (36, 34)]), band, 6)
    pen.stroke([(86, 25), (97, 31)], "#ff1f3d", 5.5)
    pen.stroke([(106, 26), (97, 31), (103, 41)], "#ff1f3d", 5.5)
    pen.shape(oval(66, 20, 24, 17, 8), skin, 4)
    pen.disc(68, 15, 8, "#ffffff")
    pen.disc(70, 15, 4.6)


def teddy_bear(pen: Pen, variant: int) -> None:
    """Draw a teddy bear, sitting with arms and legs spread: round ears, muzzle, belly, soles and a bow."""
    fur, soft, bow = (
        ("#b9742f", "#f7d9a3", "#e8283c"), ("#ff8fbe", "#ffe6f0", "#3d6bff"),
        ("#f6ead0", "#d9ae74", "#28a745"), ("#5a8fd8", "#dcecff", "#ffcf2e"),
    )[variant]  # fmt: skip
    for arm in (oval(14, 74, 18, 10, -25), oval(86, 74, 18, 10, 25)):
        pen.shape(arm, fur)
    pen.shape(oval(50, 84, 30, 28), fur)
    pen.patch(oval(50, 86, 18, 18), soft)
    for x in (21, 79):
        pen.shape(oval(x, 104, 16, 16), fur)
        pen.patch(oval(x, 105, 8, 8), soft)
    for x in (20, 80):
        pen.shape(oval(x, 14, 14, 14), fur, 3)
        pen.patch(oval(x, 15, 6.5, 6.5), soft)
    pen.shape(oval(50, 36, 38, 34), fur, 5)
    pen.patch(oval(50, 48, 19, 15), soft)
    for x in (34, 66):
        pen.disc(x, 32, 5.5)
    pen.patch(oval(50, 42, 8, 6), INK)
    pen.stroke(curve([(41, 53), (50, 58), (59, 53)]), width=3.5)
    for loop in ([(50, 72), (30, 62), (30, 82)], [(50, 72), (70, 62), (70, 82)]):
        pen.shape(loop, bow, 0)


def dog(pen: Pen, variant: int) -> None:
    """Draw a dog from the side: floppy ear, long snout with tongue, raised tail; brown, white, black or spotted."""
    coat, ear, collar = (
        ("#b5692b", "#6b3410", "#2f6bff"), ("#fdfaf2", "#c98a4b", "#e8283c"),
        ("#4a4657", "#25222e", "#ffcf2e"), ("#fdfaf2", "#2b2733", "#25a84a"),
    )[variant]  # fmt: skip
    pen.stroke(curve([(14, 54), (3, 44), (5, 26)]), coat, 8, outlined=True)
    for x in (26, 72):
        pen.shape(box(x - 7, 66, x + 7, 98, 6), toned(coat, 0.8), 0)
    pen.shape(curve([(8, 60), (20, 46), (50, 48), (72, 44), (80, 62), (72, 78), (40, 76), (14, 80)], True), coat, 5)
    for x in (16, 62):
        pen.shape(box(x - 8, 66, x + 8, 100, 7), coat, 3)
    if variant == 3:
        for x, y, radius in ((24, 57, 9), (44, 68, 8), (16, 90, 5), (64, 90, 5)):
            pen.disc(x, y, radius, ear)
    pen.patch([(60, 56), (82, 56), (78, 70), (64, 70)], coat)
    pen.shape(oval(85, 46, 6, 11), "#ff5a7d", 0)
    pen.shape(oval(84, 34, 18, 13), coat, 3)
    pen.shape(oval(64, 30, 25, 26), coat, 4)
    pen.patch(oval(80, 34, 16, 10), coat)
    pen.patch(oval(98, 27, 6, 6), INK)
    pen.disc(72, 22, 5.5)
    pen.disc(73.5, 20, 2, "#ffffff")
    pen.shape(curve([(46, 10), (60, 14), (60, 34), (50, 50), (38, 44), (38, 22)], True), ear, 4)
    pen.stroke([(54, 60), (76, 58)], collar, 7, outlined=False)


def bird(pen: Pen, variant: int) -> None:
    """Draw a bird in flight: round breast, big raised wing, fan tail and orange beak."""
    coat, breast, wing = (
        ("#3d8bff", "#ffffff", "#1b4fc0"), ("#ee3030", "#ffd0a0", "#a01020"),
        ("#ffd92e", "#fff6c0", "#ff9410"), ("#ffffff", "#dfe8f5", "#a9bad4"),
    )[variant]  # fmt: skip
    pen.shape([(30, 62), (2, 58), (8, 70), (2, 80), (12, 84), (36, 78)], wing, 2)
    pen.shape(curve([(56, 46), (70, 6), (88, 2), (84, 30), (70, 52)], True), wing, 3)
    pen.shape([(86, 46), (104, 53), (87, 60)], "#ff9a1f", 2)
    pen.shape(curve([(22, 66), (44, 50), (58, 36), (76, 32), (90, 44), (86, 66), (66, 86), (42, 86)], True), coat, 4)
    pen.patch(curve([(44, 78), (64, 66), (80, 62), (74, 74), (60, 82)], True), breast)
    pen.shape(curve([(64, 60), (48, 64), (34, 52), (16, 22), (14, 6), (36, 10), (56, 30)], True), wing, 4)
    pen.stroke([(26, 20), (44, 44)], coat, 5)
    pen.disc(77, 45, 6.5, "#ffffff" if variant != 3 else INK)
    pen.disc(78, 45, 4)


def bust(pen: Pen, variant: int) -> None:
    """Draw a stone head on a pedestal: blank eyes, long nose, curls; marble, verdigris, granite or sandstone."""
    stone = ("#e4e7ec", "#63c9a0", "#868b9b", "#e6c98e")[variant]
    deep = toned(stone, 0.5)
    pen.shape(box(0, 112, 100, 126), stone, 3)
    pen.shape(box(22, 97, 78, 112), stone, 5)
    pen.shape(curve([(10, 98), (10, 80), (34, 72), (66, 72), (90, 80), (90, 98)]), stone, 6)
    pen.shape(box(37, 56, 63, 80, 6), stone, 6)
    pen.shape(curve([(20, 28), (26, 8), (74, 8), (80, 28), (75, 58), (50, 76), (25, 58)], True), stone, 8)
    for x, y in ((17, 32), (20, 16), (34, 6), (50, 3), (66, 6), (80, 16), (83, 32)):
        pen.shape(oval(x, y, 10, 10), stone, 3)
    pen.stroke([(28, 31), (42, 31), (46, 52), (54, 52)], deep, 5)
    pen.stroke([(72, 31), (58, 31)], deep, 5)
    for x in (35, 65):
        pen.patch(oval(x, 40, 6, 4.5), deep)
    pen.stroke([(41, 62), (59, 62)], deep, 5)
