"""The judges as others ask them: shapes, Sem-C, one folder that holds all, and verdicts that hang on no batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from pipeline.judges import panel
from pipeline.judges.examples import Names
from pipeline.judges.panel import FILE, Judges, Verdicts, load_judges, save_judges
from pipeline.judges.pixels import PixelJudge
from pipeline.judges.pretrained import PublishedJudge
from pipeline.weights import save_safetensors

NAMES = Names(("none", "beach", "street"), ("none", "boat"))
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def judges() -> Judges:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PixelJudge("small", 3, 2).eval()
    network.temperature.fill_(0.5)
    return Judges(network, "small", 64, NAMES)


def published(num_classes: int) -> PublishedJudge:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = models.resnet50(weights=None, num_classes=num_classes).eval()
    return PublishedJudge(net, tuple(f"imagenet_{index}" for index in range(num_classes)))


def test_verdicts_are_softmaxes_in_the_order_of_their_names(judges: Judges) -> None:
    verdicts = judges.judge(PICTURES)
    assert len(verdicts) == 5
    assert verdicts.emotions.shape == (5, 8)
    assert verdicts.scenes.shape == (5, len(judges.scene_names))
    assert verdicts.objects.shape == (5, len(judges.object_names))
    for part in (verdicts.emotions, verdicts.scenes, verdicts.objects):
        assert part.dtype == np.float32
        np.testing.assert_allclose(part.sum(1), 1, rtol=1e-5)


def test_emotions_are_the_logits_over_the_temperature(judges: Judges) -> None:
    wanted = torch.from_numpy(judges.emotion_logits(PICTURES) / 0.5).softmax(1)
    np.testing.assert_allclose(judges.judge(PICTURES).emotions, wanted, rtol=1e-4)


def test_pictures_are_judged_alike_as_images_as_arrays_and_in_other_batches(
    judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judges.judge(PICTURES)
    images = judges.judge([Image.fromarray(picture) for picture in PICTURES])
    monkeypatch.setattr(panel, "BATCH", 2)
    parts = judges.judge(PICTURES)
    np.testing.assert_array_equal(images.features, whole.features)
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-3, atol=1e-5)


def test_pictures_of_any_size_are_judged(judges: Judges) -> None:
    mixed = [Image.new("RGB", (90, 50)), Image.new("RGB", (20, 300))]
    assert judges.judge(mixed).emotions.shape == (2, 8)
    assert [maps.shape[0] for maps in judges.feature_maps(mixed)] == [2, 2, 2]


def test_clarity_is_the_largest_probability_that_is_not_none(judges: Judges) -> None:
    scenes = np.array([[0.9, 0.08, 0.02], [0.1, 0.2, 0.7]], np.float32)
    objects = np.array([[0.7, 0.3], [0.99, 0.01]], np.float32)
    verdicts = Verdicts(np.ones((2, 8), np.float32), scenes, objects, np.ones((2, 1), np.float32))
    assert judges.clarity(verdicts).tolist() == pytest.approx([0.3, 0.7])


def test_judges_without_a_scene_or_an_object_give_no_clarity(judges: Judges) -> None:
    alone = replace(judges, names=Names(("none",), ("none",)))
    ones = np.ones((2, 1), np.float32)
    assert np.isnan(alone.clarity(Verdicts(np.ones((2, 8), np.float32), ones, ones, ones))).all()


def test_clarity_of_a_published_judge_counts_every_class_as_in_the_field(judges: Judges) -> None:
    both = Judges(judges.network, "small", 64, NAMES, published(2), published(2))
    scenes, objects = np.array([[0.9, 0.1]], np.float32), np.array([[0.4, 0.6]], np.float32)
    verdicts = Verdicts(np.ones((1, 8), np.float32), scenes, objects, np.ones((1, 1), np.float32))
    assert both.clarity(verdicts).tolist() == pytest.approx([0.9])


def test_judges_come_back_from_their_folder_alone(judges: Judges, tmp_path: Path) -> None:
    save_judges(judges, tmp_path / "models", {"seed": "0"})
    loaded = load_judges(tmp_path / "models")
    assert (loaded.names, loaded.image_px, loaded.backbone) == (NAMES, 64, "small")
    for name in ("emotions", "scenes", "objects", "features"):
        np.testing.assert_array_equal(getattr(loaded.judge(PICTURES), name), getattr(judges.judge(PICTURES), name))
    save_judges(loaded, tmp_path / "again", {"seed": "0"})
    assert (tmp_path / "again" / FILE).read_bytes() == (tmp_path / "models" / FILE).read_bytes()


def test_a_published_object_judge_travels_in_the_folder(tmp_path: Path) -> None:
    judges = Judges(PixelJudge("small", 3, 0).eval(), "small", 64, NAMES, None, published(10))
    save_judges(judges, tmp_path, {})
    loaded = load_judges(tmp_path)
    assert loaded.scene_names == NAMES.scenes
    assert loaded.object_names == tuple(f"imagenet_{index}" for index in range(10))
    verdicts = loaded.judge(PICTURES[:1])
    assert verdicts.objects.shape == (1, 10)
    np.testing.assert_array_equal(verdicts.objects, judges.judge(PICTURES[:1]).objects)


def test_a_folder_without_a_judge_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=FILE):
        load_judges(tmp_path)
    save_safetensors(tmp_path / FILE, {"weight": torch.ones(3)}, {"judge": '{"backbone": "small"}'})
    with pytest.raises(ValueError, match=f"{FILE}: not a judge of this project"):
        load_judges(tmp_path)
