"""A corpus of own labelled images, with other emotions than Mikels' eight, from files to scores as a user runs it."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

from tests.test_pipeline import ROOT, copied, metrics, run

OWN = """
preset: {base: smoke}
textual_inversion: {corpora: []}
dreambooth: {corpora: []}
emogen: {corpora: []}
understanding_scores: {num_asked: 2}
"""
EKMAN = {
    "amusement": "joy",
    "awe": "surprise",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "sadness": "sadness",
}
MOODS = {"contentment": "calm", "sadness": "gloomy", "fear": "eerie"}
EVOKE = (sys.executable, "-m", "evoke")


def prepared(folder: Path, emotions: str, names: Mapping[str, str]) -> Path:
    """A copy of the repository with a set of emotions, and a corpus `mine` of drawn images under new names of emotions.

    They are an ImageFolder, without scenes and objects.
    """
    copied(folder)
    (folder / "presets" / "own.yaml").write_text(OWN)
    run(folder, *EVOKE, "preset", "own")
    run(folder, *EVOKE, "oracle", "drawn", "--num", "260")
    for old, new in names.items():
        shutil.copytree(folder / "drawn/image" / old, folder / "photos" / new)
    (folder / "emotions.yaml").write_text(emotions)
    run(folder, *EVOKE, "corpus", "add", "mine", "photos")
    run(folder, *EVOKE, "corpus", "use", "mine")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with Ekman's six emotions."""
    text = (ROOT / "emotions.yaml").read_text().replace("set: mikels", "set: ekman")
    folder = prepared(tmp_path_factory.mktemp("repository"), text, EKMAN)
    run(folder, *EVOKE, "repro", "--jobs", "2")
    return folder


def test_captions_features_filter_latents_and_generators_are_of_the_own_corpus_alone(made: Path) -> None:
    corpus = pq.read_table(made / "data/corpora/mine")
    num_files = sum(path.is_file() for path in (made / "photos").rglob("*"))
    assert len(corpus) + metrics(made, "mine")["num_rejects"] == num_files > 150
    assert set(corpus["emotion"].to_pylist()) == set(EKMAN.values())
    for name in ("features", "captions", "caption_features"):
        assert pq.read_table(made / f"data/{name}/mine")["image_id"].to_pylist() == corpus["image_id"].to_pylist()
    assert {path.name for path in (made / "data/corpora").iterdir()} == {"mine", ".gitignore"}
    assert not (made / "data/miniature/emoset").exists()
    assert {path.name for path in (made / "models").iterdir() if path.name.startswith("coemogen")} == {"coemogen_mine"}


def test_methods_are_scored_by_judges_of_the_own_corpus_and_compared_with_it(made: Path) -> None:
    for method in ("coemogen_mine", "uniemo_joint"):
        scores = metrics(made, f"scores/{method}")
        assert set(pq.read_table(made / f"data/images/{method}")["emotion"].to_pylist()) == set(EKMAN.values())
        assert scores["n"] == len(pq.read_table(made / f"data/images/{method}"))
        assert not [key for key in scores if "sem_c" in key]  # there is no scene and no object
        assert scores["real/emo_a/judge"] == metrics(made, "real_scores")["emo_a/judge"]
    in_test = pq.read_table(made / "data/corpora/mine")["split"].to_pylist().count("test")
    assert metrics(made, "real_scores")["n"] == metrics(made, "understanding_scores")["mine/num_rows"] == in_test
    assert pq.read_table(made / "data/correlation.parquet").num_rows == 0


def test_summary_report_plan_and_dag_follow(made: Path) -> None:
    summary = metrics(made, "summary")
    assert summary["mine/num_images"] == metrics(made, "mine")["num_images"]
    assert {"scores/coemogen_mine/emo_a/judge", "understanding_scores/mine/uniemo_joint/accuracy"} <= set(summary)
    page = (made / "report/index.html").read_text()
    assert "coemogen_mine" in page
    assert "EmoArt, curated" not in page
    assert "mine: " in run(made, sys.executable, "-m", "evoke", "plan")
    assert "\nemoset\n" in run(made, sys.executable, "-m", "evoke", "dag")  # it is in dvc.yaml, and not run
    assert "up to date" in run(made, sys.executable, "-m", "evoke", "repro")
    assert "Running stage" not in run(made, "dvc", "repro")


def test_three_moods_without_polarity_go_from_files_to_scores(tmp_path: Path) -> None:
    text = f"set: moods\nmoods: {{{', '.join(f'{name}: null' for name in MOODS.values())}}}\n"
    folder = prepared(tmp_path, text, MOODS)
    run(folder, *EVOKE, "repro", "--jobs", "2", "scores@coemogen_mine", "scores@uniemo_joint")
    adapters = {
        name.split(".")[-2]
        for name in load_file(folder / "models/coemogen_mine/weights.safetensors")
        if ".lora_A." in name
    }
    assert adapters == set(MOODS.values())
    for method in ("coemogen_mine", "uniemo_joint"):
        images = pq.read_table(folder / f"data/images/{method}")
        assert set(images["emotion"].to_pylist()) == set(MOODS.values())
        assert images["polarity"].null_count == len(images) == metrics(folder, f"scores/{method}")["n"]
    assert "accuracy_polarity" not in metrics(folder, "uniemo_joint")
    said = subprocess.run(
        [*EVOKE, "generate", "awe", "--out", "out"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "unknown emotion 'awe'" in said.stderr
