"""A corpus without one emotion: every method draws, and refuses, the same emotions, and says which it leaves out."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner

from pipeline.artifacts import EMOSET, encode_words, write_table
from pipeline.baselines.model import DreamBoothModel, TextualInversionModel
from pipeline.emotions import EMOTIONS
from pipeline.generation.folder import known_emotions, load_foundation, save_generator
from pipeline.generation.grids import grids
from pipeline.generation.images import plan
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling, sample
from pipeline.generation.space import fit_space
from pipeline.params import load_params
from pipeline.rows import emotion_indices, train_split, trained_emotions
from stages import stable_diffusion
from tests.generation.trained import random_coemogen
from tests.judges.conftest import row
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
ABSENT = "anger"
OTHERS = tuple(emotion for emotion in EMOTIONS if emotion != ABSENT)
METHODS = ("stable_diffusion", "textual_inversion", "dreambooth", "coemogen")


def corpus() -> pa.Table:
    """Three images of each emotion, one a split; those of anger are all in the test split."""
    rows = [row(index) | {"split": ("train", "val", "test")[index // 8]} for index in range(24)]
    rows = [one | {"split": "test"} if one["emotion"] == ABSENT else one for one in rows]
    table = pa.Table.from_pylist(sorted(rows, key=lambda one: one["image_id"]), EMOSET.schema.arrow)
    return encode_words(table, EMOSET.schema)


def learned(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.fixture(scope="module", params=METHODS)
def folder(request: pytest.FixtureRequest, models: Path) -> Path:
    """A generator that was trained on that corpus, in place of its weights those that a training starts from."""
    kind, foundation = request.param, load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    place, base = models / f"without_{ABSENT}_{kind}", foundation.base
    if kind == "coemogen":
        return random_coemogen(models, place.name, trained_emotions(train_split(corpus())))
    name = "prompt" if kind == "stable_diffusion" else kind
    weights, settings = None, getattr(PARAMS, kind)
    if kind == "textual_inversion":
        weights = learned(TextualInversionModel(base, settings))
    elif kind == "dreambooth":
        weights = learned(DreamBoothModel(base, settings, torch.Generator().manual_seed(0)))
    emotions = trained_emotions(train_split(corpus()))
    save_generator(place, name, settings.model_dump(mode="json"), foundation.digest, weights, emotions=emotions)
    return place


def test_the_emotions_of_a_corpus_are_those_of_its_train_split() -> None:
    assert trained_emotions(train_split(corpus())) == OTHERS
    train = emotion_indices(train_split(corpus()))
    features = np.random.default_rng(0).standard_normal((len(train), 4)).astype(np.float32)
    assert tuple(fit_space({"v": (features, train, features, train)}).emotions) == OTHERS


def test_every_method_draws_the_same_emotions_and_no_other(models: Path, folder: Path) -> None:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    generator = load_generator(folder, foundation)
    assert tuple(known_emotions(folder)) == tuple(generator.emotions) == OTHERS
    quick = Sampling(1, 1.0, "ddim", 8)
    for asked in (ABSENT, {"awe": 0.5, ABSENT: 0.5}):
        with pytest.raises(ValueError, match=f"the model knows no {ABSENT}: its corpus has no such images; it knows"):
            list(sample(foundation.base, generator, [request(asked, 0)], quick))
    (made,) = sample(foundation.base, generator, [request("awe", 0)], quick)
    assert made.shape == (64, 64, 3)
    shown = grids(generator.emotions, PARAMS.grids.model_copy(update={"fused": ["awe", ABSENT, "fear"]}))
    assert shown["transfer"].rows == OTHERS
    assert shown["fusion"].rows == ("awe / fear",)


def test_a_plan_says_which_emotions_it_leaves_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="evoke"):
        shards = plan("dreambooth", OTHERS, PARAMS.images, 0)
        plan("dreambooth", EMOTIONS, PARAMS.images, 0)
    assert {each.emotion for shard in shards for each in shard} == set(OTHERS)
    assert caplog.messages == ["dreambooth draws no anger: its corpus has no such image to train on"]


def test_a_generator_without_a_space_that_lists_no_emotions_is_refused(models: Path, tmp_path: Path) -> None:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    save_generator(tmp_path, "prompt", {"prompt": "{S}"}, foundation.digest)
    assert known_emotions(tmp_path) == EMOTIONS
    meta = json.loads((tmp_path / "meta.json").read_text())
    for listed in (None, [], ["joy"], [{}], "anger"):
        (tmp_path / "meta.json").write_text(json.dumps(meta | {"emotions": listed}))
        with pytest.raises(ValueError, match=r"meta\.json lists no emotions that it was trained on"):
            load_generator(tmp_path, foundation)


def test_stable_diffusion_is_asked_for_the_emotions_of_the_corpus(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_repository(monkeypatch, tmp_path)
    Path("params.yaml").symlink_to(ROOT / "params.yaml")
    Path("models").mkdir()
    Path("models/foundation").symlink_to(models / "foundation")
    write_table(Path(EMOSET.path) / "part-00000.parquet", corpus(), EMOSET.schema)
    result: Any = CliRunner().invoke(stable_diffusion.main, [])
    assert result.exit_code == 0, result.output
    assert known_emotions(Path("models/stable_diffusion")) == OTHERS
