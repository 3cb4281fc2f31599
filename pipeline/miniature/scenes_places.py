"""Draw the built outdoor scenes: amusement park, street."""

import math
from itertools import pairwise

import numpy as np

from pipeline.miniature.perspective import Perspective
from pipeline.miniature.sketch import (
    BRIGHT,
    DAY,
    DUSK,
    MINT,
    MORNING,
    NIGHT,
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


def _tent(s: Sketch, x: float, base: float, half: float, height: float) -> None:
    """Draw a big top: a striped cone over a striped wall, with a scalloped hem and a pennant."""
    colour = s.pick(((222, 48, 56), (222, 48, 56), (44, 120, 204), (150, 70, 180), (240, 140, 30)))
    eaves, top = base - height * 0.42, base - height
    for index in range(6):
        x0, x1 = x - half + index * half / 3, x - half + (index + 1) * half / 3
        stripe = WHITE if index % 2 else colour
        s.shape([(x, top), (x1, eaves), (x0, eaves)], stripe)
        s.box(x + (x0 - x) * 0.88, eaves, x + (x1 - x) * 0.88, base, mix(stripe, (60, 30, 80), 0.22))
        s.oval((x0 + x1) / 2, eaves, half / 6, 3, stripe)
    s.line([(x, top), (x, top - 8)], (90, 70, 90), 1)
    s.shape([(x, top - 9), (x + 8, top - 6), (x, top - 3)], s.pick(BRIGHT))


def _ferris_wheel(s: Sketch, x: float, y: float, radius: float, ground: float) -> None:
    steel, turn, count = s.pick(((236, 240, 250), (250, 214, 120), (236, 120, 130))), s.between(0, 0.5), s.pick((8, 10))
    legs = mix(steel, (70, 60, 110), 0.45)
    s.line([(x - radius * 0.55, ground), (x, y), (x + radius * 0.55, ground)], legs, 4)
    rim = [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in turn + np.arange(count) * 2 * np.pi / count]
    for px, py in rim:
        s.line([(x, y), (px, py)], steel, 1)
    s.ring(x, y, radius, radius, steel, 3)
    s.ring(x, y, radius * 0.6, radius * 0.6, steel, 1)
    s.oval(x, y, 4, 4, legs)
    for index, (px, py) in enumerate(rim):
        s.oval(px, py + 2, 5, 5, BRIGHT[index % 6])


def _coaster(s: Sketch, ground: float, colour: Colour) -> None:
    """Draw the track of a roller coaster on stilts; it belongs behind everything else."""
    phase, rise = s.between(0, 6), s.between(14, 20)
    track: list[Point] = [(x, ground - 24 - rise * math.sin(x / 17 + phase)) for x in range(-4, 137, 7)]
    for x, y in track:
        s.line([(x, y), (x, ground)], mix(colour, WHITE, 0.5), 1)
    s.line(track, colour, 4)


def _bunting(s: Sketch, y: float, sag: float) -> None:
    rope: list[Point] = [(x, y + sag * (1 - (x / 64 - 1) ** 2)) for x in range(0, 129, 8)]
    s.line(rope, (90, 70, 90), 1)
    for index, (x, top) in enumerate(rope[:-1]):
        s.shape([(x + 1, top), (x + 8, top), (x + 4, top + 9)], BRIGHT[index % 6])


def amusement_park(s: Sketch) -> None:
    """Draw a Ferris wheel and one or two tents, sometimes with a roller coaster and bunting."""
    ground = s.whole(70, 80)
    s.sky(s.pick((DAY, DAY, ROSE, SUNSET, MINT, NIGHT, DUSK)), ground)
    s.clouds(s.whole(0, 3), 14, 36, lighter(s.haze, 0.5))
    s.hills(ground - 6, 8, s.far((90, 150, 130), 0.4))
    if s.chance(0.35):
        _coaster(s, ground, s.far(s.pick(BRIGHT), 0.25))
    radius = s.between(25, 35)
    _ferris_wheel(s, s.between(24, 58), ground - radius - s.between(3, 8), radius, ground)
    floor = s.vary(s.pick(((226, 190, 130), (150, 190, 100), (214, 170, 150))))
    s.gradient(ground, 128, lighter(floor, 0.15), darker(floor, 0.15))
    _tent(s, s.between(88, 108), ground + s.between(4, 10), s.between(20, 27), s.between(40, 52))
    if s.chance(0.6):
        _tent(s, s.between(0, 20), ground + s.between(4, 8), s.between(14, 18), s.between(24, 32))
    if s.chance(0.7):
        _bunting(s, s.between(-2, 6), s.between(4, 12))
    s.ripples(6, ground + 14, 124, lighter(floor, 0.3))


WALLS: tuple[Colour, ...] = (
    (214, 110, 84),
    (236, 190, 110),
    (120, 160, 190),
    (196, 140, 150),
    (150, 176, 130),
    (228, 214, 184),
    (150, 110, 140),
)
GLASS: tuple[Colour, ...] = ((255, 226, 130), (255, 240, 180), (255, 210, 100), (84, 110, 150))


def street(s: Sketch) -> None:
    """Draw a row of house fronts behind a road, or a view down an avenue."""
    kerb = s.whole(64, 80)
    s.sky(s.pick((DAY, DUSK, NIGHT, SUNSET, ROSE, MORNING)), kerb)
    if s.chance(0.45):
        _avenue(s)
        return
    s.ridge(kerb - 36, 14, 9, s.far((100, 96, 140), 0.45))
    x = s.between(-18, 0)
    while x < 128:
        width = s.between(22, 36)
        _house_front(s, x, x + width, kerb - s.between(34, 58), kerb)
        x += width + s.pick((0, 0, 0, 5))
    road = s.vary((92, 92, 112), 10)
    s.gradient(kerb, 128, road, darker(road, 0.2))
    s.box(0, kerb, 128, kerb + 8, s.vary((190, 180, 176), 8))
    s.box(0, kerb + 8, 128, kerb + 10, (132, 124, 132))
    middle, start = s.between(100, 108), s.whole(-20, 0)
    for x in range(start, 130, 26):
        s.box(x, middle, x + 13, middle + 3, (248, 232, 170))


def _house_front(s: Sketch, x0: float, x1: float, eaves: float, base: float) -> None:
    wall = s.far(s.vary(s.pick(WALLS), 10), 0.08)
    s.box(x0, eaves, x1 - 1, base, wall)
    roof = s.vary((128, 70, 70))
    if s.chance(0.6):
        s.shape([(x0 - 2, eaves), ((x0 + x1) / 2, eaves - s.between(11, 17)), (x1 + 1, eaves)], roof)
    else:
        s.box(x0 - 1, eaves - 3, x1, eaves, darker(wall, 0.35))
    pitch = (x1 - x0) / (3 if x1 - x0 > 28 else 2)
    columns = [x0 + pitch * (index + 0.5) for index in range(3 if x1 - x0 > 28 else 2)]
    y = eaves + 5
    while y < base - 22:
        for cx in columns:
            s.box(cx - 3, y, cx + 3, y + 7, s.pick(GLASS))
        y += 13
    door = columns[0]
    s.box(door - 4, base - 15, door + 4, base, darker(roof, 0.2))
    for cx in columns[1:]:
        s.box(cx - 4, base - 15, cx + 4, base - 6, s.pick(GLASS))


def _avenue(s: Sketch) -> None:
    """Draw a view down the road, with fronts on both sides that shrink towards the vanishing point."""
    view = Perspective(s, s.between(34, 94), s.between(42, 56), half_px=78, above_px=84, below_px=76)
    s.box(0, view.y + 2, 128, 128, s.vary((186, 176, 172), 8))
    view.slab(1, -1.1, 1.1, 0.02, 1.2, s.vary((92, 92, 112), 10))
    for near, far in ((0.9, 0.66), (0.58, 0.42), (0.34, 0.22)):
        view.slab(1, -0.03, 0.03, far, near, (248, 232, 170))
    for side in (-1, 1):
        for far, near in pairwise((0.12, 0.2, 0.33, 0.52, 0.8, 1.3)):
            _avenue_front(s, view, side, far, near)


def _avenue_front(s: Sketch, view: Perspective, side: int, far: float, near: float) -> None:
    wall, top = s.far(s.vary(s.pick(WALLS), 10), 0.4 - 0.3 * near), -s.between(0.62, 1)
    wall = darker(wall, 0.15) if side > 0 else wall
    view.wall(side, top, 0.42, far, near, wall)
    s.line([view.at(side, top, near), view.at(side, 0.42, near)], darker(wall, 0.3), 1)
    for level in (top + 0.14, top + 0.43):
        for left, right in ((0.15, 0.42), (0.58, 0.85)):
            view.wall(side, level, level + 0.16, far + (near - far) * left, far + (near - far) * right, s.pick(GLASS))
