"""Draw the scenes laid out on a lawn: park, playground, cemetery."""

from pipeline.miniature.sketch import (
    BRIGHT,
    DAY,
    DUSK,
    MINT,
    MORNING,
    NIGHT,
    ROSE,
    WHITE,
    Colour,
    Sketch,
    Sky,
    darker,
    lighter,
    mix,
)


def park(s: Sketch) -> None:
    """Draw trees and a winding gravel path on a lawn, with a fountain or a picket fence."""
    horizon = s.whole(52, 62)
    s.sky(s.pick((DAY, DAY, MORNING, MINT, ROSE)), horizon)
    s.clouds(s.whole(1, 4), 8, 30)
    leaf = s.vary(s.pick(((78, 164, 70), (64, 150, 86), (120, 170, 56), (214, 140, 60), (232, 150, 170))), 10)
    for x in range(-4, 136, 10):
        wood = s.far(s.vary((76, 136, 90), 12), 0.35)
        s.oval(x + s.between(-4, 4), horizon - s.between(0, 6), 10, s.between(7, 13), wood)
    lawn = s.vary((124, 194, 78), 12)
    s.gradient(horizon, 128, mix(lawn, s.haze, 0.2), darker(lawn, 0.2))
    goal, gravel = (s.between(36, 92), horizon + 1), s.vary((236, 216, 172))
    s.path(goal, s.between(20, 108), s.between(18, 28), s.between(-34, 34), gravel)
    if s.chance(0.5):
        _fountain(s, s.between(48, 80), horizon + s.between(18, 24))
    else:
        _picket_fence(s, horizon + 8)
    spots = [
        (s.between(0, 24), s.between(74, 96)),
        (s.between(102, 126), s.between(72, 90)),
        (s.between(28, 100), horizon + 6),
    ]
    for middle, base in sorted(spots, key=lambda spot: spot[1]):
        s.round_tree(middle, base, 46 + (base - 70) * 0.9 + s.between(-4, 4), s.vary(leaf, 12))
    s.ripples(8, 90, 125, lighter(lawn, 0.25))


def _fountain(s: Sketch, x: float, y: float) -> None:
    stone, water = s.vary((214, 204, 190)), (150, 214, 240)
    s.oval(x, y, 26, 7, darker(stone, 0.2))
    s.oval(x, y - 2, 26, 7, stone)
    s.oval(x, y - 2, 22, 5, (86, 164, 214))
    s.box(x - 2, y - 20, x + 2, y - 2, stone)
    s.oval(x, y - 18, 11, 3, stone)
    for reach in (8, 15):
        s.draw.arc((x - 2 * reach, y - 34, x, y + 12), 180, 360, fill=water, width=2)
        s.draw.arc((x, y - 34, x + 2 * reach, y + 12), 180, 360, fill=water, width=2)
    s.line([(x, y - 20), (x, y - 38)], WHITE, 3)


def _picket_fence(s: Sketch, y: float) -> None:
    s.box(0, y - 9, 128, y - 7, (226, 220, 206))
    for x in range(s.whole(-6, 0), 130, 8):
        s.shape([(x, y), (x, y - 12), (x + 2, y - 15), (x + 4, y - 12), (x + 4, y)], WHITE)


def playground(s: Sketch) -> None:
    """Draw a slide, a sandpit, and swings or a climbing dome before a row of bushes."""
    ground = s.whole(62, 70)
    s.sky(s.pick((DAY, DAY, MORNING, MINT, ROSE)), ground)
    s.clouds(s.whole(1, 3), 8, 26)
    for x in range(-4, 136, 14):
        s.oval(x + s.between(-5, 5), ground, 12, s.between(10, 18), s.far(s.vary((86, 166, 90), 12), 0.3))
    floor = s.vary(s.pick(((132, 200, 90), (150, 196, 96), (222, 150, 110), (110, 190, 130))))
    s.gradient(ground, 128, lighter(floor, 0.12), darker(floor, 0.16))
    sand_x = s.between(50, 84)
    s.oval(sand_x, ground + 22, 42, 13, s.pick(((214, 120, 70), (70, 140, 200), (230, 180, 70))))
    s.oval(sand_x, ground + 22, 37, 10, (246, 222, 160))
    if s.chance(0.7):
        _swings(s, s.between(72, 86), ground + s.between(6, 12))
    else:
        _climbing_dome(s, s.between(94, 106), ground + s.between(6, 12), s.between(20, 26))
    _slide(s, s.between(4, 20), ground + s.between(10, 20))


def _slide(s: Sketch, x: float, base: float) -> None:
    """Draw a ladder, a platform under a little roof, and a chute that runs down to the right."""
    post, chute = s.pick(BRIGHT), s.pick(BRIGHT)
    roof = s.pick([colour for colour in BRIGHT if colour not in (post, chute)])
    top = base - s.between(34, 40)
    for px in (x, x + 18):
        s.box(px, top - 18, px + 3, base, post)
    for y in range(int(top) + 6, int(base), 7):
        s.box(x, y, x + 20, y + 2, lighter(post, 0.45))
    s.shape([(x - 4, top - 16), (x + 10, top - 30), (x + 25, top - 16)], roof)
    s.box(x - 1, top, x + 22, top + 3, darker(post, 0.3))
    reach = s.between(34, 42)
    curve = [
        (x + 19, top - 1),
        (x + 19 + reach * 0.45, top + 14),
        (x + 19 + reach * 0.8, base - 8),
        (x + 22 + reach, base - 4),
    ]
    s.line([(px, py + 4) for px, py in curve], darker(chute, 0.35), 5)
    s.line(curve, chute, 7)
    s.line([(px + 1, py - 3) for px, py in curve], lighter(chute, 0.5), 2)


def _climbing_dome(s: Sketch, x: float, base: float, radius: float) -> None:
    bars = s.pick(BRIGHT)
    for share in (1, 0.5):
        s.draw.arc(
            (x - radius * share, base - radius * 1.3, x + radius * share, base + radius * 1.3),
            180,
            360,
            fill=bars,
            width=3,
        )
    s.line([(x, base), (x, base - radius * 1.3)], bars, 2)
    for level, half in ((0.4, 0.95), (0.85, 0.75)):
        s.line(
            [(x - radius * half, base - radius * level), (x + radius * half, base - radius * level)],
            lighter(bars, 0.25),
            2,
        )


def _swings(s: Sketch, x: float, base: float) -> None:
    frame, seat, top = s.pick(BRIGHT), s.pick(BRIGHT), base - s.between(42, 48)
    for px in (x, x + 42):
        s.line([(px - 7, base), (px, top), (px + 7, base)], frame, 3)
    s.line([(x - 2, top), (x + 44, top)], frame, 4)
    for hang in (x + 12, x + 29):
        sway, low = s.between(-7, 7), base - s.between(10, 13)
        s.line([(hang - 4, top), (hang - 4 + sway, low)], (80, 80, 100), 1)
        s.line([(hang + 4, top), (hang + 4 + sway, low)], (80, 80, 100), 1)
        s.box(hang - 6 + sway, low, hang + 6 + sway, low + 3, seat)


GLOOM: tuple[Sky, ...] = (
    NIGHT,
    DUSK,
    ((96, 106, 168), (200, 184, 220)),
    ((48, 92, 112), (178, 196, 150)),
    ((84, 60, 110), (230, 150, 110)),
)


def cemetery(s: Sketch) -> None:
    """Draw two rows of graves, a railing and a bare tree under a gloomy sky."""
    horizon = s.whole(56, 64)
    s.sky(s.pick(GLOOM), horizon)
    if s.chance(0.7):
        s.sun(s.between(56, 116), s.between(12, 26), s.between(7, 11), (236, 230, 190))
    s.hills(horizon, 8, s.far((70, 90, 110), 0.35))
    grass = s.vary(s.pick(((84, 112, 74), (76, 104, 92), (110, 112, 72))))
    s.gradient(horizon, 128, mix(grass, s.haze, 0.25), darker(grass, 0.3))
    _railing(s, horizon)
    _bare_tree(s, s.between(10, 30), s.between(76, 88))
    stone = s.vary((154, 162, 200))
    for row, (y, size) in enumerate(((horizon + 12, 8), (horizon + 28, 12))):
        x = s.between(-4, 14)
        while x < 126:
            if s.chance(0.85):
                colour = s.vary(mix(stone, s.haze, 0.25 - 0.2 * row), 10)
                _grave(s, x, y + s.between(-2, 2), size * s.between(0.85, 1.15), colour)
            x += size * s.between(2.3, 3.2)


def _railing(s: Sketch, y: int) -> None:
    iron = (44, 40, 62)
    s.box(0, y - 8, 128, y - 7, iron)
    s.box(0, y + 1, 128, y + 2, iron)
    for x in range(s.whole(-5, 0), 130, 6):
        s.line([(x, y + 4), (x, y - 13)], iron, 1)
        s.box(x - 1, y - 13, x + 1, y - 11, iron)


def _grave(s: Sketch, x: float, base: float, size: float, stone: Colour) -> None:
    """Draw a rounded slab with a cross on it, or a stone cross."""
    dark, top = darker(stone, 0.5), base - size * 2.1
    s.oval(x + size * 0.3, base, size * 1.2, size * 0.25, (52, 66, 56))
    if s.chance(0.4):
        s.box(x - size * 0.25, top - size * 0.4, x + size * 0.25, base, stone)
        s.box(x - size * 0.8, top + size * 0.3, x + size * 0.8, top + size * 0.75, stone)
        s.box(x + size * 0.1, top - size * 0.4, x + size * 0.25, base, darker(stone, 0.25))
    else:
        for shift, colour in ((size * 0.2, dark), (0, stone)):
            s.oval(x + shift, top + size * 0.8, size * 0.8, size * 0.8, colour)
            s.box(x - size * 0.8 + shift, top + size * 0.8, x + size * 0.8 + shift, base, colour)
        s.box(x - 1, top + size * 0.4, x + 1, top + size * 1.5, dark)
        s.box(x - size * 0.4, top + size * 0.7, x + size * 0.4, top + size * 0.7 + 2, dark)


def _bare_tree(s: Sketch, x: float, base: float) -> None:
    bark = (52, 42, 58)
    crotch = base - s.between(34, 42)
    s.shape([(x - 6, base), (x + 6, base), (x + 2, crotch), (x - 2, crotch)], bark)
    for side, rise in ((-20, -16), (18, -20), (-6, -30), (26, -6)):
        dx, dy = side * s.between(0.8, 1.15), rise * s.between(0.8, 1.15)
        knee, start = (x + dx * 0.5, crotch + dy * 0.45), crotch + s.between(0, 8)
        s.line([(x, start), knee], bark, 3)
        s.line([knee, (x + dx, crotch + dy)], bark, 2)
        s.line([knee, (x + dx * 1.1, crotch + dy * 0.4)], bark, 1)
        s.line([knee, (x + dx * 0.45, crotch + dy * 1.2)], bark, 1)
