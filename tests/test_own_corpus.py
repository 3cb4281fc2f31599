"""A corpus of the user's own labelled images from files to scores, as a user runs it, in a copy of the repository."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.test_pipeline import copied, metrics, run

OWN = """
preset: {base: smoke}
textual_inversion: {corpora: []}
dreambooth: {corpora: []}
emogen: {corpora: []}
understanding_scores: {num_asked: 2}
"""
NUM = 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on an ImageFolder of drawn images, which have no scenes and no objects there."""
    folder, evoke = copied(tmp_path_factory.mktemp("repository")), (sys.executable, "-m", "evoke")
    (folder / "presets" / "own.yaml").write_text(OWN)
    run(folder, *evoke, "preset", "own")
    run(folder, *evoke, "oracle", "photos", "--num", str(NUM))
    run(folder, *evoke, "corpus", "add", "mine", "photos/image")
    run(folder, *evoke, "corpus", "use", "mine")
    run(folder, *evoke, "repro", "--jobs", "2")
    return folder


def test_captions_features_filter_latents_and_generators_are_of_the_own_corpus_alone(made: Path) -> None:
    corpus = pq.read_table(made / "data/corpora/mine")
    assert len(corpus) + metrics(made, "mine")["num_rejects"] == NUM
    for name in ("features", "captions", "caption_features"):
        assert pq.read_table(made / f"data/{name}/mine")["image_id"].to_pylist() == corpus["image_id"].to_pylist()
    assert {path.name for path in (made / "data/corpora").iterdir()} == {"mine", ".gitignore"}
    assert not (made / "data/miniature/emoset").exists()
    assert {path.name for path in (made / "models").iterdir() if path.name.startswith("coemogen")} == {"coemogen_mine"}


def test_methods_are_scored_by_judges_of_the_own_corpus_and_compared_with_it(made: Path) -> None:
    for method in ("coemogen_mine", "uniemo_joint"):
        scores = metrics(made, f"scores/{method}")
        assert scores["n"] == len(pq.read_table(made / f"data/images/{method}"))
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
