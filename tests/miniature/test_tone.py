import numpy as np
import pytest
from PIL import Image

from pipeline.miniature.scenes import draw_scene
from pipeline.miniature.tone import measure_tone, set_tone
from pipeline.miniature.vocabulary import SCENES


def picture(name: str, seed: int) -> Image.Image:
    return draw_scene(name, np.random.default_rng(seed)).resize((64, 64), Image.Resampling.BOX)


def test_tone_is_measured_as_defined() -> None:
    assert measure_tone(Image.new("RGB", (4, 4), (255, 0, 0))) == pytest.approx((0.299, 1.0), abs=1e-4)
    assert measure_tone(Image.new("RGB", (4, 4), (51, 51, 51))) == pytest.approx((0.2, 0.0), abs=1e-4)


@pytest.mark.parametrize("name", SCENES)
def test_the_drawn_tone_is_reached_on_every_scene(name: str) -> None:
    for seed in range(2):
        view = picture(name, seed)
        for brightness in (0.25, 0.42, 0.58, 0.75):
            for colorfulness in (0.08, 0.2, 0.4):
                reached = measure_tone(set_tone(view, brightness, colorfulness))
                assert reached[0] == pytest.approx(brightness, abs=0.03)
                assert reached[1] == pytest.approx(colorfulness, abs=0.04)


def test_setting_the_tone_keeps_size_hue_black_and_white() -> None:
    view = picture("park", 0)
    view.paste((0, 0, 0), (10, 10, 20, 20))
    view.paste((255, 255, 255), (20, 10, 30, 20))
    view.paste((200, 80, 40), (30, 10, 40, 20))
    toned = set_tone(view, 0.6, 0.3)
    assert (toned.size, toned.mode) == (view.size, "RGB")
    assert toned.getpixel((15, 15)) == (0, 0, 0)
    assert toned.getpixel((25, 15)) == (255, 255, 255)
    red, green, blue = toned.getpixel((35, 15))
    assert red > green > blue


def test_brightness_and_colorfulness_are_set_independently_of_the_scene() -> None:
    tones = np.array([measure_tone(set_tone(picture(name, 4), 0.5, 0.25)) for name in SCENES])
    assert np.ptp(tones, axis=0).max() < 0.02
