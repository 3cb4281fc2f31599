"""The stage understanding_scores as dvc runs it, on few drawn pictures and random models on the bundled CLIP."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from pipeline import stage as stage_module
from pipeline.artifacts import EMOSET, FEATURES, READINGS, REJECTS, read_shards, read_table, shard_name, write_table
from pipeline.corpora import emoset, pack
from pipeline.features import image_features
from pipeline.foundation import bundle
from pipeline.foundation.clip import load_clip
from pipeline.judges.head import EmotionHead, save_head
from pipeline.miniature.layouts import write_emoset
from pipeline.miniature.small_sets import write_emotionroi, write_fi, write_twitter
from pipeline.miniature.world import World
from pipeline.params import read_yaml
from stages import understanding_scores
from tests.uniemo.test_reader import random_understanding

ROOT = Path(__file__).parents[2]
MODELS = {"uniemo_understanding": "", "uniemo_joint": "/understanding", "uniemo_feedback": "/understanding"}
READERS = {"clip_zero_shot", "clip_probe", "emotion_classifier", "captioner", *MODELS}
NUM_ASKED = 4


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the stage reads: small data sets, a packed EmoSet of two shards with features, models of chance."""
    torch.set_num_threads(1)
    root, world = tmp_path_factory.mktemp("repository"), World(0)
    for name in ("pipeline", "stages"):
        (root / name).symlink_to(ROOT / name)
    drawn = root / "data/miniature"
    draw = [
        write_emoset(world, 120, root / "emoset"), write_fi(world, 12, drawn / "fi"),
        write_emotionroi(world, 18, drawn / "emotionroi"), write_twitter(world, 16, 16, drawn / "twitter"),
    ]  # fmt: skip
    assert all(list(each) for each in draw)
    for model in ("clip", "captioner"):
        bundle.unpack(ROOT / f"models/miniature/{model}/{model}.safetensors", root / "models/foundation" / model)
    save_head(EmotionHead(128, None), root / "models/emotion_classifier", {})
    for name, inner in MODELS.items():
        random_understanding(root / "models", name + inner)
    clip = load_clip(root / "models/foundation/clip")
    for index, shard in enumerate(emoset.shards(emoset.plan(root / "emoset"), 60, 256)):
        rows = pack.tables(emoset.read(root / "emoset", shard))["records"]
        write_table(root / EMOSET.path / shard_name(index), rows, EMOSET.schema)
        write_table(
            root / FEATURES.of("emoset").path / shard_name(index), image_features(clip, rows, 60), FEATURES.schema
        )
    return root


@pytest.fixture(autouse=True)
def _current(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(stage_module, "die_with_parent", lambda: None)
    monkeypatch.setenv("EVOKE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")


def run(**changes: Any) -> Result:
    values = read_yaml(ROOT / "params.yaml")
    values["understanding_scores"] |= {"folds": 2, "num_asked": NUM_ASKED, "batch_size": 10} | changes
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)
    return CliRunner().invoke(understanding_scores.main, [])


def made(**changes: Any) -> dict[str, Any]:
    result = run(**changes)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(Path("metrics/understanding_scores.json").read_text())
    return found


def test_every_picture_is_read_by_every_reader_and_the_captioner_asked_of_some() -> None:
    found = made()
    readings = read_shards(Path(READINGS.path), READINGS.schema)
    assert set(readings["reader"].to_pylist()) == READERS
    for dataset, number in {"emoset": 18, "fi": 12, "emotionroi": 18, "twitter_i": 16, "twitter_ii": 16}.items():
        rows = readings.filter(pc.starts_with(readings["image_id"], f"{dataset}/"))
        counts = {one["values"]: one["counts"] for one in rows["reader"].value_counts().to_pylist()}
        assert counts == dict.fromkeys(READERS, number) | {"captioner": NUM_ASKED}
        assert found[f"{dataset}/num_rows"] == number
        assert found[f"{dataset}/captioner/polarity/n"] <= NUM_ASKED
    np.testing.assert_allclose(np.stack(readings["probabilities"].to_numpy()).sum(1), 1, atol=1e-5)
    assert found["emotionroi/uniemo_understanding/folds/n"] == 18
    assert found["emotionroi/clip_probe/split/n"] == 6
    assert found["fi/num_rare_classes"] > 0  # 12 pictures of eight emotions
    assert "fi/clip_probe/folds/n" not in found


def test_fi_is_probed_in_folds_where_every_emotion_has_enough_pictures() -> None:
    list(write_fi(World(0), 60, Path("data/miniature/more_fi")))
    found = made(datasets=["fi"], fi_folder="data/miniature/more_fi", understandings=["uniemo_joint"])
    assert found["fi/num_rare_classes"] == 0
    assert found["fi/clip_probe/folds/n"] == found["fi/uniemo_joint/folds/n"] == 60
    assert Path("plots/understanding_scores/accuracy.png").is_file()


def test_two_runs_give_the_same_bytes() -> None:
    outs = ("metrics/understanding_scores.json", f"{READINGS.path}/part-00003.parquet")
    made()
    first = [Path(out).read_bytes() for out in outs]
    made()
    assert [Path(out).read_bytes() for out in outs] == first


def test_data_sets_that_are_not_named_are_left_out_and_so_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "evoke"):
        found = made(datasets=["fi"])
    assert {key.split("/")[0] for key in found if key.endswith("/accuracy")} == {"emoset", "fi"}
    assert found["twitter_i/num_rows"] == 0
    assert "emotionroi is skipped because understanding_scores.datasets does not list it" in caplog.text


def test_models_that_are_not_named_are_not_read() -> None:
    assert not any("uniemo" in key for key in made(understandings=[], datasets=[]))


def test_a_bad_picture_is_a_reject_and_too_many_fail_the_stage() -> None:
    bad = next(Path("data/miniature/fi/emotion_dataset").rglob("*.jpg"))
    whole = bad.read_bytes()
    try:
        bad.write_bytes(whole[:300])
        found = made(datasets=["fi"], max_reject_frac=0.1)
        assert (found["fi/num_rejects"], found["fi/rejects/truncated_image"], found["fi/clip_probe/n"]) == (1, 1, 11)
        assert read_table(Path(REJECTS.of("understanding_scores").path), REJECTS.schema)["reason"].to_pylist() == [
            "truncated_image"
        ]
        result = run(datasets=["fi"], max_reject_frac=0.05)
        assert result.exit_code == 1
        assert "1 of 12 rows are rejected" in result.output
        assert "raise understanding_scores.max_reject_frac" in result.output
    finally:
        bad.write_bytes(whole)


def test_a_folder_without_its_data_set_is_a_clear_error() -> None:
    Path("empty").mkdir(exist_ok=True)
    result = run(fi_folder="empty")
    assert result.exit_code == 1
    assert "unpack the dataset there" in result.output
