"""`evoke score`: a table and a file of figures for anyone's folder, or one line that says why not."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.score import IN_SAMPLE, _notes, _settings
from pipeline.emotions import EMOTIONS
from tests.metrics.bench import encoded, models_of_chance, picture, write_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models_of_chance(tmp_path_factory.mktemp("models")).pretrained.parent


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with models, without params.yaml, with pictures in `mine` and `real`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    monkeypatch.setenv("EVOKE_THREADS", "1")
    Path("models").symlink_to(models)
    write_folder(Path("mine"), range(24))
    write_folder(Path("real"), range(100, 148), "JPEG")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["score", *arguments])


def test_the_table_has_overall_figures_then_emotions_then_what_not_to_compare() -> None:
    Path("mine/fear/cut.jpg").write_bytes(b"\xff\xd8\xff")
    result = run("mine", "--reference", "real", "--num-pairs", "3", "--json", "out/scores.json")
    assert result.exit_code == 0, result.output
    found, lines = json.loads(Path("out/scores.json").read_text()), result.stdout.splitlines()
    assert lines[:3] == [
        "mine: 24 images", "  rejected: 1 truncated_image", "real: 48 real images, the reference",
    ]  # fmt: skip
    overall, by_emotion = (next(i for i, line in enumerate(lines) if line.startswith(start))
                           for start in ("overall", "by emotion"))  # fmt: skip
    assert by_emotion > overall
    assert lines[by_emotion].split()[2:] == list(EMOTIONS)
    for title in ("Emo-A by the classifier", "gap between the two", "FID (judge_small, clean)",
                  "FID (judge_small, emogen)", "Sem-D, MSE (clip_miniature, emogen)",
                  "Sem-C (judge_small, clean)"):  # fmt: skip
        assert sum(line.startswith(title) for line in lines) == 2, title
    assert lines[by_emotion + 2].split() == [
        "real",
        *(f"{found[f'real/emo_a/classifier/{one}']:.4g}" for one in EMOTIONS),
    ]
    gap = next(line for line in lines if line.startswith("gap between the two"))
    assert f"{found['emo_a/gap']:.4g}" in gap.split()
    assert (found["n"], found["rejects/truncated_image"], found["real/n"]) == (24, 1, 48)
    assert lines[-3] == "Computed with the papers' own backbone and protocol: none."
    assert "not comparable" in lines[-2]
    assert "FID (clip_miniature), FID (judge_small), distance, not LPIPS (judge_small)" in lines[-2]
    assert lines[-1] == IN_SAMPLE
    assert "coherence" not in result.output  # nobody knows what goes together


def test_each_refused_file_is_named_with_its_reason_and_equal_stems_are_two_pictures() -> None:
    Path("mine/fear/cut.jpg").write_bytes(b"\xff\xd8\xff")
    Path("mine/awe/page 1.png").write_bytes(b"<html>")
    Path("mine/stray.png").write_bytes(encoded(picture(0)))
    Path("mine/@eaDir").mkdir()
    Path("real/awe/empty.png").write_bytes(b"")
    Path("real/awe/101.png").write_bytes(encoded(picture(1)))
    Path("real/awe/101.gif").write_bytes(encoded(picture(2), "GIF"))
    (Path.cwd() / "far.png").write_bytes(encoded(picture(3)))
    Path("mine/awe/linked.png").symlink_to(Path.cwd() / "far.png")
    words = ("mine", "--reference", "real", "--num-pairs", "2")
    result = run(*words)
    assert result.exit_code == 0, result.output
    told = [line.split(": ")[:3] for line in result.stderr.splitlines() if line.count(": ") > 1]
    assert told == [
        ["mine", "path_outside_folder", "'awe/linked.png'"],
        ["mine", "unsupported_format", "'awe/page 1.png'"],
        ["mine", "truncated_image", "'fear/cut.jpg'"],
        ["mine", "unknown_emotion", "'stray.png'"],
        ["real", "empty_file", "'awe/empty.png'"],
    ]
    assert "real: 50 real images" in result.stdout
    assert "mine: 25 images" in run(*words, "--follow-links").stdout


def test_two_runs_are_equal_and_params_yaml_is_heard() -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    for name in ("a", "b"):
        assert run("mine", "--reference", "real", "--num-pairs", "2", "--json", f"{name}.json").exit_code == 0
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    text = Path("params.yaml").read_text().replace("inception_weights: null", "inception_weights: gone.safetensors")
    Path("params.yaml").write_text(text)
    result = run("mine", "--reference", "real")
    assert result.exit_code == 1
    assert "scores.inception_weights = 'gone.safetensors': models/pretrained/gone.safetensors does not" in result.output


def test_a_clip_of_ones_own_has_its_folders_name_and_no_published_one() -> None:
    Path("their-clip").symlink_to(Path("models/foundation/clip").resolve())
    own = ("--classifier", "models/emotion_classifier", "--judges", "models/judges")
    options = ("--clip", "their-clip", *own, "--num-pairs", "2", "--json", "a.json")
    result = run("mine", "--reference", "real", *options)
    assert result.exit_code == 0
    assert IN_SAMPLE not in result.output  # of the user's own judges nothing is known
    found = json.loads(Path("a.json").read_text())
    assert "fid/clip_their-clip/clean" in found
    assert (found["seed"], found["judge/classifier"], found["num_pairs"]) == (0, "clip_their-clip head", 2)


def test_only_the_papers_backbone_under_their_protocol_may_stand_beside_their_numbers() -> None:
    keys = {
        "fid/inception/emogen": True, "fid/inception/clean": False, "fid/judge_resnet50/clean": False,
        "lpips/alexnet/emogen": True,
    }  # fmt: skip
    lines = list(_notes({f"{key}/as_published": theirs for key, theirs in keys.items()}))
    assert lines[0].endswith("protocol: fid/inception/emogen, if --reference is all of EmoSet; lpips/alexnet/emogen.")
    assert lines[1].endswith("with their numbers: Emo-A, FID (judge_resnet50).")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("none", "--reference", "real"), "the folder none does not exist"),
        (("mine", "--reference", "models"), "has no images"),
        (("mine", "--reference", "real", "--judges", "gone"), r"gone does not exist; .* with --judges"),
        (("mine", "--reference", "part"), "part has no subfolder awe, contentment"),
    ],
)
def test_what_a_user_can_mend_is_one_line(arguments: tuple[str, ...], wanted: str) -> None:
    write_folder(Path("part"), range(0, 24, 8))
    result = run(*arguments)
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert re.search(wanted, result.output), result.output


def test_clean_fid_is_computed_if_params_yaml_names_it() -> None:
    assert _settings({}, None)[0].protocols == ("clean", "emogen")
    text = (ROOT / "params.yaml").read_text().replace("protocols: [clean, emogen]", "protocols: [clean-fid, clean]")
    Path("params.yaml").write_text(text.replace("inception_weights: null", "inception_weights: a.safetensors"))
    assert _settings({"num_pairs": 3}, None)[0].protocols == ("clean", "emogen", "clean-fid")
