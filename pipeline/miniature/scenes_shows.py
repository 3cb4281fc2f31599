"""Draw the scenes under spotlights: stage, boxing ring."""

from pipeline.miniature.sketch import CANVAS_PX, FABRICS, WHITE, Colour, Sketch, darker, lighter, mix

RED: Colour = (220, 40, 50)
BLUE: Colour = (40, 90, 205)
LIGHTS: tuple[Colour, ...] = ((255, 236, 150), (255, 170, 210), (140, 214, 255), (190, 255, 190), (255, 190, 110))
ROPES = ((RED, WHITE, BLUE), (RED, RED, RED), (WHITE, RED, WHITE), (BLUE, WHITE, RED))


def stage(s: Sketch) -> None:
    """Draw three coloured cones of light on a wooden floor between red curtains."""
    lip = s.whole(70, 86)
    back = s.vary(s.pick(((58, 44, 98), (40, 58, 110), (84, 40, 84), (36, 70, 90))))
    s.gradient(0, lip, darker(back, 0.35), lighter(back, 0.1))
    lights = s.dice.sample(LIGHTS, 3)
    spots = [(x + s.between(-8, 8), x + s.between(-22, 22)) for x in (34, 64, 94)]
    for light, (source, goal) in zip(lights, spots, strict=True):
        s.veil([(source - 3, 10), (source + 3, 10), (goal + 17, lip + 8), (goal - 17, lip + 8)], light, 0.42)
    wood = s.vary((186, 122, 72))
    s.gradient(lip, CANVAS_PX, lighter(wood, 0.15), darker(wood, 0.25))
    for foot in range(-130, 260, 15):
        s.line([(64 + (foot - 64) * 0.5, lip), (foot, CANVAS_PX)], darker(wood, 0.22), 1)
    for light, (_, goal) in zip(lights, spots, strict=True):
        s.oval(goal, lip + 9, 19, 5, mix(light, wood, 0.45))
    drop = s.between(9, 18)
    _curtains(s, lip + 9, drop)
    for source, _ in spots:
        s.oval(source, drop + 6, 3, 3, WHITE)


def _curtains(s: Sketch, hem: float, drop: float) -> None:
    """Draw folded drapes on both sides down to `hem`, and a scalloped, trimmed valance of height `drop`."""
    red = s.vary(s.pick(((196, 30, 44), (176, 24, 50), (210, 50, 40))), 10)
    fold_width = s.between(15, 31) / 4
    for side in (-1, 1):
        for fold in range(4):
            outer = 64 + side * (66 - fold * fold_width)
            inner = outer - side * (fold_width + s.between(0, 2))
            flare = inner + side * (1.5 - 0.5 * fold)
            s.shape([(outer, 0), (inner, 0), (flare, hem), (outer, hem)], darker(red, 0.3 * (fold % 2)))
    trim = s.pick(((250, 206, 90), (250, 206, 90), (240, 226, 200)))
    for index in range(6):
        x = 11 + index * 21.5
        s.oval(x, 4, 13, drop, darker(red, 0.12 + 0.2 * (index % 2)))
        s.draw.arc((x - 13, 2 - drop, x + 13, 6 + drop), 10, 170, fill=trim, width=2)


def boxing_ring(s: Sketch) -> None:
    """Draw a ring seen from inside: pale mat, ropes between a red and a blue corner, lamps over a dark crowd."""
    back = s.vary(s.pick(((40, 38, 80), (60, 36, 66), (30, 52, 84), (50, 44, 60))))
    ropes_y, corner = s.between(32, 48), s.between(6, 26)
    mat_y, mat = ropes_y + s.between(34, 40), s.vary(s.pick(((206, 216, 226), (120, 170, 214), (232, 216, 184))))
    s.gradient(0, CANVAS_PX, darker(back, 0.4), lighter(back, 0.12))
    _crowd(s, mat_y, back)
    for lamp in (s.between(14, 40), s.between(50, 78), s.between(88, 114)):
        s.veil([(lamp - 4, 6), (lamp + 4, 6), (lamp + 22, mat_y), (lamp - 22, mat_y)], (255, 244, 196), 0.26)
        s.box(lamp - 7, 0, lamp + 7, 5, (60, 60, 80))
        s.oval(lamp, 6, 6, 3, (255, 252, 226))
    s.shape([(corner, mat_y), (128 - corner, mat_y), (170, 128), (-42, 128)], mat)
    mark = mix(mat, s.pick((RED, BLUE)), 0.35)
    s.ring(s.between(48, 80), s.between(104, 114), s.between(26, 40), 12, mark, 3)
    _ropes(s, corner, ropes_y, mat_y)


def _crowd(s: Sketch, bottom: float, back: Colour) -> None:
    """Draw three rows of dim heads and shoulders; lower rows are nearer."""
    tones = [mix(s.pick(FABRICS), back, share) for share in (0.84, 0.78, 0.74, 0.66, 0.62, 0.54)]
    for row in range(3):
        y = bottom - 40 + row * 14
        for x in range(s.whole(-8, 0), 132, 13):
            tone = tones[2 * row + s.whole(0, 1)]
            s.oval(x, y + 12, 8, 8, tone)
            s.oval(x, y, 4, 5, mix(tone, (220, 170, 150), 0.25))


def _ropes(s: Sketch, corner: float, top: float, mat_y: float) -> None:
    """Draw three ropes, which run towards the viewer beyond the corner posts, and a pad on each post."""
    for index, colour in enumerate(s.pick(ROPES)):
        y = top + 10 * index + 3
        s.line([(corner, y), (64, y + 1.5), (128 - corner, y)], colour, 3)
        for side in (-1, 1):
            s.line([(64 + side * (64 - corner), y), (64 + side * 100, y + (index - 0.6) * 14)], colour, 4)
    for post, pad in ((corner, RED), (128 - corner, BLUE)):
        s.box(post - 2, top - 6, post + 2, mat_y + 3, (210, 210, 220))
        s.box(post - 5, top - 1, post + 5, top + 29, pad)
        s.box(post - 5, top - 1, post - 2, top + 29, lighter(pad, 0.3))
