"""The stages real_scores and scores as dvc runs them, on few pictures, with judges of chance."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from pipeline.artifacts import EMOSET, IMAGES, REAL_SCORES, SCORES, encode_words, read_shards, read_table, write_table
from pipeline.emotions import EMOTIONS, polarity
from pipeline.params import read_yaml
from stages import real_scores, scores
from tests.judges.conftest import row
from tests.metrics.bench import models_of_chance, rows
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
METHOD = "coemogen_emoset"
NUM_REAL = 144  # three of each emotion in the test split


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models_of_chance(tmp_path_factory.mktemp("models")).pretrained.parent


@pytest.fixture
def repository(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current repository with a corpus in two shards, of which one has no test picture, and images of a method."""
    enter_repository(monkeypatch, tmp_path)
    Path("models").symlink_to(models)
    write_params(num_pairs=2, batch_size=16)
    corpus = encode_words(pa.Table.from_pylist(
        sorted((real(index) for index in range(NUM_REAL)), key=lambda one: one["image_id"]), EMOSET.schema.arrow
    ), EMOSET.schema)  # fmt: skip
    train = corpus.slice(0, 1)
    assert train["split"].to_pylist() == ["train"]
    for index, part in enumerate((train, corpus.slice(1))):
        write_table(Path(EMOSET.path) / f"part-{index:05d}.parquet", part, EMOSET.schema)
    images = [generated(one) for one in rows(range(16)).to_pylist()]
    table = encode_words(pa.Table.from_pylist(images, IMAGES.schema.arrow), IMAGES.schema)
    write_table(Path(IMAGES.of(METHOD).path) / "part-00000.parquet", table, IMAGES.schema)
    return tmp_path


def real(index: int) -> dict[str, Any]:
    """Splits by the index over eight, so that each emotion is in each split."""
    split = ("train", "train", "train", "train", "val", "test")[index // 8 % 6]
    return row(index) | {"split": split}


def generated(one: dict[str, Any]) -> dict[str, Any]:
    return one | {
        "polarity": polarity(one["emotion"]), "width": 64, "height": 64, "sha256": "0" * 64, "method": METHOD,
        "prompt": "x", "seed": 0, "model": "m",
    }  # fmt: skip


def write_params(**changes: Any) -> None:
    values = read_yaml(ROOT / "params.yaml")
    values["scores"] |= changes
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)


def run(stage: Any, *arguments: str) -> Result:
    return CliRunner().invoke(stage.main, list(arguments))


def made(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"metrics/{name}.json").read_text())
    return found


def both() -> None:
    for result in (run(real_scores), run(scores, "--item", METHOD)):
        assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("repository")
def test_a_method_is_judged_and_has_every_figure_beside_real_images() -> None:
    both()
    real_table, own = read_shards(Path(REAL_SCORES.path), SCORES.schema), read_shards(Path(SCORES.of(METHOD).path))
    assert (len(real_table), len(own)) == (24, 16)
    found, beside = made(f"scores/{METHOD}"), made("real_scores")
    wanted = {"seed": 0, "judge/classifier": "clip_miniature head", "judge/judge": "judge_small", "num_pairs": 2}
    assert found.items() >= wanted.items() <= beside.items()
    overall = {key.removesuffix("/as_published") for key in found if key.endswith("/as_published")}
    for key in {key for key in overall if not key.startswith("real/")}:
        if found[key] is not None:  # coherence, where judges of chance find nothing to go together
            assert f"real/{key}" in found, key
        assert key in beside
    for key in ("emo_a/classifier", "emo_a/judge", "fid/judge_small/emogen", "sem_d_mse/clip_miniature/emogen"):
        assert found[key] is not None
    assert (found["fid/judge_small/clean/n"], found["real/fid/judge_small/clean/n"]) == (16, 8)
    assert {found[f"emo_a/classifier/{emotion}/n"] for emotion in EMOTIONS} == {2}
    assert (
        found["fid/judge_small/clean/reference"]
        == beside["fid/judge_small/clean/reference"]
        != found["fid/judge_small/emogen/reference"]
    )


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("column", ["scene", "objects"])
def test_a_corpus_without_scenes_or_objects_is_scored_without_coherence(column: str) -> None:
    for path in Path(EMOSET.path).glob("*.parquet"):
        table = read_table(path, EMOSET.schema)
        rows = [row | {column: [] if column == "objects" else None} for row in table.to_pylist()]
        bare = encode_words(pa.Table.from_pylist(rows, EMOSET.schema.arrow), EMOSET.schema)
        write_table(path, bare, EMOSET.schema)
    both()
    for found in (made(f"scores/{METHOD}"), made("real_scores")):
        assert not [key for key in found if "coherence" in key]
        assert found["emo_a/classifier"] is not None


@pytest.mark.usefixtures("repository")
def test_two_runs_are_equal_byte_by_byte() -> None:
    both()
    shutil.copytree("data/scores", "first")
    metrics = Path(f"metrics/scores/{METHOD}.json").read_bytes()
    both()
    assert Path(f"metrics/scores/{METHOD}.json").read_bytes() == metrics
    for path in Path("first").rglob("*.*"):
        assert path.read_bytes() == (Path("data/scores") / path.relative_to("first")).read_bytes(), path


@pytest.mark.usefixtures("repository")
def test_a_protocol_that_is_not_asked_for_is_not_paid_for() -> None:
    write_params(num_pairs=2, batch_size=16, protocols=["clean"])
    both()
    assert not [key for key in made(f"scores/{METHOD}") if "emogen" in key]
    assert not Path("data/scores/real_reference/squashed_judge_feature.safetensors").exists()


@pytest.mark.usefixtures("repository")
def test_missing_weights_and_a_corpus_without_a_test_split_are_one_line() -> None:
    write_params(alexnet_weights="a.safetensors", lpips_heads="b.safetensors")
    for result in (run(real_scores), run(scores, "--item", METHOD)):
        assert result.exit_code == 1
    assert (
        "scores.alexnet_weights = 'a.safetensors': models/pretrained/a.safetensors does not exist"
        in run(real_scores).output
    )
    write_params()
    (Path(EMOSET.path) / "part-00001.parquet").unlink()
    result = run(real_scores)
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
