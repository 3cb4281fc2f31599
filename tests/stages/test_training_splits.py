"""`training_splits: all` from the filter and the latents to every generator, as stages run; by default train alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner

from pipeline.artifacts import (
    CAPTION_FEATURES,
    CAPTIONS,
    CORRELATION,
    EMOSET,
    LATENTS,
    encode_words,
    read_shards,
    write_table,
)
from pipeline.judges.head import EmotionHead, save_head
from pipeline.params import ParamsError, default_values, parse_params
from stages import (
    caption_filter,
    coemogen,
    dreambooth,
    emogen,
    features,
    latents,
    textual_inversion,
    uniemo_joint,
    uniemo_understanding,
)
from tests.judges.conftest import row
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
NUM, NUM_TRAIN = 48, 32
GENERATORS = ("coemogen", "textual_inversion", "dreambooth", "emogen", "uniemo_joint")


@pytest.fixture
def repository(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current repository with 48 images of all splits, their captions' features, and a classifier of chance."""
    enter_repository(monkeypatch, tmp_path)
    Path("models/foundation").mkdir(parents=True)
    for name, source in (("clip", "clip"), ("vit", "clip"), ("diffusion", "diffusion")):
        (Path("models/foundation") / name).symlink_to(models / "foundation" / source)
    torch.manual_seed(0)
    save_head(EmotionHead(128, 16), Path("models/emotion_classifier"), {})
    rows = sorted((row(index) for index in range(NUM)), key=lambda one: one["image_id"])
    corpus = encode_words(pa.Table.from_pylist(rows, EMOSET.schema.arrow), EMOSET.schema)
    write_table(Path(EMOSET.path) / "part-00000.parquet", corpus, EMOSET.schema)
    write_captions(corpus["image_id"])
    return tmp_path


def write_captions(ids: pa.ChunkedArray) -> None:
    """Captions, their features drawn by chance, and coefficients of every attribute of the images."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((NUM, 128)).astype(np.float32)
    feature = pa.FixedSizeListArray.from_arrays((vectors / np.linalg.norm(vectors, axis=1)[:, None]).ravel(), 128)
    write_table(Path(CAPTION_FEATURES.of("emoset").path) / "part-00000.parquet",
                pa.table({"image_id": ids, "feature": feature}), CAPTION_FEATURES.schema)  # fmt: skip
    captions = [{"image_id": name, "variant": "emotion", "caption": "a dog", "num_tokens": 4, "truncated": False}
                for name in ids.to_pylist()]  # fmt: skip
    table = encode_words(pa.Table.from_pylist(captions, CAPTIONS.schema.arrow), CAPTIONS.schema)
    write_table(Path(CAPTIONS.of("emoset").path) / "part-00000.parquet", table, CAPTIONS.schema)
    names = ("object/boat", "object/dog", "scene/beach", "scene/street")
    table = pa.table({
        "attribute": names, "kind": [name.split("/")[0] for name in names], "name": [n.split("/")[1] for n in names],
        "num_images": pa.array([8] * 4, pa.int32()),
        **{key: pa.FixedSizeListArray.from_arrays(rng.random(32).astype(np.float32), 8)
           for key in ("coefficient", "mean", "standard_error", "in_sample")},
    })  # fmt: skip
    write_table(Path(CORRELATION.path), encode_words(table, CORRELATION.schema), CORRELATION.schema)


def tiny(splits: str) -> dict[str, Any]:
    """Params of one step in each training, with `training_splits` wherever it is a key."""
    values = default_values()
    for section in values.values():
        if isinstance(section, dict) and "sheet_steps" in section:
            section |= {"steps": 1, "batch_size": 4, "warmup_steps": 0, "sheet_steps": 0, "precision": "fp32"}
        if isinstance(section, dict) and "training_splits" in section:
            section["training_splits"] = splits
    values["uniemo_understanding"]["val_steps"] = 1
    return values


def made(stage: Any, item: bool = True) -> dict[str, Any]:
    """The metrics of a stage that is run."""
    result = CliRunner().invoke(stage.main, ["--item", "emoset"] if item else [])
    assert result.exit_code == 0, result.output
    name = stage.main.declaration.stage
    path = Path("metrics") / (f"{name}/emoset.json" if item else f"{name}.json")
    return json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize(("splits", "number"), [("train", NUM_TRAIN), ("all", NUM)])
@pytest.mark.usefixtures("repository")
def test_every_generator_trains_on_the_splits_that_params_name(splits: str, number: int) -> None:
    Path("params.yaml").write_text(json.dumps(tiny(splits)))  # JSON is YAML
    made(features)
    filtered = made(caption_filter)
    assert filtered["n"] == number
    made(latents)
    assert len(read_shards(Path(LATENTS.of("emoset").path), LATENTS.schema, ["image_id"])) == number
    assert made(coemogen)["num_train"] == filtered["num_kept"] < number
    for baseline in (textual_inversion, dreambooth, emogen):
        assert made(baseline)["num_train"] == number, baseline.__name__
    assert made(uniemo_understanding, item=False)["num_train"] == NUM_TRAIN
    assert made(uniemo_joint, item=False)["num_train"] == number


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("source", ["latents", "caption_filter"])
def test_a_generator_of_all_splits_needs_latents_of_all_and_coemogen_the_filter_too(name: str, source: str) -> None:
    values = default_values()
    for section in {name, "latents", "caption_filter"} - {source}:
        values[section]["training_splits"] = "all"
    if source == "caption_filter" and name != "coemogen":
        assert getattr(parse_params(values), name).training_splits == "all"
        return
    with pytest.raises(ParamsError, match=rf"{name}.training_splits = 'all': {source} has the train split only; set "):
        parse_params(values)


def test_understanding_judges_and_classifier_have_no_such_key() -> None:
    with_key = {name for name, section in default_values().items() if "training_splits" in str(section)}
    assert with_key == {*GENERATORS, "latents", "caption_filter"}
