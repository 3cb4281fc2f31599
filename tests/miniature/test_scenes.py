import numpy as np
import pytest
from PIL import Image

from pipeline.miniature.scenes import CANVAS_PX, PAINTERS, draw_scene
from pipeline.miniature.styles import PAINTERS as STYLE_PAINTERS
from pipeline.miniature.styles import paint
from pipeline.miniature.vocabulary import SCENES, STYLES


def scene(name: str, *seed: int) -> Image.Image:
    return draw_scene(name, np.random.default_rng(seed))


def small(name: str, *seed: int) -> Image.Image:
    return scene(name, *seed).resize((64, 64), Image.Resampling.BOX)


def test_scenes_and_styles_are_those_of_the_vocabulary() -> None:
    assert tuple(PAINTERS) == tuple(SCENES)
    assert tuple(STYLE_PAINTERS) == STYLES


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_fills_the_canvas_and_depends_on_nothing_but_its_rng(name: str) -> None:
    first, again, other = scene(name, 1), scene(name, 1), scene(name, 2)
    assert (first.size, first.mode) == ((CANVAS_PX, CANVAS_PX), "RGB")
    assert first.tobytes() == again.tobytes()
    assert np.abs(np.asarray(first, int) - np.asarray(other, int)).mean() > 8


@pytest.mark.parametrize("name", SCENES)
def test_the_lower_part_of_a_scene_is_calmer_than_the_upper(name: str) -> None:
    views = np.stack([np.asarray(small(name, seed), float) for seed in range(12)])
    steps = np.abs(np.diff(views, axis=2)).mean((0, 2, 3))
    assert steps[40:].mean() < steps[:36].mean()


def test_scenes_differ_more_from_each_other_than_within_themselves() -> None:
    views = {name: np.stack([np.asarray(small(name, seed), float) for seed in range(16)]) for name in SCENES}
    means = np.stack([view.mean(0) for view in views.values()])
    own = [
        np.abs(means - view).mean((1, 2, 3)).argmin() == index
        for index, seeds in enumerate(views.values())
        for view in seeds
    ]
    assert np.mean(own) > 0.6


def test_an_unknown_scene_or_style_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown scene 'moon'.*amusement_park.*street"):
        scene("moon", 0)
    with pytest.raises(ValueError, match=r"unknown style 'Dada'.*Impressionism.*Ukiyo_e"):
        paint(small("park", 0), "Dada", np.random.default_rng(0))


@pytest.mark.parametrize("style", STYLES)
def test_a_style_changes_pixels_and_keeps_size_mode_and_content(style: str) -> None:
    picture = small("beach", 3)
    painted = paint(picture, style, np.random.default_rng(5))
    assert (painted.size, painted.mode) == (picture.size, "RGB")
    assert painted.tobytes() == paint(picture, style, np.random.default_rng(5)).tobytes()
    before, after = np.asarray(picture, float).ravel(), np.asarray(painted, float).ravel()
    assert np.abs(before - after).mean() > 5
    assert np.corrcoef(before, after)[0, 1] > 0.45


def test_styles_differ_from_each_other() -> None:
    pictures = [np.asarray(paint(small("park", 1), style, np.random.default_rng(0)), float) for style in STYLES]
    gaps = [np.abs(a - b).mean() for index, a in enumerate(pictures) for b in pictures[:index]]
    assert min(gaps) > 8
