"""Draw the indoor scenes: bedroom, room, corridor."""

from pipeline.miniature.perspective import Perspective
from pipeline.miniature.sketch import (
    CANVAS_PX,
    DAY,
    DUSK,
    FABRICS,
    MORNING,
    NIGHT,
    ROSE,
    WHITE,
    Colour,
    Sketch,
    darker,
    lighter,
    mix,
)


def _window(s: Sketch, x: float, y: float, half: float, height: float) -> None:
    """Draw a sash window with a view of the sky between two curtains."""
    top, bottom = s.pick((DAY, MORNING, ROSE, DUSK, NIGHT))
    s.box(x - half - 3, y - 3, x + half + 3, y + height + 3, WHITE)
    s.box(x - half, y, x + half, y + height, top)
    s.box(x - half, y + height * 0.45, x + half, y + height, mix(top, bottom, 0.55))
    s.oval(x + half * 0.4, y + height * 0.28, 4, 4, (255, 244, 200))
    s.draw.pieslice(
        (x - half, y + height * 0.7, x + half, y + height * 1.3), 180, 360, fill=mix((80, 140, 90), top, 0.3)
    )
    s.box(x - half, y + height + 1, x + half, y + height + 3, WHITE)
    s.box(x - 1, y, x + 1, y + height, WHITE)
    s.box(x - half, y + height * 0.5, x + half, y + height * 0.5 + 2, WHITE)
    cloth, drop = s.vary(s.pick(FABRICS)), y + height + 10
    for side in (-1, 1):
        outer, inner = x + side * (half + 9), x + side * (half - 3)
        s.shape([(outer, y - 5), (inner, y - 5), (x + side * (half + 2), drop), (outer, drop)], cloth)
        s.line([(x + side * (half + 4), y - 5), (x + side * (half + 5), drop)], darker(cloth, 0.25), 2)
    s.line([(x - half - 12, y - 6), (x + half + 12, y - 6)], (120, 84, 60), 3)


def _picture(s: Sketch, x: float, y: float, half: float, tall: float) -> None:
    """Draw a framed landscape."""
    s.box(x - half, y - tall, x + half, y + tall, s.pick(((206, 160, 70), (120, 78, 50), (70, 60, 70))))
    sky, land = s.pick((DAY, MORNING, ROSE, DUSK)), s.vary((90, 150, 90), 24)
    s.box(x - half + 3, y - tall + 3, x + half - 3, y + tall - 3, sky[1])
    s.shape([(x - half + 3, y + tall - 3), (x - half * 0.2, y - tall * 0.3), (x + half - 3, y + tall - 3)], land)
    s.box(x - half + 3, y + tall * 0.4, x + half - 3, y + tall - 3, darker(land, 0.2))


def _wall_and_floor(s: Sketch, skirting: int, wall: Colour, floor: Colour) -> None:
    """Draw the wall down to the skirting board, and floorboards in perspective below it."""
    s.gradient(0, skirting, lighter(wall, 0.12), wall)
    s.gradient(skirting, CANVAS_PX, floor, darker(floor, 0.2))
    for x in range(-90, 220, 18):
        s.line([(64 + (x - 64) * 0.6, skirting), (x, CANVAS_PX)], darker(floor, 0.14), 1)
    s.box(0, skirting - 5, CANVAS_PX, skirting - 1, lighter(wall, 0.6))


def bedroom(s: Sketch) -> None:
    """Draw a bed, a window and patterned wallpaper, sometimes with a framed landscape."""
    wall = s.vary(
        s.pick(((226, 190, 200), (180, 206, 226), (236, 220, 176), (190, 214, 186), (204, 190, 226), (120, 134, 184)))
    )
    skirting, wood = s.whole(74, 82), s.vary(s.pick(((150, 98, 62), (196, 150, 100), (110, 74, 60))))
    _wall_and_floor(s, skirting, wall, s.vary(s.pick(((190, 140, 96), (166, 120, 90), (214, 176, 136)))))
    stripe = darker(wall, 0.09)
    if s.chance(0.5):
        for x in range(s.whole(0, 12), CANVAS_PX, 13):
            s.box(x, 0, x + 5, skirting - 6, stripe)
    else:
        for index, x in enumerate(range(s.whole(0, 8), CANVAS_PX, 11)):
            for y in range(5 + index % 2 * 6, skirting - 8, 12):
                s.oval(x, y, 2, 2, stripe)
    _window(s, s.between(94, 106), s.between(12, 18), s.between(12, 16), s.between(30, 38))
    if s.chance(0.6):
        _picture(s, s.between(24, 50), s.between(14, 20), s.between(10, 14), s.between(8, 11))
    s.oval(s.between(84, 100), 116, 40, 10, mix(s.pick(FABRICS), WHITE, 0.4))
    if s.chance(0.6):
        _bed_from_the_side(s, s.between(2, 18), skirting + s.between(14, 22), wood)
    else:
        _bed_from_its_foot(s, s.between(38, 50), skirting + s.between(26, 36), wood)


def _bed_from_its_foot(s: Sketch, x: float, base: float, wood: Colour) -> None:
    """Draw a double bed from its foot: headboard at the wall, two pillows, a blanket that widens to the viewer."""
    blanket, half, top = s.vary(s.pick(FABRICS)), s.between(25, 29), base - 46
    s.box(x - half - 2, top - 18, x + half + 2, top + 12, wood)
    s.oval(x, top - 17, half * 0.8, 7, wood)
    s.oval(x, top - 13, half * 0.6, 5, darker(wood, 0.15))
    s.shape([(x - half, top), (x + half, top), (x + half + 7, base - 12), (x - half - 7, base - 12)], (240, 236, 230))
    for dx in (-half * 0.5, half * 0.5):
        s.oval(x + dx, top + 3, half * 0.45, 7, darker(WHITE, 0.14))
        s.oval(x + dx, top + 1, half * 0.43, 6, WHITE)
    s.shape(
        [(x - half - 1, top + 11), (x + half + 1, top + 11), (x + half + 7, base - 12), (x - half - 7, base - 12)],
        blanket,
    )
    s.shape(
        [(x - half - 1, top + 9), (x + half + 1, top + 9), (x + half + 3, top + 17), (x - half - 3, top + 17)],
        lighter(blanket, 0.5),
    )
    s.box(x - half - 7, base - 12, x + half + 7, base + 2, darker(blanket, 0.22))
    s.box(x - half - 7, base + 2, x + half + 7, base + 5, darker(wood, 0.3))


def _bed_from_the_side(s: Sketch, x: float, base: float, wood: Colour) -> None:
    """Draw a bed from its side: headboard on the left, pillow, sheet, and a blanket that hangs down."""
    blanket, length, top = s.vary(s.pick(FABRICS)), s.between(66, 78), base - 28
    s.box(x + 2, base - 8, x + length, base + 4, darker(wood, 0.35))
    s.box(x + length - 5, top - 2, x + length + 1, base + 8, wood)
    s.oval(x + length - 2, top - 3, 4, 4, wood)
    s.box(x + 4, top + 4, x + length - 5, base - 6, (244, 240, 234))
    s.shape(
        [
            (x + 26, top),
            (x + length - 6, top),
            (x + length - 4, top + 6),
            (x + length - 4, base - 2),
            (x + 24, base - 2),
        ],
        blanket,
    )
    s.shape([(x + 24, top - 1), (x + 36, top - 1), (x + 34, base - 2), (x + 22, base - 2)], lighter(blanket, 0.5))
    for y in (top + 8, top + 17):
        s.line([(x + 36, y), (x + length - 6, y)], darker(blanket, 0.16), 2)
    s.box(x - 2, top - 24, x + 5, base + 8, wood)
    s.oval(x + 1, top - 25, 5, 5, wood)
    s.oval(x + 16, top - 2, 12, 7, darker(WHITE, 0.12))
    s.oval(x + 15, top - 4, 11, 6, WHITE)


def room(s: Sketch) -> None:
    """Draw a living room: a window, a rug, framed landscapes, and a fireplace or a sideboard."""
    wall = s.vary(
        s.pick(((222, 196, 150), (150, 190, 176), (226, 170, 140), (176, 190, 214), (206, 210, 160), (196, 110, 100)))
    )
    skirting = s.whole(72, 80)
    _wall_and_floor(s, skirting, wall, s.vary(s.pick(((178, 124, 82), (150, 104, 78), (206, 160, 112)))))
    if s.chance(0.5):
        s.box(0, skirting - 24, CANVAS_PX, skirting - 6, lighter(wall, 0.35))
        s.box(0, skirting - 26, CANVAS_PX, skirting - 24, lighter(wall, 0.65))
        for x in range(s.whole(-10, 0), CANVAS_PX, 22):
            s.draw.rectangle((x, skirting - 20, x + 15, skirting - 9), outline=mix(wall, WHITE, 0.1), width=2)
    _window(s, s.between(24, 36), s.between(10, 16), s.between(13, 17), s.between(34, 40))
    if s.chance(0.5):
        _fireplace(s, s.between(88, 102), skirting)
        _picture(s, s.between(88, 102), s.between(14, 20), s.between(14, 19), s.between(10, 13))
    else:
        _sideboard(s, s.between(86, 100), skirting + 6)
        for middle in (s.between(74, 82), s.between(104, 114)):
            _picture(s, middle, s.between(18, 30), s.between(9, 13), s.between(9, 14))
    _rug(s, s.between(52, 76))


def _rug(s: Sketch, x: float) -> None:
    rug = s.vary(s.pick(FABRICS))
    for grow, colour in ((0, rug), (5, lighter(rug, 0.55)), (8, rug), (24, lighter(rug, 0.2))):
        s.oval(x, 108, 54 - grow, 16 - grow * 0.55, colour)


def _fireplace(s: Sketch, x: float, base: float) -> None:
    stone = s.vary((186, 120, 100))
    s.box(x - 22, base - 32, x + 22, base + 2, stone)
    for y in range(int(base) - 27, int(base), 6):
        s.line([(x - 22, y), (x + 22, y)], darker(stone, 0.18), 1)
    s.box(x - 26, base - 36, x + 26, base - 31, (236, 226, 206))
    s.box(x - 13, base - 22, x + 13, base + 2, (44, 34, 40))
    s.glow(x, base - 4, 12, (255, 170, 60))
    for dx, tall in ((-6, 10), (5, 11), (0, 16)):
        flame = (250, 150, 50) if dx else (255, 214, 90)
        s.shape([(x + dx - 5, base), (x + dx, base - tall), (x + dx + 5, base)], flame)


def _sideboard(s: Sketch, x: float, base: float) -> None:
    wood = s.vary((140, 88, 58))
    s.box(x - 28, base - 26, x + 28, base - 3, wood)
    s.box(x - 30, base - 29, x + 30, base - 25, lighter(wood, 0.2))
    for dx in (-25, 23):
        s.box(x + dx, base - 3, x + dx + 3, base + 2, darker(wood, 0.3))
    for dx in (-18, 0, 18):
        s.draw.rectangle((x + dx - 8, base - 22, x + dx + 8, base - 6), outline=darker(wood, 0.3), width=1)
        s.oval(x + dx + 4, base - 14, 1, 1, (236, 200, 120))
    s.shape([(x - 20, base - 29), (x - 14, base - 29), (x - 12, base - 40), (x - 22, base - 40)], s.pick(FABRICS))
    for dx, dy in ((-25, -50), (-17, -54), (-9, -50)):
        s.line([(x - 17, base - 38), (x + dx, base + dy)], (70, 130, 80), 3)


def corridor(s: Sketch) -> None:
    """Draw a tiled floor and ceiling lights that run to a far door, with doors and sometimes windows on the sides."""
    view = Perspective(s, s.between(40, 88), s.between(44, 64), half_px=84, above_px=62, below_px=74)
    end, near = s.between(0.13, 0.25), 1.7
    wall = s.vary(s.pick(((150, 180, 170), (190, 176, 140), (140, 160, 196), (176, 150, 160), (120, 150, 130))))
    floor = s.vary(s.pick(((176, 150, 120), (130, 140, 156), (160, 120, 104), (150, 160, 140))))
    door = s.vary(s.pick(((150, 84, 60), (70, 110, 140), (110, 74, 90), (60, 120, 100))))
    view.slab(-1, -1, 1, end, near, lighter(wall, 0.45))
    view.slab(1, -1, 1, end, near, floor)
    depths = [end * (near / end) ** (step / 8) for step in range(9)]
    for row in range(8):
        for column in range(row % 2, 6, 2):
            tile = darker(floor, 0.16)
            view.slab(1, column / 3 - 1, (column + 1) / 3 - 1, depths[row], depths[row + 1], tile)
    for far, close in ((0.27, 0.33), (0.42, 0.54), (0.72, 1.0)):
        view.slab(-1, -0.28, 0.28, far, close, (255, 250, 214))
    for side, tone in ((-1, wall), (1, darker(wall, 0.16))):
        view.wall(side, -1, 1, end, near, tone)
        view.wall(side, 0.85, 1, end, near, darker(tone, 0.3))
        if side > 0 and s.chance(0.35):
            _windows_along(s, view, side)
        else:
            _doors_along(s, view, side, door)
    view.front(-1, 1, -1, 1, end, lighter(wall, 0.25))
    view.front(-0.45, 0.45, -0.4, 1, end, darker(door, 0.2))
    s.glow(view.x, view.y - 6, s.whole(16, 26), (255, 246, 206))


def _doors_along(s: Sketch, view: Perspective, side: int, door: Colour) -> None:
    for far, near in ((0.29, 0.37), (0.48, 0.63), (0.86, 1.2)):
        view.wall(side, -0.6, 1, far * 0.97, near * 1.03, darker(door, 0.45))
        view.wall(side, -0.52, 1, far, near, door if side < 0 else darker(door, 0.15))
        knob_x, knob_y = view.at(side, 0.3, far + (near - far) * 0.8)
        s.oval(knob_x, knob_y, 1.5, 1.5, (250, 214, 110))


def _windows_along(s: Sketch, view: Perspective, side: int) -> None:
    overhead, horizon = s.pick((DAY, MORNING, ROSE, DUSK))
    for far, near in ((0.28, 0.36), (0.42, 0.55), (0.66, 0.88), (1.04, 1.5)):
        view.wall(side, -0.62, 0.3, far * 0.97, near * 1.03, WHITE)
        view.wall(side, -0.52, 0.2, far, near, horizon)
        view.wall(side, -0.52, -0.15, far, near, mix(overhead, horizon, 0.4))
