"""Training: what learns, what stays as it is, that equal runs are equal, and what is told of it at the end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.runtime import numpy_generator
from pipeline.training.loop import Trained, fit
from pipeline.uniemo.learner import Learner
from pipeline.uniemo.understanding import Inputs, drawer, read, report, retrieval, task
from tests.uniemo.chains import bases_of, coloured, learner_of, settings_of


def train(work: Path, **changes: Any) -> tuple[Learner, Trained, Inputs]:
    learner, found = learner_of(**changes), coloured()
    given = task(learner, found, numpy_generator(0))
    return learner, fit(given, 0, work, "test"), found


def batch_of(learner: Learner, found: Inputs, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = drawer(found, found.rows("train"), learner.chain.kinds, learner.settings)
    return draw(torch.arange(16), torch.Generator().manual_seed(seed))


def test_a_chain_learns_emotions_and_attributes(tmp_path: Path) -> None:
    learner, trained, found = train(tmp_path)
    told = report(learner, trained, found, bases_of())
    assert told.metrics["accuracy"] > 0.9
    assert told.metrics["accuracy_scene"] > 0.9
    assert told.metrics["accuracy_object"] > 0.6
    assert told.metrics["n_test"] == 32
    assert told.metrics["best_step"] in (20, 40)
    assert told.probabilities.shape == (32, 8)
    assert trained.curve["total"][-1] < 0.5 * trained.curve["total"][0]
    assert set(trained.curve) == {"step", "total", "emotion", "scene", "object", "rate_factor"}
    assert trained.scores["score"][-1] > trained.scores["score"][0]


def test_equal_runs_leave_equal_bytes_dropout_and_crops_included(tmp_path: Path) -> None:
    changes = {"steps": 3, "val_steps": 3, "dropout": 0.5, "min_crop": 0.3}
    one, other = (train(tmp_path / name, **changes)[1] for name in "ab")
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("rate", [0.0, 0.001])
def test_a_frozen_vit_keeps_its_bytes_and_queries_projections_and_beta_are_trained(rate: float, tmp_path: Path) -> None:
    """UniEmo's code leaves the projections at random, frozen, and never uses beta."""
    before = {name: p.detach().clone() for name, p in learner_of(backbone_rate=rate).chain.named_parameters()}
    learner, trained, _ = train(tmp_path, steps=4, backbone_rate=rate)
    after = dict(learner.chain.named_parameters())
    moved = {name for name, p in after.items() if not torch.equal(p, before[name])}
    still = after.keys() - moved
    backbone = {name for name in after if name.startswith("backbone.")}
    assert "backbone.proj" in still
    assert (backbone <= still) if rate == 0 else (backbone - {"backbone.proj"} <= moved)
    assert {f"queries.{kind}.{part}" for kind in ("scene", "object") for part in ("tokens", "beta")} <= moved
    assert {f"queries.{kind}.projection.weight" for kind in ("scene", "object")} <= moved
    assert set(trained.weights) == {name for name, p in after.items() if p.requires_grad}
    assert {name.split(".")[0] for name in trained.weights} <= {"backbone", "queries", "head"}


def test_each_part_has_its_rate() -> None:
    learner, found = learner_of(), coloured()
    assert task(learner, found, numpy_generator(0)).rates == {"backbone": 0.001, "queries": 0.005}


def test_the_loss_is_equation_nine_and_a_missing_kind_is_left_out() -> None:
    found, settings = coloured(), settings_of()
    learner = learner_of()
    losses = learner(batch_of(learner, found))
    wanted = 0.5 * losses["emotion"] + 0.25 * losses["scene"] + 0.25 * losses["object"]
    assert (settings.emotion_weight, settings.scene_weight, settings.object_weight) == (0.5, 0.25, 0.25)
    assert torch.allclose(losses["total"], wanted)
    for queries in ("scene", "object", "none"):
        alone = learner_of(queries=queries)
        losses = alone(batch_of(alone, found))
        names = {"total", "emotion"} | ({queries} - {"none"})
        assert set(losses) == names
        kinds = sum(losses[name] for name in names - {"total", "emotion"})
        assert torch.allclose(losses["total"], 0.5 * losses["emotion"] + 0.25 * kinds)


def test_as_written_equal_attributes_cost_more() -> None:
    found = coloured()
    equal, literal = (learner_of(positives=way) for way in ("equal", "literal"))
    losses = [learner(batch_of(learner, found))["scene"] for learner in (equal, literal)]
    assert losses[1] > losses[0] + 1  # of ten or so anchors about five have the same scene


def test_dropout_is_drawn_by_the_step_alone() -> None:
    found, learner = coloured(), learner_of(dropout=0.5, min_crop=1.0)
    one, same, other = (batch_of(learner, found, seed) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["kept"], other["kept"])
    assert 0.4 < one["kept"].float().mean() < 0.6
    everything = dict(one, kept=torch.ones_like(one["kept"]))
    torch.manual_seed(0)
    with torch.no_grad():
        losses = [learner(batch)["emotion"].item() for batch in (one, one, everything)]
    assert losses[0] == losses[1] != losses[2]


def test_reading_does_not_depend_on_the_size_of_batches() -> None:
    found, learner = coloured(), learner_of()
    rows = np.arange(10)
    one, other = (read(learner.chain, found.squares, rows, size) for size in (3, 10))
    assert np.allclose(one.logits, other.logits, atol=1e-5)
    assert torch.allclose(one.joint["object"], other.joint["object"], atol=1e-5)


def test_retrieval_counts_annotated_pictures_alone() -> None:
    base = bases_of()["object"]
    targets = np.array([[True, True, False], [False, False, True], [False, False, False], [True, False, False]])
    joint = base.features[torch.tensor([1, 0, 2, 0])]
    found = retrieval(joint, base, targets, "object")
    assert (found["n_object"], found["num_object_attributes"]) == (3, 3)
    assert found["accuracy_object"] == pytest.approx(2 / 3)
    assert found["accuracy_object_low"] < 2 / 3 < found["accuracy_object_high"]
    assert "accuracy_object" not in retrieval(joint, base, np.zeros((4, 3), bool), "object")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_pictures_is_told(split: str) -> None:
    found = coloured()
    found.splits[found.splits == split] = "test"
    with pytest.raises(ValueError, match=f"No images in the {split} split"):
        task(learner_of(), found, numpy_generator(0))
