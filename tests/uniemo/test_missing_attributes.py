"""A corpus without scenes, without objects or without both: losses without attributes are off, coefficients are 1."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from pipeline.attributes import ATTRIBUTE_KINDS
from pipeline.conditioning.encoder import TokenSpace
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.params import UniemoFeedback
from pipeline.training.loop import fit
from pipeline.training.rows import mixed_order
from pipeline.uniemo.attributes import bases_of, load_bases, save_bases
from pipeline.uniemo.correlation import correlate, summary
from pipeline.uniemo.folds import Judged
from pipeline.uniemo.fusion import Fusion, coefficient_table
from pipeline.uniemo.heatmap import heat_map
from pipeline.uniemo.joint_folder import load_joint
from pipeline.uniemo.joint_training import Gaussians, leave, task
from pipeline.uniemo.learner import Learner
from pipeline.uniemo.understanding import drawer, report
from pipeline.uniemo.understanding import task as understanding_task
from tests.uniemo import chains
from tests.uniemo import test_joint_training as whole

WITHOUT = [("scene",), ("object",), ATTRIBUTE_KINDS]
ORIGINAL = whole.table


def table(num: int, without: tuple[str, ...], name: str = "emoset") -> pa.Table:
    """The pictures of the joint training's test, of which none has an attribute of these kinds."""
    rows = ORIGINAL(num, name)
    empty = {"scene": pa.nulls(num, pa.string()), "object": pa.array([[]] * num, pa.list_(pa.string()))}
    for kind in without:
        column = {"scene": "scene", "object": "objects"}[kind]
        rows = rows.set_column(rows.column_names.index(column), column, empty[kind])
    return rows


@pytest.fixture(params=WITHOUT, ids="+".join)
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    kinds: tuple[str, ...] = request.param
    known = whole.correlation()
    present = [kind for kind in ATTRIBUTE_KINDS if kind not in kinds]
    wanted = [name.split("/")[0] in present for name in known["attribute"].to_pylist()]
    monkeypatch.setattr(whole, "table", lambda num, name="emoset": table(num, kinds, name))
    monkeypatch.setattr(whole, "correlation", lambda: known.filter(pa.array(wanted)))
    return kinds


def test_stage_1_trains_without_the_losses_that_have_no_attribute(without: tuple[str, ...], tmp_path: Path) -> None:
    bases = chains.bases_of(*(0 if kind in without else 3 for kind in ATTRIBUTE_KINDS))
    settings, found = chains.settings_of(steps=4, val_steps=2), chains.coloured()
    targets = {kind: np.zeros((len(found.emotions), len(base.names)), bool) for kind, base in bases.items()}
    for kind in set(ATTRIBUTE_KINDS) - set(without):
        targets[kind][np.arange(len(found.emotions)), found.emotions % 3] = True
    found = type(found)(found.squares, found.emotions, found.splits, targets, targets)
    learner = Learner(chains.chain_of(), bases, settings)
    batch = drawer(found, found.rows("train"), learner.chain.kinds, settings)(torch.arange(6), torch.Generator())
    losses = learner(batch)
    assert set(losses) == {"total", "emotion", *ATTRIBUTE_KINDS} - set(without)
    parts = sum(0.25 * losses[kind] for kind in ATTRIBUTE_KINDS if kind not in without)
    assert torch.allclose(losses["total"], 0.5 * losses["emotion"] + parts)
    trained = fit(understanding_task(learner, found, np.random.default_rng(0)), 0, tmp_path, "test")
    metrics = report(learner, trained, found, bases).metrics
    assert all(np.isfinite(tensor).all() for tensor in trained.weights.values())
    assert {metrics[f"num_{kind}_attributes"] for kind in without} == {0}


@pytest.mark.parametrize("without", [("object",), ATTRIBUTE_KINDS], indirect=True, ids="+".join)
def test_joint_training_and_feedback_run_and_their_folders_sample(
    without: tuple[str, ...], models: Path, tmp_path: Path
) -> None:
    made = whole.train(models, tmp_path)
    assert all(torch.isfinite(tensor).all() for tensor in made.trained.weights.values())
    assert not {f"loss_{kind}" for kind in without} & made.metrics.keys()
    further = UniemoFeedback(steps=2, rate_share=0.5, generated_frac=0.5)
    model, known = load_joint(made.folder, made.foundation, further)
    back = whole.table(5, "uniemo_joint/awe").drop_columns(["split", "scene", "objects"])
    found = whole.found_of(tmp_path / "again", made.foundation, known, back)
    order, spaces = mixed_order(found.emotions[: found.num_real], "plain", 5, 0.5), Gaussians(model, found.pictures)
    asked = task("uniemo_feedback", model, found, whole.IMAGES, order, spaces)
    trained = fit(asked, 0, tmp_path / "feedback", "f")
    leave(tmp_path / "model", model, trained, found, known, made.foundation, spaces)
    for folder in (made.folder, tmp_path / "model"):
        generator = load_generator(folder, whole.load_foundation(models / "foundation/diffusion", made.foundation.clip))
        with torch.inference_mode():
            assert torch.isfinite(generator.condition([request("awe", 1)]).states).all()


def test_the_coefficient_of_a_kind_without_attributes_is_1() -> None:
    tables = {"scene": torch.empty(0, 8), "object": torch.rand(2, 8)}
    fusion = Fusion(8, TokenSpace((4,), (1.0,)), tables, ("scene", "object", "class"))
    nearest = torch.tensor([0, 1])
    assert torch.equal(fusion.coefficient("scene", nearest, torch.eye(8)[:2]), torch.ones(2))
    assert not torch.equal(fusion.coefficient("object", nearest, torch.eye(8)[:2]), torch.ones(2))
    draws = torch.Generator().manual_seed(0)
    for way in ("correlated", "constant", "shuffled"):
        assert coefficient_table({}, (), "scene", way, draws).shape == (0, 8)
    with pytest.raises(ValueError, match="The correlation contains no scene"):
        coefficient_table({}, ("beach",), "scene", "correlated", draws)


def test_a_kind_without_attributes_is_said_once(
    without: tuple[str, ...], models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = whole.load_clip(models / "foundation/clip")
    with caplog.at_level(logging.WARNING, logger="evoke"):
        bases = bases_of(whole.table(whole.NUM), clip)
    assert caplog.messages == [
        f"no {kind} is annotated in the train split; the loss is disabled and the coefficient is 1" for kind in without
    ]
    save_bases(bases, tmp_path)
    again = load_bases(tmp_path)
    assert {kind for kind, base in again.items() if not base.names} == set(without)
    assert all(again[kind].features.shape == (0, clip.width) for kind in without)


def test_the_correlation_of_a_corpus_without_attributes_is_a_table_of_the_others(
    without: tuple[str, ...], tmp_path: Path
) -> None:
    train = whole.table(whole.NUM).filter(pc.equal(whole.table(whole.NUM)["split"], "train"))
    judged = Judged(*(np.full((len(train), 8), 1 / 8, np.float32) for _ in range(2)))
    found = correlate(train, judged, whole.DEFAULTS.correlation)
    assert set(found["kind"].to_pylist()) == set(ATTRIBUTE_KINDS) - set(without)
    assert {summary(found, train)[f"num_{kind}s"] for kind in without} == {0}
    heat_map(found, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 0
