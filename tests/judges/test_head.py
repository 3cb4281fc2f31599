"""The emotion head learns, is calibrated, comes back from its file bit by bit, and scales features as it should."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.judges.head import FILE, EmotionHead, calibrate, fit_head, load_head, save_head
from pipeline.weights import load_safetensors, save_safetensors
from tests.judges.conftest import head_settings

WIDTH = 12
ONES = np.ones(400, np.float32)


def world(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit features around eight centres, and their emotions."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, WIDTH))
    emotions = generator.integers(0, 8, num)
    features = centres[emotions] + generator.normal(0, 0.8, (num, WIDTH))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), emotions


def fitted(seed: int = 0, **changes: Any) -> EmotionHead:
    return fit_head(*world(400, 1), *world(200, 2), head_settings(**changes), seed)


def test_two_layers_learn_what_can_be_learnt_and_say_which_epoch_they_are_of() -> None:
    head, (features, emotions) = fitted(), world(400, 3)
    assert (head.probabilities(features, ONES).argmax(1) == emotions).mean() > 0.8
    assert 1 <= head.epoch <= 15


def test_probabilities_are_rows_of_one_and_softer_at_a_higher_temperature() -> None:
    head, (features, _) = fitted(), world(400, 3)
    before = head.probabilities(features, ONES)
    assert before.dtype == np.float32
    np.testing.assert_allclose(before.sum(1), 1, rtol=1e-5)
    head.temperature.fill_(10 * head.temperature)
    after = head.probabilities(features, ONES)
    assert (after.max(1) < before.max(1)).all()
    assert (after.argmax(1) == before.argmax(1)).all()


def test_the_epoch_with_the_least_loss_on_val_is_kept() -> None:
    """Val calls everything by the next emotion, so that each step away from the start is worse."""
    (features, emotions), (val_features, val_emotions) = world(400, 1), world(200, 2)
    head = fit_head(features, emotions, val_features, (val_emotions + 1) % 8, head_settings(), 0)
    assert head.epoch == 1


def test_equal_seeds_give_equal_bytes_whatever_the_global_generator_is_at(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        torch.rand(3)
        state = torch.get_rng_state()
        save_head(fitted(seed), tmp_path / name, {"seed": "5"})
        assert torch.equal(torch.get_rng_state(), state)
    first, again, other = ((tmp_path / name / FILE).read_bytes() for name in ("first", "again", "other"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("hidden", "normalized"), [(16, True), (None, False)])
def test_a_head_comes_back_as_it_was_saved(tmp_path: Path, hidden: int | None, normalized: bool) -> None:
    head, (features, _) = EmotionHead(WIDTH, hidden, 0.1, normalized), world(400, 3)
    head.temperature.fill_(1.5)
    head.epoch = 7
    save_head(head, tmp_path, {"source": "a test"})
    loaded = load_head(tmp_path)
    assert (loaded.hidden, loaded.normalized, loaded.epoch, loaded.training) == (hidden, normalized, 7, False)
    assert load_safetensors(tmp_path / FILE)[1]["source"] == "a test"
    np.testing.assert_array_equal(loaded.probabilities(features, ONES), head.probabilities(features, ONES))


def test_only_a_head_for_whole_features_multiplies_by_their_length() -> None:
    features, _ = world(400, 3)
    norms = np.linspace(0.5, 20, 400, dtype=np.float32)
    whole, unit = EmotionHead(WIDTH, None, normalized=False), EmotionHead(WIDTH, None)
    wanted = whole(torch.from_numpy(features * norms[:, None])).softmax(1).detach().numpy()
    np.testing.assert_allclose(whole.probabilities(features, norms), wanted, rtol=1e-5)
    np.testing.assert_array_equal(unit.probabilities(features, norms), unit.probabilities(features, ONES))


def test_calibration_changes_the_temperature_and_no_verdict() -> None:
    head, (features, emotions) = EmotionHead(WIDTH, None), world(400, 3)
    before = head.probabilities(features, ONES)
    calibrate(head, features, ONES, emotions)
    assert float(head.temperature) != 1
    assert (head.probabilities(features, ONES).argmax(1) == before.argmax(1)).all()


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"width 5; .*expects 12"):
        EmotionHead(WIDTH, None).probabilities(np.ones((2, 5), np.float32), ONES[:2])


@pytest.mark.parametrize("lacking", ["train", "val"])
def test_no_pictures_to_fit_on_are_an_error_that_names_the_split(lacking: str) -> None:
    train, val = world(0 if lacking == "train" else 9, 1), world(0 if lacking == "val" else 9, 2)
    with pytest.raises(ValueError, match=f"No images in the {lacking} split"):
        fit_head(*train, *val, head_settings(), 0)


def test_a_file_that_is_missing_or_no_head_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=FILE):
        load_head(tmp_path)
    shape = {"width": 5, "hidden": None, "dropout": 0.0, "normalized": True, "epoch": 0}
    for metadata in ({}, {"head": "no JSON"}, {"head": json.dumps(shape)}, {"head": json.dumps({"epoch": 1, "a": 2})}):
        save_safetensors(tmp_path / FILE, EmotionHead(WIDTH, None).state_dict(), metadata)
        with pytest.raises(ValueError, match=f"{FILE}: not an emotion classifier"):
            load_head(tmp_path)
