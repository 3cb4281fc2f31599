"""EmotionReader and `evoke read`: what a folder gives back, what pictures say, and one line for what is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from evoke import EmotionReader
from evoke.cli import main
from evoke.png import png_bytes
from pipeline.emotions import EMOTIONS
from pipeline.foundation.clip import load_clip
from pipeline.uniemo.attributes import Base
from pipeline.uniemo.chain import UnderstandingChain, build_chain
from pipeline.uniemo.folder import load_understanding, save_understanding
from pipeline.uniemo.pictures import ClipInput, square_of
from tests.uniemo.chains import settings_of

WORDS = {"scene": ("amusement_park", "beach", "lake"), "object": ("boat", "cake", "skull", "tree")}


def random_understanding(models: Path, name: str, **changes: object) -> tuple[Path, UnderstandingChain]:
    """models/<name>, beside models/foundation: a chain on the miniature with random queries and head."""
    clip = models / "foundation/clip"
    settings = settings_of(image_px=64, **changes)
    chain = build_chain(load_clip(clip).model.visual, settings, torch.Generator().manual_seed(3))
    with torch.no_grad():
        chain.head.last.weight.mul_(20)
    weights = {key: p.detach() for key, p in chain.named_parameters() if p.requires_grad}
    encoder = load_clip(clip)
    bases = {kind: Base(words, encoder.encode_texts(words)) for kind, words in WORDS.items()}
    save_understanding(models / name, settings, clip, weights, bases, 1.5)
    return models / name, chain


@pytest.fixture(scope="module")
def model(models: Path) -> Path:
    return random_understanding(models, "uniemo_understanding")[0]


@pytest.fixture(scope="module")
def reader(model: Path) -> EmotionReader:
    return EmotionReader.from_pretrained(str(model), device="cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / "beach.png", tmp_path / "grey.jpg"]
    Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((120, 80)).save(paths[0])
    Image.fromarray(rng.integers(0, 256, (5, 5), dtype=np.uint8)).resize((40, 70)).save(paths[1])
    return paths


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_THREADS", "1")
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["read", "--miniature", *map(str, words)])


def test_what_generate_leaves_in_a_folder_can_be_read_as_a_whole(model: Path, tmp_path: Path) -> None:
    for name, seed, size in (("awe-00000", 7, 64), ("awe-00001", 8, 64), ("awe-sheet", [7, 8], 134)):
        image = np.random.default_rng(0).integers(0, 256, (64, size, 3), dtype=np.uint8)
        (tmp_path / f"{name}.png").write_bytes(png_bytes(image, {"seed": seed}))
    words = ["read", *map(str, sorted(tmp_path.glob("*.png"))), "--model", str(model)]  # as the README has it
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "awe-sheet.png: a contact sheet, left out" in result.stderr
    assert [line for line in result.stdout.splitlines() if line.endswith(".png")] == words[1:3]
    alone = CliRunner().invoke(main, ["read", words[3], "--model", str(model)])
    assert (alone.exit_code, "nothing but contact sheets" in alone.output) == (1, True)


def test_a_reading_is_what_the_chain_says_of_the_middle_square(
    models: Path, reader: EmotionReader, pictures: list[Path]
) -> None:
    reading = reader(pictures[0])
    _, chain = random_understanding(models, "uniemo_again")
    square = torch.from_numpy(square_of(Image.open(pictures[0]), 64))[None]
    with torch.inference_mode():
        wanted = (chain(ClipInput(chain.backbone)(square)).logits / 1.5).softmax(1)[0]
    assert list(reading.emotions) == list(EMOTIONS)
    assert list(reading.emotions.values()) == pytest.approx(wanted.tolist(), abs=1e-5)
    assert reading.polarities["positive"] == pytest.approx(float(wanted[:4].sum()), abs=1e-5)
    assert sum(reading.polarities.values()) == pytest.approx(1)


def test_nearest_attributes_are_of_their_own_kind_and_maps_of_the_patches(
    reader: EmotionReader, pictures: list[Path]
) -> None:
    reading = reader(Image.open(pictures[1]))
    for kind, found in reading.attributes.items():
        assert len(found) == 3
        assert {name for name, _ in found} <= set(WORDS[kind])
        assert sorted((cosine for _, cosine in found), reverse=True) == [cosine for _, cosine in found]
        assert reading.attention[kind].shape == (8, 8)
        assert reading.attention[kind].sum() == pytest.approx(1, abs=1e-4)
    drawn = reader.overlay(pictures[1], reading)
    assert {kind: picture.size for kind, picture in drawn.items()} == {"scene": (40, 40), "object": (40, 40)}


def test_several_pictures_are_read_as_each_alone(reader: EmotionReader, pictures: list[Path]) -> None:
    together = reader(pictures)
    assert [reading.emotions for reading in together] == [
        pytest.approx(reader(path).emotions, abs=1e-5) for path in pictures
    ]
    assert reader([]) == []


@pytest.mark.parametrize("changes", [{"backbone_rate": 0.0}, {"queries": "none"}, {"queries": "scene"}])
def test_a_folder_gives_back_the_chain_that_was_saved(models: Path, changes: dict[str, object]) -> None:
    folder, chain = random_understanding(models, "uniemo_other", **changes)
    found = load_understanding(folder, models / "foundation/clip")
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(found.chain(pixels).logits, chain(pixels).logits)
    assert (found.temperature, found.chain.kinds) == (1.5, chain.kinds)
    assert found.bases["object"].names == WORDS["object"]


def test_equal_understandings_are_equal_bytes(models: Path) -> None:
    one, other = (random_understanding(models, name)[0] for name in ("uniemo_a", "uniemo_b"))
    assert {path.name for path in one.iterdir()} == {"meta.json", "weights.safetensors", "attributes.safetensors"}
    assert all(path.read_bytes() == (other / path.name).read_bytes() for path in one.iterdir())


def test_another_clip_and_what_is_missing_are_told(models: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not an understanding model: meta\.json is missing"):
        EmotionReader.from_pretrained(models / "foundation")
    moved = shutil.copytree(model, tmp_path / "moved")
    with pytest.raises(ValueError, match="is not an open_clip folder"):
        EmotionReader.from_pretrained(moved)
    clip = shutil.copytree(models / "foundation/clip", tmp_path / "clip")
    assert EmotionReader.from_pretrained(moved, clip, "cpu").kinds == ("scene", "object")
    (clip / "open_clip_config.json").write_text((clip / "open_clip_config.json").read_text() + "\n")
    with pytest.raises(ValueError, match="was trained on the CLIP"):
        EmotionReader.from_pretrained(moved, clip)
    meta = json.loads((moved / "meta.json").read_text())
    for wrong, said in (({"kind": "coemogen"}, "kind is 'coemogen'"), ({"clip": None}, "was trained on the CLIP")):
        (moved / "meta.json").write_text(json.dumps(meta | wrong))
        with pytest.raises(ValueError, match=said):
            EmotionReader.from_pretrained(moved, models / "foundation/clip")
    meta["params"]["query_length"] = 5
    (moved / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="does not match the weights"):
        EmotionReader.from_pretrained(moved, models / "foundation/clip")


def test_the_command_prints_a_table_and_draws_overlays(model: Path, pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "overlays"
    result = run(*pictures, "--model", model, "--out", out)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == str(pictures[0])
    assert {line.split()[0] for line in lines[1:9]} == set(EMOTIONS)
    shares = [float(line.split()[1].rstrip("%")) for line in lines[1:9]]
    assert shares == sorted(shares, reverse=True)
    assert lines[9].strip().startswith("positive ")
    assert lines[10].split()[0] == "scenes"
    assert {path.name for path in out.iterdir()} == {
        f"{stem}-{kind}.png" for stem in ("beach", "grey") for kind in ("scene", "object")
    }
    assert Image.open(out / "beach-object.png").size == (80, 80)
    again = run(pictures[0], "--model", model, "--out", out)
    assert again.exit_code == 1
    assert "would be overwritten" in again.output
    assert run(pictures[0], "--model", model, "--out", out, "--overwrite").exit_code == 0


def test_json_holds_everything_but_the_maps(model: Path, reader: EmotionReader, pictures: list[Path]) -> None:
    result = run(*pictures, "--model", model, "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["image"] for each in told] == [str(path) for path in pictures]
    assert told[0]["emotions"] == pytest.approx(reader(pictures[0]).emotions, abs=1e-5)
    assert set(told[0]["attributes"]) == {"scene", "object"}


def test_a_bad_file_is_one_line_and_the_others_are_read(model: Path, pictures: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "page.jpg"
    bad.write_bytes(b"<html>")
    result = run(bad, tmp_path / "none.png", pictures[0], "--model", model)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == str(pictures[0])
    told = result.stderr.splitlines()[1:]  # the first is on --miniature
    assert len(told) == 2
    assert told[0].startswith(f"{bad}: unsupported_format: ")
    assert told[1].startswith(f"{tmp_path / 'none.png'}: missing_image: ")


def test_each_picture_has_overlays_of_its_own_whatever_its_name(
    model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    same_stem = tmp_path / "beach.jpg"
    Image.open(pictures[0]).save(same_stem)
    same_name = shutil.copy(pictures[0], tmp_path / "b/beach.png")
    words = (pictures[0], pictures[0], same_stem, same_name, pictures[1])
    assert run(*words, "--model", model, "--out", tmp_path / "o").exit_code == 0
    assert {path.name for path in (tmp_path / "o").glob("*-scene.png")} == {
        "beach.png-scene.png", "beach.jpg-scene.png", "beach.png-2-scene.png", "grey-scene.png",
    }  # fmt: skip
    assert run(pictures[0], "--model", tmp_path).output.startswith("Error: ")
