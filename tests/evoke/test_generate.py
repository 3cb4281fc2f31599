"""`evoke generate` and `evoke export`: files, the manifest, and one line for what is wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from evoke import EmotionPipeline
from evoke.cli import main
from evoke.emotion_model import weights_of
from evoke.png import recipe_of
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling
from tests.generation.trained import random_coemogen


@pytest.fixture(scope="module")
def model(models: Path) -> Path:
    return random_coemogen(models, "coemogen_command")


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_THREADS", "1")
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_come_with_a_manifest_by_which_they_are_made_again(model: Path, tmp_path: Path) -> None:
    result = run("generate", "awe", "fear=0.5", "-n", 3, "--model", model, "--out", tmp_path / "o", "--steps", 2,
                 "--prompt", "{S} street", "--strength", 0.5, "--guidance", 4, "--seed", 9,
                 "--negative-prompt", "fog")  # fmt: skip
    assert result.exit_code == 0, result.output
    found = rows(tmp_path / "o")
    assert [row["file"] for row in found] == [f"awe-fear-0000{index}.png" for index in range(3)]
    assert len({row["seed"] for row in found}) == 3
    pipe, last = EmotionPipeline.from_pretrained(model), found[2]
    seed = int(last.pop("seed"))
    assert last == {
        "file": "awe-fear-00002.png", "emotions": "awe=0.666667 fear=0.333333", "prompt": "{S} street",
        "strength": "0.5", "steps": "2", "guidance": "4", "solver": "sde-dpmsolver++", "source": "diagonal",
        "model": pipe.model, "negative_prompt": "fog",
    }  # fmt: skip
    asked = request(weights_of(last["emotions"].split()), seed, "{S} street", 0.5)
    (again,) = pipe.pictures([asked], Sampling(2, 4.0, negative_prompt="fog"))
    picture = np.asarray(Image.open(tmp_path / "o/awe-fear-00002.png")).astype(int)
    assert np.abs(picture - again).max() <= 1


def test_a_file_carries_its_recipe_and_is_made_again_from_it(model: Path, tmp_path: Path) -> None:
    words = ("awe", "fear=0.5", "--steps", 2, "--prompt", "{S} street", "--strength", 0.5, "--source", "mean")
    assert run("generate", *words, "-n", 3, "--model", model, "--out", tmp_path / "o").exit_code == 0
    file = tmp_path / "o/awe-fear-00002.png"
    recipe = recipe_of(file.read_bytes())
    row = rows(tmp_path / "o")[2]
    assert recipe == {
        "prompt": "{S} street", "emotions": {"awe": 2 / 3, "fear": 1 / 3}, "strength": 0.5, "seed": int(row["seed"]),
        "steps": 2, "guidance": 5.0, "solver": "sde-dpmsolver++", "source": "mean", "model": model.as_posix(),
        "model_hash": row["model"],
    }  # fmt: skip
    assert run("generate", "--again", file, "--out", tmp_path / "again").exit_code == 0
    first, again = (np.asarray(Image.open(path)).astype(int) for path in (file, tmp_path / "again/awe-fear-00000.png"))
    assert np.abs(first - again).max() <= 1
    changed = run("generate", "--again", file, "--strength", 2, "--out", tmp_path / "changed")
    assert changed.exit_code == 0
    assert rows(tmp_path / "changed")[0] == row | {"file": "awe-fear-00000.png", "strength": "2"}
    assert "leave out -n" in run("generate", "--again", file, "-n", 2, "--out", tmp_path / "x").output
    sheet = tmp_path / "o/awe-fear-sheet.png"
    assert "carries no recipe of one image" in run("generate", "--again", sheet, "--out", tmp_path / "x").output


def test_several_images_come_with_a_contact_sheet_that_is_not_overwritten(model: Path, tmp_path: Path) -> None:
    words = ("generate", "awe", "--model", model, "--out", tmp_path, "--steps", 1)
    assert run(*words, "-n", 3).exit_code == 0
    with Image.open(tmp_path / "awe-sheet.png") as sheet:
        assert sheet.size == (2 * 66 + 2, 2 * 66 + 2)
        corner = np.asarray(sheet)[2:66, 2:66]
    assert (corner == np.asarray(Image.open(tmp_path / "awe-00000.png"))).all()
    seeds = recipe_of((tmp_path / "awe-sheet.png").read_bytes())["seed"]
    assert [str(seed) for seed in seeds] == [row["seed"] for row in rows(tmp_path)]
    for file in tmp_path.glob("awe-0*"):
        file.unlink()
    assert "awe-sheet.png would be overwritten" in run(*words, "-n", 2).output
    assert run(*words).exit_code == 0  # one image has no sheet


def test_nothing_is_overwritten_unasked_and_runs_share_a_manifest(model: Path, tmp_path: Path) -> None:
    (tmp_path / "fear-00000.png").write_bytes(b"mine")
    refused = run("generate", "fear", "--model", model, "--out", tmp_path)
    assert refused.exit_code == 1
    assert "fear-00000.png would be overwritten" in refused.output
    assert (tmp_path / "fear-00000.png").read_bytes() == b"mine"
    for words in (("awe", "-n", 2), ("fear", "--overwrite")):
        result = run("generate", *words, "--model", model, "--out", tmp_path, "--steps", 1)
        assert result.exit_code == 0, result.output
    assert [row["file"] for row in rows(tmp_path)] == ["awe-00000.png", "awe-00001.png", "fear-00000.png"]
    assert Image.open(tmp_path / "fear-00000.png").size == (64, 64)
    older = (tmp_path / "manifest.csv").read_text().replace(",negative_prompt", "").replace(",\n", "\n")
    (tmp_path / "manifest.csv").write_text(older)
    assert run("generate", "awe", "--overwrite", "--model", model, "--out", tmp_path, "--steps", 1).exit_code == 0
    assert [row["negative_prompt"] for row in rows(tmp_path)] == ["", "", ""]
    (tmp_path / "manifest.csv").write_text("file,mine\n")
    assert "is not a manifest of images" in run("generate", "anger", "--model", model, "--out", tmp_path).output


def test_an_export_is_three_files_and_does_not_overwrite(model: Path, tmp_path: Path) -> None:
    words = ("export", "awe=2", "fear=1", "--model", model, "--out", tmp_path / "o", "--format")
    assert run(*words, "kohya", "--seed", 5).exit_code == 0
    files = ["README.md", "awe-fear-embedding.safetensors", "awe-fear-lora.safetensors"]
    assert sorted(file.name for file in (tmp_path / "o").iterdir()) == files
    before = (tmp_path / "o/README.md").read_bytes()
    refused = run(*words, "diffusers")
    assert refused.exit_code == 1
    assert "awe-fear-lora.safetensors and 2 more would be overwritten" in refused.output
    assert (tmp_path / "o/README.md").read_bytes() == before
    assert run(*words, "diffusers", "--overwrite").exit_code == 0
    assert (tmp_path / "o/README.md").read_bytes() != before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("aw",), "unknown emotion 'aw'; did you mean 'awe'?"),
        (("awe=lots",), "awe=lots: the weight must be a number > 0"),
        (("awe", "awe=2"), "awe is given twice"),
        (("awe=-1",), "the weight of awe is -1"),
        (("awe", "--model", "nowhere"), "nowhere is not the folder of a generator: it has no meta.json"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    for command in (("generate",), ("export", "--format", "kohya")):
        result = run(*command, *words, "--out", tmp_path / "o")
        assert result.exit_code == 1
        assert said in result.output
        assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "o").exists()
