"""Training of the judges: what the loss counts, that it falls, that equal runs are equal, killed or not."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from torchvision import models

from pipeline.judges.examples import UNKNOWN, Examples, Targets, attribute_names, examples, in_split, train_half
from pipeline.judges.fitting import build_network, cross_entropy, draw, fit_judges, losses, train_network
from pipeline.judges.panel import Judges
from pipeline.judges.pixels import Logits, PixelJudge
from pipeline.runtime import torch_generator
from pipeline.training.loop import Batch
from pipeline.weights import save_safetensors
from tests.judges.conftest import judge_settings


@pytest.fixture(scope="module")
def train(table: pa.Table) -> Examples:
    return examples([table], train_half("both"), attribute_names(table), 64)


@pytest.fixture(scope="module")
def val(table: pa.Table) -> Examples:
    return examples([table], in_split("val"), attribute_names(table), 64)


def fitted(train: Examples, val: Examples, work: Path, seed: int = 0, **changes: Any) -> Judges:
    return fit_judges(train, val, judge_settings(**changes), work / "pretrained", seed, work / "work")


def weights(judges: Judges) -> dict[str, Tensor]:
    return dict(judges.network.state_dict())


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_has_its_pictures_and_then_destroyed_ones_that_are_none_and_have_no_emotion(train: Examples) -> None:
    rows = torch.arange(16)
    found = draw(train, rows, torch_generator(0))
    assert found["squares"].shape == (18, 64, 64, 3)
    for name, ruined in (("emotions", UNKNOWN), ("scenes", 0), ("objects", 0)):
        values = found[name].tolist()
        assert values == [*getattr(train.targets, name)[:16].tolist(), ruined, ruined]


def test_what_is_not_known_has_no_part_in_the_loss() -> None:
    logits = torch.randn(4, 3, generator=torch_generator(0), requires_grad=True)
    targets = torch.tensor([2, UNKNOWN, 0, UNKNOWN])
    loss = cross_entropy(logits, targets)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits[[0, 2]], targets[[0, 2]]))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[[1, 3]].abs().max() == 0
    assert cross_entropy(logits, torch.full((4,), UNKNOWN)).item() == 0


def test_pictures_without_annotation_teach_the_scene_head_nothing() -> None:
    scenes = torch.randn(2, 3, requires_grad=True)
    emotions = torch.randn(2, 8, requires_grad=True)
    unknown = torch.full((2,), UNKNOWN)
    batch = {"emotions": torch.tensor([1, 2]), "scenes": unknown, "objects": unknown}
    losses(Logits(emotions, scenes, None, torch.empty(2, 0)), batch)["total"].backward()
    assert scenes.grad is not None
    assert scenes.grad.abs().max() == 0
    assert emotions.grad is not None
    assert emotions.grad.abs().min() > 0


def test_judges_learn_emotion_scene_and_none(train: Examples, val: Examples, tmp_path: Path) -> None:
    judges = fitted(train, val, tmp_path, epochs=25)
    verdicts = judges.judge(train.squares)
    known = train.targets.scenes != UNKNOWN
    assert (verdicts.emotions.argmax(1) == train.targets.emotions).mean() > 0.8
    assert (verdicts.scenes.argmax(1) == train.targets.scenes)[known].mean() > 0.8
    assert float(judges.network.temperature) != 1
    assert not judges.network.training


def test_equal_seeds_give_equal_weights_and_others_other_ones(train: Examples, val: Examples, tmp_path: Path) -> None:
    torch.rand(3)
    first, again, other = (
        weights(fitted(train, val, tmp_path / name, seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert equal(first, again)
    assert not equal(first, other)


def test_a_training_that_was_killed_goes_on_as_if_not(
    train: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the second batch of the last epoch, with a checkpoint of each step."""
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")

    def dies() -> None:
        raise KeyboardInterrupt

    assert_interrupted_equals_whole(dies, KeyboardInterrupt, train, tmp_path, monkeypatch)


def test_one_that_is_asked_to_leave_saves_and_goes_on_from_there(
    train: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM in the middle of an epoch, long before the next checkpoint."""
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "1000")
    assert_interrupted_equals_whole(
        lambda: os.kill(os.getpid(), signal.SIGTERM), SystemExit, train, tmp_path, monkeypatch
    )


def assert_interrupted_equals_whole(
    interrupt: Callable[[], None],
    left_by: type[BaseException],
    train: Examples,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = judge_settings(epochs=3, batch_size=-(-len(train.targets) // 3))
    whole, killed, resumed = (build_network(train.names, settings, folder, 0) for _ in range(3))
    train_network(whole, train, settings, 0, folder / "whole")
    calls = 0

    def drawn(*arguments: Any) -> Batch:
        nonlocal calls
        calls += 1
        if calls == 8:
            interrupt()
        return draw(*arguments)

    monkeypatch.setattr("pipeline.judges.fitting.draw", drawn)
    with pytest.raises(left_by):
        train_network(killed, train, settings, 0, folder / "killed")
    assert calls == 8
    assert not equal(dict(killed.state_dict()), dict(whole.state_dict()))
    train_network(resumed, train, settings, 0, folder / "killed")
    assert equal(dict(resumed.state_dict()), dict(whole.state_dict()))
    assert calls <= 9 + 1, "nothing of finished steps is drawn again"


def test_published_networks_take_the_place_of_heads(train: Examples, val: Examples, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        state = models.resnet50(weights=None, num_classes=4).state_dict()
    save_safetensors(tmp_path / "pretrained" / "places.safetensors", state)
    judges = fitted(train, val, tmp_path, epochs=1, scene_weights="places.safetensors")
    assert judges.network.scenes is None
    assert judges.scene_names == ("places_0", "places_1", "places_2", "places_3")
    assert judges.judge(train.squares[:2]).scenes.shape == (2, 4)


def test_weights_that_cannot_be_taken_are_errors_that_name_the_key(
    train: Examples, val: Examples, tmp_path: Path
) -> None:
    for key in ("scene_weights", "object_weights"):
        with pytest.raises(ValueError, match=f"judges.{key} = 'x'.*put it there"):
            fitted(train, val, tmp_path, **{key: "x"})
    with pytest.raises(ValueError, match=r"judges.backbone_weights = 'x': the backbone `small` is specific"):
        fitted(train, val, tmp_path, backbone_weights="x")


def test_a_resnet_of_torchvision_starts_from_its_file_and_learns(train: Examples, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        state = models.resnet18(weights=None).state_dict()
    save_safetensors(tmp_path / "net.safetensors", state)
    settings = judge_settings(backbone="resnet18", backbone_weights="net.safetensors", epochs=1)
    network: PixelJudge = build_network(train.names, settings, tmp_path, 0)
    assert torch.equal(network.backbone.net.conv1.weight, state["conv1.weight"])
    train_network(network, train, settings, 0, tmp_path)
    assert not torch.equal(network.backbone.net.conv1.weight, state["conv1.weight"])
    assert network.emotions.weight.isfinite().all()


def test_nothing_to_learn_from_is_an_error(train: Examples, val: Examples, tmp_path: Path) -> None:
    none = np.empty(0, np.int64)
    empty = Examples(train.squares[:0], Targets(none, none, none), train.names)
    with pytest.raises(ValueError, match="No images in the both half"):
        fitted(empty, val, tmp_path)
