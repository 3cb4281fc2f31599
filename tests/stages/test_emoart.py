"""The stages emoart and emoart_funnel as dvc runs them, on few pictures, with the bundled CLIP and a head of chance."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from ruamel.yaml import YAML

from pipeline.artifacts import CAPTION_FILTER, CURATION, EMOART, REJECTS, read_shards, read_table, write_table
from pipeline.captions.filter import drop_worst
from pipeline.corpora import selection
from pipeline.params import read_yaml
from stages import emoart, emoart_funnel
from tests.corpora.conftest import encoded
from tests.corpora.gallery import models_of_chance, noise, row, write_files, write_wikiart
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
NUM_ROWS = 40
TRUNCATED = 7


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models_of_chance(tmp_path_factory.mktemp("models"))


@pytest.fixture
def repository(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a WikiArt of noise, one picture of it damaged, that is current; gives its root."""
    torch.set_num_threads(1)
    enter_repository(monkeypatch, tmp_path)
    Path("models").symlink_to(models)
    write_params(min_confidence=0.5, max_reject_frac=0.1)
    data = [encoded(noise(number)) for number in range(NUM_ROWS)]
    data[TRUNCATED] = data[TRUNCATED][:200]
    write_wikiart(Path("data/wikiart"), [row(one) for one in data], 6)
    return tmp_path


def write_params(**changes: Any) -> None:
    values = read_yaml(ROOT / "params.yaml")
    values["emoart"] |= {"folder": "data/wikiart", "shard_images": 10, "batch_size": 8, "min_emotion_frac": 0.1}
    values["emoart"] |= {"val_frac": 0.2, "test_frac": 0.2} | changes
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)


def run(stage: Any = emoart) -> Result:
    return CliRunner().invoke(stage.main, ["--item", "emoart"])


def made(stage: Any = emoart) -> None:
    result = run(stage)
    assert result.exit_code == 0, result.output


def outs() -> dict[str, bytes]:
    """Every file that the stage made."""
    found = [
        path for name in ("data/corpora", "data/curation", "data/rejects", "metrics") for path in Path(name).rglob("*")
    ]
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def metrics(stage: str = "emoart") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"metrics/{stage}.json").read_text())
    return found


@pytest.mark.usefixtures("repository")
def test_every_row_is_judged_or_rejected_and_the_confident_and_frequent_are_packed() -> None:
    made()
    curation = read_table(Path(CURATION.path), CURATION.schema)
    rejects = read_table(Path(REJECTS.of("emoart").path), REJECTS.schema)
    corpus = read_shards(Path(EMOART.path), EMOART.schema)
    assert sorted(curation["image_id"].to_pylist() + rejects["image_id"].to_pylist()) == [
        f"emoart/{number:06d}" for number in range(NUM_ROWS)
    ]
    assert rejects.select(["image_id", "reason"]).to_pylist() == [
        {"image_id": f"emoart/{TRUNCATED:06d}", "reason": "truncated_image"}
    ]
    kept = [one for one in curation.to_pylist() if one["reason"] == "kept"]
    assert {one["reason"] for one in curation.to_pylist()} == {"kept", "unsure", "rare_emotion"}
    for name in ("image_id", "emotion", "confidence", "style"):
        assert corpus[name].to_pylist() == [one[name] for one in kept]
    assert [image["bytes"] for image in corpus["image"].to_pylist()] == [
        encoded(noise(int(one["image_id"][-6:]))) for one in kept
    ]
    assert set(corpus["split"].to_pylist()) == {"train", "val", "test"}


@pytest.mark.usefixtures("repository")
def test_metrics_are_the_counts_of_the_tables() -> None:
    made()
    found, reasons = metrics(), read_table(Path(CURATION.path), CURATION.schema)["reason"].to_pylist()
    assert found["num_collected"] == NUM_ROWS
    assert found["num_readable"] == NUM_ROWS - 1 == len(reasons)
    assert found["num_confident"] == reasons.count("kept") + reasons.count("rare_emotion")
    assert found["num_frequent"] == reasons.count("kept") == found["num_train"] + found["num_val"] + found["num_test"]
    assert found["confident_if"] == "confidence >= 0.5"
    assert found["rejects.truncated_image"] == 1


@pytest.mark.parametrize(
    "piece", ["judged/part-00001.parquet", "confident/part-00000.parquet", "rejects/part-00004.parquet"]
)
@pytest.mark.usefixtures("repository")
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made()
    straight = outs()
    for name in ("data/corpora", "data/curation", "data/rejects", "metrics"):
        shutil.rmtree(name)
    whole = selection.select

    def stop(*_: Any) -> None:
        raise ValueError("stopped")

    monkeypatch.setattr(selection, "select", stop)
    assert "stopped" in run().output
    (parts,) = Path(".work/emoart@emoart").glob("*/parts")
    assert len(list(parts.rglob("*.parquet"))) == 3 * 6
    (parts / piece).unlink()
    monkeypatch.setattr(selection, "select", whole)
    made()
    assert outs() == straight


@pytest.mark.usefixtures("repository")
def test_a_folder_of_pictures_takes_the_same_path() -> None:
    files = {f"{number % 3}/{number}.jpg": encoded(noise(number)) for number in range(20)}
    write_files(Path("data/mine"), files | {"copy.jpg": files["0/0.jpg"]})
    write_params(folder="data/mine", min_confidence=0.3)
    made()
    corpus = read_shards(Path(EMOART.path), EMOART.schema)
    assert {one["path"]: one["bytes"] for one in corpus["image"].to_pylist()}.items() <= (
        files | {"copy.jpg": files["0/0.jpg"]}
    ).items()
    assert metrics()["rejects.duplicate_image"] == 1
    assert set(corpus["style"].to_pylist()) == {None}


def damaged_file() -> None:
    path = Path("data/wikiart/data/train-00000-of-00001.parquet")
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damaged_file, "train-00000-of-00001.parquet is damaged, truncated or not a Parquet file"),
        (
            lambda: write_params(max_reject_frac=0.01),
            "1 truncated_image (first emoart/000007: 200 bytes: OSError 'Truncated File Read'); repair",
        ),
        (
            lambda: write_params(min_confidence=1.0, max_reject_frac=0.1),
            "reaches min_confidence = 1.0; lower it or add",
        ),
        (lambda: shutil.rmtree("data/wikiart/data"), "has no images: expected are data/*.parquet"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_what_a_user_can_mend_is_one_line_and_leaves_no_out(damage: Callable[[], None], message: str) -> None:
    damage()
    result = run()
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1
    assert outs() == {}


@pytest.mark.usefixtures("repository")
def test_the_funnel_goes_on_with_the_captions() -> None:
    made()
    corpus = read_shards(Path(EMOART.path), EMOART.schema, ["image_id", "emotion", "split"])
    similarity = pa.array(np.random.default_rng(0).random(len(corpus)), pa.float32())
    filtered = drop_worst(corpus.append_column("similarity", similarity), 0.5)
    write_table(Path(CAPTION_FILTER.of("emoart").path), filtered, CAPTION_FILTER.schema)
    made(emoart_funnel)
    found, curated = metrics("emoart_funnel"), metrics()
    for step in ("collected", "readable", "confident", "frequent"):
        assert found[f"num_{step}"] == curated[f"num_{step}"]
    assert found["num_captioned"] == curated["num_frequent"]
    assert found["num_kept"] == sum(filtered["kept"].to_pylist()) < found["num_captioned"]
    assert found["style/Action_painting"].startswith(f"{NUM_ROWS - 1} > ")
    with Image.open("plots/emoart_funnel/funnel.png") as figure:
        assert figure.width > 1000
