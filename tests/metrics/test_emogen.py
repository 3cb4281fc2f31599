"""The protocol of the published code, on examples worked by hand and against what it calls."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.corpora.images import read_image, to_rgb
from pipeline.foundation import bundle
from pipeline.foundation.clip import load_clip
from pipeline.judges.examples import square
from pipeline.metrics.emogen import never_reset_pairs, opened, squashed, stored, twice_rescaled, twice_rescaled_features
from pipeline.metrics.pairs import pairs_within_emotions
from pipeline.metrics.semantic_diversity import mse_diversity
from tests.metrics.bench import encoded

ROOT = Path(__file__).parents[2]
MEAN, DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8))


def test_pairs_of_an_emotion_come_from_all_emotions_up_to_it() -> None:
    emotions = np.array([3, 0, 0, 3, 5, 5])
    pairs = never_reset_pairs(emotions, 300, generator())
    assert np.bincount(pairs.emotions).tolist() == [300, 0, 0, 300, 0, 300]
    assert (pairs.first != pairs.second).all()
    for index, wanted in ((0, {0}), (3, {0, 3}), (5, {0, 3, 5})):
        place = pairs.emotions == index
        seen = {*emotions[pairs.first[place]].tolist(), *emotions[pairs.second[place]].tolist()}
        assert seen == wanted
    assert (never_reset_pairs(emotions, 300, generator()).first == pairs.first).all()


def test_the_list_that_is_never_reset_makes_emotions_look_diverse_that_are_not() -> None:
    # Two images of amusement are alike, and so are two of awe: by pairs within an emotion 0. Of the six pairs that awe
    # draws from the list of four, four are of different emotions: (0 + 4/6) / 2 = 1/3.
    features, emotions = np.array([[0.0], [0], [1], [1]]), np.array([0, 0, 1, 1])
    clean = mse_diversity(features, pairs_within_emotions(emotions, 10, generator()), "x")
    assert [result.value for result in clean] == [0, 0, 0]
    published = mse_diversity(features, never_reset_pairs(emotions, 20_000, generator()), "x", "emogen")
    assert [result.value for result in published] == pytest.approx([1 / 3, 0, 2 / 3], abs=0.01)
    assert published[0].measure.protocol == "emogen"


def test_an_emotion_without_a_second_image_before_it_has_no_pairs() -> None:
    assert never_reset_pairs(np.array([1, 2, 2]), 4, generator()).emotions.tolist() == [2] * 4


def test_clip_sees_what_its_processor_makes_of_a_tensor_that_is_rescaled_already() -> None:
    from torchvision import transforms
    from transformers import CLIPImageProcessor

    processor = CLIPImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, image_mean=MEAN, image_std=DEVIATION
    )
    wanted = processor(transforms.ToTensor()(picture()), return_tensors="pt")["pixel_values"][0]
    ours = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    found = twice_rescaled(ours, picture())
    assert torch.allclose(found, wanted, atol=1e-5)
    assert found.std((1, 2)).max() < 0.01  # nearly black


def test_by_hand_white_is_a_255th() -> None:
    from torchvision import transforms

    ours = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])
    found = twice_rescaled(ours, Image.new("RGB", (2, 2), (255, 255, 255)))
    assert found.flatten().tolist() == pytest.approx([(1 / 255 - 0.5) / 0.25] * 12)


def test_a_squashed_picture_is_whole_and_a_clean_one_is_its_middle() -> None:
    wide = Image.new("RGB", (80, 40))
    wide.paste((255, 255, 255), (0, 0, 20, 40))
    assert np.asarray(squashed(wide, 40)).mean() == pytest.approx(255 / 4, abs=2)
    assert square(wide, 40).max() == 0


def test_a_stored_picture_has_lost_what_jpeg_loses() -> None:
    found = stored(picture())
    assert (found.size, found.mode) == ((64, 64), "RGB")
    assert 1 < np.abs(np.asarray(found, float) - np.asarray(picture(), float)).mean() < 60


def test_an_opened_picture_is_neither_turned_nor_laid_on_white() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", (8, 4), (200, 0, 0, 0))
    image = read_image(encoded(clear, exif=exif))
    found = opened(image)
    assert (found.size, found.mode, found.getpixel((0, 0)), found.info) == ((8, 4), "RGB", (200, 0, 0), {})
    assert (to_rgb(image).size, to_rgb(image).getpixel((0, 0))) == ((4, 8), (255, 255, 255))
    assert opened(picture()) == to_rgb(picture())


def test_features_of_twice_rescaled_pictures_hardly_differ(tmp_path: Path) -> None:
    bundle.unpack(ROOT / "models/miniature/clip" / bundle.CLIP, tmp_path / "clip")
    clip = load_clip(tmp_path / "clip")
    two = [picture(), Image.new("RGB", (64, 64), (250, 240, 60))]
    dark, clean = twice_rescaled_features(clip, two), clip.encode_images(two, normalize=False).numpy()
    assert dark.shape == clean.shape
    assert np.square(dark[0] - dark[1]).mean() < np.square(clean[0] - clean[1]).mean() / 10
