"""Draw the natural scenes: beach, lake, mountain, forest path."""

from pipeline.miniature.sketch import (
    DAY,
    DUSK,
    MINT,
    MORNING,
    ROSE,
    SUNSET,
    WHITE,
    Colour,
    Point,
    Sketch,
    darker,
    lighter,
    mix,
)


def _palm(s: Sketch, x: float, base: float, lean: float) -> None:
    height = s.between(64, 80)
    bark, leaf = s.vary((150, 104, 62)), s.vary((40, 140, 74), 20)
    path = [(x + lean * (t / 6) ** 2, base - height * t / 6) for t in range(7)]
    for index in range(6):
        s.line([path[index], path[index + 1]], bark if index % 2 else darker(bark, 0.2), 6 - index // 3)
    top_x, top_y = path[-1]
    for index, (side, fall) in enumerate(((-30, 12), (30, 12), (-20, 26), (20, 26), (-24, -6), (24, -6), (-4, -14))):
        dx, dy = side + s.between(-3, 3), fall + s.between(-3, 3)
        bend = (top_x + dx * 0.55, top_y + min(dy, 0) - 7)
        under = (top_x + dx * 0.5, top_y + min(dy, 0) + 3)
        s.shape([(top_x, top_y - 2), bend, (top_x + dx, top_y + dy), under], darker(leaf, 0.2) if index % 2 else leaf)
    s.oval(top_x - 3, top_y + 3, 3, 3, (110, 70, 40))
    s.oval(top_x + 3, top_y + 4, 3, 3, (96, 60, 36))


def _parasol(s: Sketch, x: float, base: float, radius: float) -> None:
    colour = s.pick(((226, 60, 60), (242, 150, 40), (44, 130, 210), (222, 70, 140)))
    top = base - radius * 1.5
    s.line([(x, base), (x, top)], (240, 236, 226), 3)
    for index in range(6):
        frame = (x - radius, top - radius * 0.7, x + radius, top + radius * 0.7)
        s.draw.pieslice(frame, 180 + 30 * index, 211 + 30 * index, fill=WHITE if index % 2 else colour)
    s.oval(x, base + 1, radius * 0.8, 2, (206, 170, 112))


def beach(s: Sketch) -> None:
    """Draw a sandy shore by the sea, with a palm, a parasol or both."""
    horizon = s.whole(42, 56)
    s.sky(s.pick((DAY, DAY, MORNING, SUNSET, ROSE, MINT)), horizon)
    s.sun(s.between(14, 114), s.between(12, horizon - 10), s.between(7, 11))
    s.clouds(s.whole(0, 3), 8, horizon - 16, lighter(s.haze, 0.6))
    if s.chance(0.4):
        s.oval(s.between(10, 118), horizon + 2, s.between(18, 30), s.between(6, 12), s.far((70, 130, 140), 0.35))
    sea = s.vary(s.pick(((24, 106, 182), (20, 130, 176), (36, 92, 170))))
    s.gradient(horizon, 100, sea, mix(sea, (110, 226, 214), 0.75))
    s.ripples(7, horizon + 3, 72, mix(sea, WHITE, 0.55))
    sand, left, right = s.vary((240, 208, 148), 12), s.between(66, 84), s.between(70, 92)
    shore: list[Point] = [(x, left + (right - left) * x / 128 + s.between(-2.5, 2.5)) for x in range(-8, 145, 16)]
    s.shape([(x, y + 1) for x, y in shore] + [(140, 128), (-8, 128)], darker(sand, 0.22))
    s.line(shore, WHITE, 5)
    s.shape([(x, y + 9) for x, y in shore] + [(140, 128), (-8, 128)], sand)
    s.ripples(6, 100, 126, lighter(sand, 0.3))
    kind = s.whole(0, 3)
    if kind < 3:
        _palm(s, s.between(4, 24), s.between(104, 118), s.between(4, 22))
    if kind > 1:
        _parasol(s, s.between(94, 112), s.between(98, 106), s.between(17, 23))


def lake(s: Sketch) -> None:
    """Draw a lake that reflects its hills and pines, with reeds on the near bank."""
    shore = s.whole(50, 60)
    s.sky(s.pick((DAY, MORNING, SUNSET, ROSE, MINT, DUSK)), shore)
    if s.chance(0.5):
        s.sun(s.between(20, 108), s.between(12, 26), s.between(5, 8))
    s.clouds(s.whole(0, 2), 8, 22, lighter(s.haze, 0.5))
    s.hills(shore, s.between(14, 26), s.far((74, 118, 150), 0.45))
    green = s.vary(s.pick(((38, 104, 84), (46, 112, 66), (30, 88, 92))))
    s.hills(shore, s.between(4, 9), s.far(green, 0.15))
    x = s.between(-4, 6)
    while x < 128:
        s.pine(x, shore + 1, s.between(13, 27), s.vary(green, 10))
        x += s.between(6, 11) if s.chance(0.8) else s.between(16, 34)
    water = mix(s.vary((40, 122, 168)), s.haze, 0.25)
    s.gradient(shore, 128, water, darker(water, 0.3))
    s.reflect(shore, 0.6)
    s.line([(0, shore), (128, shore)], lighter(s.haze, 0.4), 1)
    s.ripples(16, shore + 6, 124, lighter(water, 0.45))
    bank = s.vary((96, 142, 60))
    s.oval(s.between(-10, 10), 130, s.between(44, 64), s.between(9, 15), bank)
    for side in (s.between(0, 12), s.between(112, 124)):
        for _ in range(s.whole(4, 6)):
            foot, tip = side + s.between(-9, 9), s.between(70, 92)
            tip_x = foot + s.between(-5, 5)
            s.line([(foot, 128), (tip_x, tip)], s.vary((70, 128, 56), 20), 2)
            s.oval(tip_x, tip, 2, 6, (112, 66, 38))


def _peak(s: Sketch, x: float, top: float, half: float, base: float, rock: Colour) -> None:
    """Draw a mountain with a lit left flank, a shaded right flank and a ragged cap of snow."""
    foot = x + s.between(-0.3, 0.3) * half
    s.shape([(x - half, base), (x, top), (x + half, base)], rock)
    s.shape(
        [(x, top), (x + half, base), (foot, base), (x + half * 0.12, top + (base - top) * 0.45)], darker(rock, 0.28)
    )
    depth = s.between(0.34, 0.5)
    low = top + (base - top) * depth
    left, right = x - half * depth, x + half * depth
    steps = [right - (right - left) * t for t in (0.22, 0.42, 0.6, 0.8)]
    drops = [low + s.between(2, 8), low - s.between(2, 9), low + s.between(1, 7), low - s.between(1, 7)]
    s.shape([(left, low), (x, top), (right, low), *zip(steps, drops, strict=True)], WHITE)
    s.shape([(x, top), (right, low), (steps[0], drops[0]), (steps[1], drops[1])], mix((150, 176, 220), s.haze, 0.25))


def mountain(s: Sketch) -> None:
    """Draw one to three snow-capped peaks above a meadow with pines."""
    base = s.whole(60, 76)
    s.sky(s.pick((DAY, DAY, MORNING, ROSE, SUNSET, MINT, DUSK)), base)
    if s.chance(0.3):
        s.sun(s.between(8, 120), s.between(12, 28), s.between(5, 8))
    s.clouds(s.whole(0, 3), 8, 34, lighter(s.haze, 0.5))
    s.ridge(base - 10, s.between(16, 30), 15, s.far((112, 130, 180), 0.5))
    rock = s.vary(s.pick(((98, 104, 148), (112, 100, 132), (84, 110, 140), (128, 104, 110))))
    middle = s.between(34, 94)
    for x in (middle - s.between(34, 56), middle + s.between(34, 56)):
        if s.chance(0.85):
            _peak(s, x, s.between(18, 42), s.between(32, 52), base + 2, s.far(rock, 0.22))
    _peak(s, middle, s.between(4, 22), s.between(36, 62), base + 4, rock)
    meadow = s.vary(s.pick(((92, 152, 74), (110, 150, 84), (78, 140, 96), (150, 150, 82), (190, 206, 230))))
    s.hills(base + 3, s.between(5, 9), s.far(darker(meadow, 0.2), 0.2))
    for _ in range(s.whole(4, 9)):
        x = s.between(0, 128)
        s.pine(x, base + s.between(6, 12), s.between(11, 20), s.vary((36, 92, 76)))
    s.gradient(base + 9, 128, lighter(meadow, 0.15), darker(meadow, 0.15))
    s.ripples(8, base + 16, 124, lighter(meadow, 0.3))


def forest_path(s: Sketch) -> None:
    """Draw a path that winds between trunks towards a light clearing."""
    deep, light, leaf, ground = s.pick(
        (
            ((40, 104, 76), (222, 240, 150), (70, 150, 60), (84, 120, 50)),
            ((150, 92, 40), (255, 226, 140), (224, 130, 40), (150, 104, 50)),
            ((44, 96, 110), (190, 226, 214), (56, 130, 104), (70, 108, 80)),
            ((60, 110, 50), (255, 238, 160), (120, 170, 50), (104, 120, 52)),
        )
    )
    horizon, goal = s.whole(62, 70), s.between(40, 88)
    s.gradient(0, horizon + 4, s.vary(deep), mix(deep, light, 0.6))
    s.glow(goal, horizon - 16, s.whole(44, 60), light)
    for _ in range(12):
        x, width = s.between(0, 128), s.between(1, 2.5)
        s.box(x - width, 0, x + width, horizon + 2, mix(s.vary(deep, 20), light, s.between(0.1, 0.45)))
    s.gradient(horizon, 128, mix(s.vary(ground), light, 0.3), darker(ground, 0.25))
    path = s.vary((222, 190, 136))
    s.path((goal, horizon), s.between(44, 84), s.between(26, 40), s.between(-30, 30), path)
    bark = s.vary((92, 62, 48))
    places = [
        (s.between(18, 40), 78, 4),
        (s.between(90, 110), 80, 4.5),
        (s.between(0, 14), 96, s.between(6, 10)),
        (s.between(112, 128), 100, s.between(6, 11)),
    ]
    for x, foot, width in places:
        tone, root = mix(bark, light, 0.28 if foot < 90 else 0), width * 1.7
        s.box(x - width, 0, x + width, foot - 6, tone)
        s.shape([(x - width, foot - 7), (x + width, foot - 7), (x + root, foot), (x - root, foot)], tone)
        s.box(x + width * 0.35, 0, x + width, foot - 4, darker(tone, 0.3))
    for index in range(16):
        x, y = index * 8.5 + s.between(-5, 5), s.between(-6, 12 + 0.004 * (index * 8.5 - goal) ** 2)
        s.oval(x, y, s.between(10, 16), s.between(7, 11), mix(s.vary(leaf, 26), deep, 0.35 * (index % 2)))
    for x in (s.between(0, 20), s.between(108, 128), s.between(14, 34)):
        y = s.between(104, 118)
        for dx in (-9, -5, 0, 5, 9):
            s.line([(x, y), (x + dx, y - 10 + abs(dx) * 0.4)], s.vary(leaf, 20), 2)
