"""The summary that DVC shows: some sixty numbers of metrics/, of the present corpora and methods alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.params import load_params
from pipeline.report.summary import all_metrics, headlines
from stages import summary
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
SCORED = {
    "emo_a/classifier": 0.9, "emo_a/classifier/low": 0.8, "emo_a/judge": 0.7, "emo_a/judge/awe": 0.6, "n": 256,
    "fid/clip_miniature/clean": 25.0, "fid/judge_small/clean": 1.5, "fid/judge_small/emogen": 1.6,
    "fid/judge_small/clean/low": 1.1, "feature_distance/judge_small/clean": 3.5, "real/fid/judge_small/clean": 0.5,
    "sem_c/judge_small/clean": None, "sem_d_mse/clip_miniature/clean": 1.2, "judge/judge": "judge_small",
}  # fmt: skip


def metrics() -> dict[str, dict[str, Any]]:
    params = load_params(ROOT / "params.yaml")
    accuracies = {f"{data}/{reader}/accuracy": 0.8 for data in ("emoset", "fi") for reader in
                  ("captioner", "clip_zero_shot", "emotion_classifier", "uniemo_joint", "uniemo_feedback")}  # fmt: skip
    return {
        "emoset": {"num_images": 6000, "num_rejects": 0},
        "judges": {"accuracy": 0.79, "accuracy_low": 0.76},
        "feedback": {"kept_frac": 0.3, "n": 256},
        "real_scores": SCORED,
        "understanding_scores": {**accuracies, "emoset/uniemo_joint/polarity/accuracy": 0.9},
        **{f"caption_filter/{corpus}": {"num_kept": 3840, "n": 4800} for corpus in (*params.corpora, "gone")},
        **{f"scores/{method}": SCORED for method in (*params.methods, "gone")},
        **{f"content/{method}": {"ec_a/judge": 0.4, "ec_a/clip": 0.5} for method in (*params.methods, "gone")},
    }


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter_repository(monkeypatch, tmp_path)
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    for name, values in metrics().items():
        path = tmp_path / "metrics" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    return tmp_path


def test_of_the_scores_the_totals_and_one_measure_of_each_kind_are_headlines() -> None:
    assert headlines({"scores/emogen": SCORED}, "emoset") == {
        "scores/emogen/emo_a/classifier": 0.9,
        "scores/emogen/emo_a/judge": 0.7,
        "scores/emogen/fid/judge_small/clean": 1.5,
        "scores/emogen/feature_distance/judge_small/clean": 3.5,
        "scores/emogen/sem_d_mse/clip_miniature/clean": 1.2,
    }
    assert headlines({"unknown": {"accuracy": 1.0}}, "emoset") == {}


def test_the_stage_writes_a_page_of_numbers_of_the_present_corpora_and_methods(repository: Path) -> None:
    result = CliRunner().invoke(summary.main, [])
    assert result.exit_code == 0, result.output
    written = json.loads((repository / "metrics/summary.json").read_text())
    assert 40 < len(written) < 80
    assert not [key for key in written if "gone" in key]
    assert written == headlines({name: values for name, values in metrics().items() if "gone" not in name}, "emoset")
    assert written["understanding_scores/emoset/uniemo_joint/accuracy"] == 0.8
    assert "understanding_scores/emoset/uniemo_joint/polarity/accuracy" not in written
    assert "understanding_scores/fi/captioner/accuracy" not in written


def test_the_summary_of_a_folder_that_has_one_is_the_same(repository: Path) -> None:
    before = headlines(all_metrics(repository / "metrics"), "emoset")
    assert CliRunner().invoke(summary.main, []).exit_code == 0
    assert headlines(all_metrics(repository / "metrics"), "emoset") == before
