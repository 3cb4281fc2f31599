"""Two folders are compared by the statistics of the experiments: what is resolved and what is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner, Result

from evoke.against import OTHER_N, TOO_FEW, differences, of_figures, of_images
from evoke.cli import main
from evoke.comparison import DRAWN_AT_ONCE, NUM_SAMPLES, compare, resampled
from pipeline.emotions import EMOTIONS
from pipeline.metrics.columns import vectors
from tests.metrics.bench import models_of_chance, write_folder


def table(right: np.ndarray, names: list[str] | None = None, folder: str = "mine") -> pa.Table:
    """Scores of N images, in order of emotions, of which each judge is right where `right` says so."""
    emotions = [EMOTIONS[number % 8] for number in range(len(right))]
    said = np.zeros((len(right), 8), np.float32)
    said[np.arange(len(right)), [(number + (not yes)) % 8 for number, yes in enumerate(right)]] = 1
    ids = names or [f"{number:05d}" for number in range(len(right))]
    return pa.table({
        "image_id": [f"{folder}/{emotion}/{name}" for emotion, name in zip(emotions, ids, strict=True)],
        "emotion": emotions, "classifier": vectors(said), "judge": vectors(said),
        "clarity": pa.array(right.astype(np.float32)),
    })  # fmt: skip


def figures(value: float, n: int = 800, key: str = "emo_a/classifier") -> dict[str, Any]:
    return {key: value, f"{key}/low": value - 0.02, f"{key}/high": value + 0.03, f"{key}/n": n}


def test_folders_of_one_emotion_each_are_compared_as_the_cells_of_a_grid() -> None:
    rng = np.random.default_rng(0)
    one, other = ((rng.random(500) < rate).astype(float) for rate in (0.8, 0.7))
    found, grid = of_images([one], [other], paired=True), compare([one], [other], None)
    assert (found.difference, found.low, found.high, found.resolves) == pytest.approx(
        (grid["difference"], grid["low"], grid["high"], grid["resolves"])
    )
    assert found.verdict == "higher"


def test_equal_folders_are_seldom_resolved_and_a_real_difference_is() -> None:
    rng, resolved = np.random.default_rng(1), 0
    for _ in range(100):
        sides = [[(rng.random(25) < 0.8).astype(float) for _ in range(8)] for _ in range(2)]
        resolved += of_images(sides[0], sides[1], paired=False).verdict != "unresolved"
    assert resolved <= 12
    better = [(rng.random(100) < 0.9).astype(float) for _ in range(8)]
    worse = [(rng.random(100) < 0.7).astype(float) for _ in range(8)]
    assert of_images(worse, better, paired=False).verdict == "lower"


def test_images_of_the_same_names_are_pairs_in_any_order_and_others_are_not() -> None:
    rng = np.random.default_rng(2)
    right = rng.random(400) < 0.8
    worse = right & (rng.random(400) < 0.97)
    own, theirs = figures(right.mean()), figures(worse.mean())
    whole, shuffled = table(right), table(worse, folder="theirs").take(pa.array(rng.permutation(400)))
    paired = differences(whole, shuffled, own, theirs)["emo_a/classifier"]
    assert paired.paired
    assert (paired.verdict, paired.difference) == ("higher", pytest.approx(right.mean() - worse.mean()))
    apart = differences(whole, table(worse, [f"x{number}" for number in range(400)]), own, theirs)["emo_a/classifier"]
    assert not apart.paired
    assert (apart.verdict, apart.difference) == ("unresolved", pytest.approx(paired.difference))
    assert apart.high - apart.low > 2 * (paired.high - paired.low)


def test_emotions_weigh_equally_whatever_their_numbers() -> None:
    one, other = [np.ones(10), np.zeros(90)], [np.zeros(50), np.zeros(50)]
    assert of_images(one, other, paired=False).difference == 0.5


def test_figures_of_pairs_have_the_root_of_the_summed_squares_and_fid_of_other_n_has_no_verdict() -> None:
    one, other = figures(0.5, key="lpips/alexnet/clean"), figures(0.4, key="lpips/alexnet/clean")
    found = of_figures("lpips/alexnet/clean", one, other)
    assert (found.low, found.high) == pytest.approx((0.1 - np.hypot(0.02, 0.03), 0.1 + np.hypot(0.03, 0.02)))
    assert found.verdict == "higher"
    assert of_figures("lpips/alexnet/clean", other, one).verdict == "lower"
    key = "fid/inception/clean"
    assert of_figures(key, figures(9.0, key=key), figures(5.0, key=key)).verdict == "higher"
    assert of_figures(key, figures(9.0, 80, key), figures(5.0, 90, key)).verdict == OTHER_N


def test_few_images_get_no_verdict_and_other_emotions_no_comparison() -> None:
    few = table(np.arange(72) % 2 == 0)
    found = differences(few, few, figures(0.5), figures(0.5))
    assert found["emo_a/classifier"].verdict == TOO_FEW
    with pytest.raises(ValueError, match="different emotions"):
        differences(few, few.slice(0, 5), figures(0.5), figures(0.5))


def test_many_images_are_drawn_in_parts_as_they_would_be_at_once() -> None:
    values = np.random.default_rng(3).random(DRAWN_AT_ONCE // 1000)  # two parts
    at_once = np.random.default_rng(4).integers(len(values), size=(NUM_SAMPLES, len(values)))
    assert resampled(values, np.random.default_rng(4)) == pytest.approx(values[at_once].mean(1))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models_of_chance(tmp_path_factory.mktemp("models")).pretrained.parent


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["score", *arguments])


def test_the_command_shows_and_writes_the_differences(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    Path("models").symlink_to(models)
    write_folder(Path("mine"), range(80))
    write_folder(Path("same"), range(80))
    write_folder(Path("part"), range(0, 80, 8))
    write_folder(Path("real"), range(100, 148), "JPEG")
    options = ("--reference", "real", "--num-pairs", "3", "--json", "scores.json")
    result = run("mine", "--against", "same", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("mine: 80 images\nsame: 80 images\nreal: 48 real images, the reference\n")
    rows = result.stdout.partition("\nagainst ")[2].splitlines()
    emo_a = next(row for row in rows if row.startswith("Emo-A by the judge"))
    assert emo_a.split()[6:] == ["+0", "+0", "to", "+0", "0", "unresolved,", "in", "pairs"]
    assert any(row.startswith("FID (judge_small, clean)") and row.endswith("unresolved") for row in rows)
    assert "Each folder counts as one training." in result.stdout
    found = json.loads(Path("scores.json").read_text())
    assert (found["difference/emo_a/judge"], found["difference/emo_a/judge/verdict"]) == (0.0, "unresolved")
    refused = run("mine", "--against", "part", *options)
    assert (refused.exit_code, len(refused.output.strip().splitlines())) == (1, 1)
    assert "part has no subfolder awe" in refused.output
