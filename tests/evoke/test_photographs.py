"""Photographs: read, curated and scored zero-shot or by a published classifier; the miniature's models refuse them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from evoke.classifier import ZERO_SHOT, choose
from evoke.cli import main
from pipeline.emotions import EMOTIONS
from pipeline.foundation.clip import CONFIG, WEIGHTS
from pipeline.foundation.training.clip import build_clip
from pipeline.weights import save_safetensors
from tests.evoke.foreign.published import checkout
from tests.foundation.hubs import REVISION, fill_cache
from tests.metrics.bench import encoded, models_of_chance, picture

LOOSE = ("--min-confidence", "0", "--min-emotion-frac", "0")


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = models_of_chance(tmp_path_factory.mktemp("models")).pretrained.parent
    for name, width in (("photo_clip", 48), ("wide_clip", 768)):
        write_clip(folder / "foundation/clip", folder / name, width)
    return folder


def write_clip(tokenizer: Path, folder: Path, width: int) -> None:
    """An open_clip folder of 96 px with random weights and the miniature's tokenizer: to a program, of photographs."""
    shutil.copytree(tokenizer, folder)
    config = json.loads((folder / CONFIG).read_text())
    model = config["model_cfg"]
    model["embed_dim"], model["vision_cfg"]["image_size"] = width, 96
    config["preprocess_cfg"]["size"] = [96, 96]
    (folder / CONFIG).write_text(json.dumps(config))
    save_safetensors(folder / WEIGHTS, build_clip(model, 0).state_dict(), {"format": "pt"})


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, chance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with models, and photographs in `photos`, three of each emotion in `labelled`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    monkeypatch.setenv("EVOKE_THREADS", "1")
    Path("models").symlink_to(chance)
    for number in range(24):
        for folder in (Path("photos"), Path("labelled") / EMOTIONS[number % 8]):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.jpg").write_bytes(encoded(picture(number, (120, 90)), "JPEG"))


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def refusal(*words: str) -> str:
    """Gets the only line of a command that is refused."""
    result = run(*words)
    assert result.exit_code == 1, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    return result.output


CURATE, READ = ("curate", "photos", "--out", "out", *LOOSE), ("read", "photos/1.jpg")
SCORE = ("score", "labelled", "--reference", "labelled", "--num-pairs", "2")


@pytest.mark.parametrize("words", [CURATE, SCORE, (*READ, "--classifier", "models/emotion_classifier")])
def test_the_miniature_is_refused_for_photographs_unless_it_is_asked_for(words: tuple[str, ...]) -> None:
    line = refusal(*words)
    assert "0.jpg has 120 x 90 px, but models/foundation/clip is the miniature's" in line or "photos/1.jpg has" in line
    assert "give --clip" in line
    assert "--miniature" in line
    assert not Path("out").exists()
    result = run(*words, "--miniature")
    assert result.exit_code == 0, result.output
    assert "knows drawings of 64 px only" in result.stderr


def test_drawings_are_read_by_the_miniature_without_a_word() -> None:
    Path("drawn.png").write_bytes(encoded(picture(1)))
    result = run("read", "drawn.png", "--classifier", "models/emotion_classifier")
    assert (result.exit_code, result.stderr) == (0, "")


def test_judges_of_the_miniature_are_refused_though_clip_is_another() -> None:
    words = (*SCORE, "--clip", "models/photo_clip")
    assert "models/judges is the miniature's" in refusal(*words)
    result = run(*words, "--judges", "models/judges", "--json", "a.json")
    assert result.exit_code == 0, result.output
    assert ZERO_SHOT in result.stdout
    assert json.loads(Path("a.json").read_text())["judge/classifier"] == "clip_photo_clip head"


def test_a_folder_is_curated_zero_shot_and_that_is_said() -> None:
    result = run(*CURATE, "--clip", "models/photo_clip")
    assert result.exit_code == 0, result.output
    assert "24 of 24 images kept" in result.output
    assert "zero-shot" in result.output
    assert "40-50 %" in result.output
    assert ZERO_SHOT in Path("out/README.md").read_text()


def test_a_hub_model_in_the_cache_is_taken_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(Path.cwd() / "home/hub"))
    words = (*READ, "--json", "--clip", f"hub:owner/name@{REVISION}")
    assert f"the model owner/name at {REVISION} is not in Hugging Face's cache" in refusal(*words)
    clip = Path("models/photo_clip")
    fill_cache(Path.cwd() / "home", {path.name: path.read_bytes() for path in clip.iterdir()})
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert result.stdout == run(*READ, "--json", "--clip", str(clip)).stdout
    for others in (CURATE, (*SCORE, "--judges", "models/judges", "--json", "a.json")):
        result = run(*others, *words[-2:])
        assert result.exit_code == 0, result.output
    assert "fid/owner_name/clean" in json.loads(Path("a.json").read_text())


@pytest.mark.parametrize("clip", ["hub:owner/name", "hub:owner/name@main", f"hub:name@{REVISION}"])
def test_a_hub_model_is_pinned(clip: str) -> None:
    assert "wanted hub:OWNER/NAME@REVISION" in refusal(*READ, "--clip", clip)


def test_reading_zero_shot_gives_probabilities_that_a_labelled_sample_calibrates() -> None:
    words = (*READ, "--json", "--clip", "models/photo_clip")
    plain, fitted = run(*words), run(*words, "--labelled", "labelled")
    assert ZERO_SHOT in plain.stderr
    assert " of the 24 images of labelled (" in fitted.stderr
    first, second = (np.array(list(json.loads(one.stdout)["emotions"].values())) for one in (plain, fitted))
    assert first.sum() == pytest.approx(1, abs=1e-5)
    assert second.max() < first.max()  # chance is not sure of anything
    assert (np.argsort(first) == np.argsort(second)).all()
    temperature = choose("models/photo_clip", None).calibrated(Path("labelled")).temperature
    assert temperature is not None
    assert first ** (1 / temperature) / (first ** (1 / temperature)).sum() == pytest.approx(second, abs=1e-4)


def test_a_classifier_of_another_width_is_one_line() -> None:
    own = ("--clip", "models/photo_clip", "--classifier", "models/emotion_classifier")
    for words in (CURATE, READ, SCORE):
        line = refusal(*words, *own)
        assert "models/emotion_classifier expects CLIP features of width 128, but models/photo_clip gives 48" in line


def test_emogens_published_classifier_is_imported_and_used_in_one_line_each() -> None:
    checkout(Path("EmoGen"))
    run("import-emogen", "EmoGen", "--out", "data/imports/emogen")
    published = ("--clip", "models/wide_clip", "--classifier", "data/imports/emogen/classifier")
    for words in (CURATE, READ):
        result = run(*words, *published)
        assert result.exit_code == 0, result.output
        assert "zero-shot" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "models/uniemo_understanding does not exist; run `dvc repro uniemo_understanding`, or give --clip"),
        (("--clip", "gone"), "gone does not exist"),
        (("--clip", "photos"), "photos is not an open_clip folder"),
        (("--clip", "models/photo_clip", "--labelled", "gone"), "the folder gone does not exist"),
        (("--clip", "models/photo_clip", "--out", "out"), "a classifier has no attention"),
        (("--model", "models/none", "--labelled", "labelled"), "leave out --model"),
    ],
)
def test_what_a_user_can_mend_is_one_line(options: tuple[str, ...], said: str) -> None:
    assert said in refusal(*READ, *options)
