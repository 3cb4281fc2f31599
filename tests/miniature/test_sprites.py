"""The sprites of the drawn world: sizes, tightness, clean edges, errors, and that no two look alike when small."""

from itertools import combinations, product

import numpy as np
import pytest
from PIL import Image

from pipeline.miniature.objects import DRAWERS, FLYING, NUM_VARIANTS, _drawing, object_sprite
from pipeline.miniature.people import NUM_PERSON_VARIANTS, person_sprite
from pipeline.miniature.sprites import Pen, fit, oval
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS

FACES, POSES = (None, *EXPRESSIONS), (None, *ACTIONS)


def is_tight(sprite: Image.Image) -> bool:
    return sprite.getchannel("A").getbbox() == (0, 0, *sprite.size)


def on_grey(sprite: Image.Image, side: int = 24) -> np.ndarray:
    """HWC float [0, 1]: the sprite on a grey square, standing on its lower edge, at its final size."""
    sheet = Image.new("RGB", (2 * side, 2 * side), "#808080")
    sheet.paste(sprite, ((2 * side - sprite.width) // 2, 2 * side - sprite.height), sprite)
    return np.asarray(sheet.resize((side, side), Image.Resampling.BOX)) / 255


def test_objects_are_those_of_the_vocabulary() -> None:
    assert set(DRAWERS) == set(OBJECTS)
    assert FLYING.issubset(OBJECTS)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_has_the_promised_size_and_is_tight(name: str) -> None:
    for variant, width_px in product(range(NUM_VARIANTS), range(26, 59)):
        sprite = object_sprite(name, variant, width_px, False)
        assert (sprite.mode, sprite.width) == ("RGBA", width_px)
        assert 0.6 * width_px <= sprite.height <= 1.35 * width_px, sprite.size
        assert is_tight(sprite)


@pytest.mark.parametrize(("expression", "action"), list(product(FACES, POSES)))
def test_every_person_has_the_promised_height_and_is_tight(expression: str | None, action: str | None) -> None:
    for variant in range(NUM_PERSON_VARIANTS):
        sprite = person_sprite(expression, action, variant, 80)
        assert (sprite.mode, sprite.height) == ("RGBA", 80)
        assert 44 <= sprite.width <= 100, sprite.size
        assert is_tight(sprite)


def test_mirrored_object_is_the_mirror_image() -> None:
    plain, mirrored = (np.asarray(object_sprite("dog", 0, 40, flag)) for flag in (False, True))
    assert np.array_equal(plain[:, ::-1], mirrored)


def test_drawing_is_deterministic() -> None:
    first = object_sprite("lion", 1, 41, False).tobytes(), person_sprite("sad", "waving", 2, 77).tobytes()
    for cached in (object_sprite, person_sprite, _drawing):
        cached.cache_clear()
    assert first == (object_sprite("lion", 1, 41, False).tobytes(), person_sprite("sad", "waving", 2, 77).tobytes())


def test_reduced_edges_keep_the_colour_of_the_outline() -> None:
    """Neither white nor black bleeds in from where the sheet is transparent."""
    pen = Pen()
    pen.patch(oval(50, 50, 40, 40), "#ff8000")
    pixels = np.asarray(fit(pen.cropped(), width_px=31)).astype(int)
    visible = pixels[pixels[..., 3] > 40][:, :3]
    assert np.abs(visible - (255, 128, 0)).max() <= 6


def test_fit_wants_exactly_one_side() -> None:
    with pytest.raises(ValueError, match="one of width_px and height_px"):
        fit(Image.new("RGBA", (8, 8)), width_px=4, height_px=4)


def test_unknown_names_are_answered_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown object 'cat'.*'balloon'"):
        object_sprite("cat", 0, 40, False)
    with pytest.raises(ValueError, match=r"unknown variant 4.*0 to 3"):
        object_sprite("dog", 4, 40, False)
    with pytest.raises(ValueError, match=r"unknown expression 'bored'.*'angry'"):
        person_sprite("bored", None, 0, 80)
    with pytest.raises(ValueError, match=r"unknown action 'sleeping'.*'praying'"):
        person_sprite(None, "sleeping", 0, 80)
    with pytest.raises(ValueError, match=r"unknown variant 6.*0 to 5"):
        person_sprite(None, None, 6, 80)


def test_no_two_objects_look_alike_at_16_px() -> None:
    """Guards against regressions: pixel distance is not what the eye sees. Nearest pair: .057, dog and bench."""
    drawn = {(name, v): on_grey(object_sprite(name, v, 32, False)) for name in OBJECTS for v in range(NUM_VARIANTS)}
    for (a, b), (c, d) in combinations(drawn, 2):
        distance = np.abs(drawn[a, b] - drawn[c, d]).mean()
        assert distance > (0.02 if a == c else 0.05), (a, b, c, d, distance)


def test_faces_and_poses_are_told_apart_at_36_px() -> None:
    faces = [on_grey(person_sprite(face, None, 0, 72), 46) for face in FACES]
    poses = [on_grey(person_sprite(None, pose, 0, 72), 46) for pose in POSES]
    for group, least in ((faces, 0.02), (poses, 0.02)):
        assert min(np.abs(a - b).mean() for a, b in combinations(group, 2)) > least
