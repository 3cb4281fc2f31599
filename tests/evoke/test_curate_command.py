"""`evoke curate`: anybody's folder becomes a data set that Hugging Face's library opens, or one line says why not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from ruamel.yaml import YAML

from evoke.cli import main
from pipeline.artifacts import read_table
from pipeline.corpora import curate as first_pass
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, REJECTS_SCHEMA
from tests.corpora.conftest import encoded
from tests.corpora.gallery import models_of_chance, noise, row, write_files, write_wikiart

ROOT = Path(__file__).parents[2]
NUM = 60
FILES = {f"{number % 4}/{number} x.jpg": encoded(noise(number)) for number in range(NUM)}
DAMAGED = {
    "cut.jpg": encoded(noise(0))[:300], "page.jpg": b"<html>404</html>", "copy.png": FILES["0/0 x.jpg"],
    "notes.txt": b"hello",
}  # fmt: skip
LOOSE = ("--min-confidence", "0.4", "--min-emotion-frac", "0.05")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models_of_chance(tmp_path_factory.mktemp("models"))


@pytest.fixture
def _place(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with models, without params.yaml, with pictures in `mine`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    monkeypatch.setenv("EVOKE_THREADS", "1")
    Path("models").symlink_to(models)
    write_files(Path("mine"), FILES | DAMAGED)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["curate", *arguments])


def curated(*arguments: str) -> Path:
    result = run("mine", "--out", "deep/mine", *LOOSE, *arguments)
    assert result.exit_code == 0, result.output
    return Path("deep/mine")


def front_matter(out: Path) -> Any:
    return YAML(typ="safe").load((out / "README.md").read_text().split("---\n")[1])


@pytest.mark.usefixtures("_place")
def test_the_datasets_library_opens_what_is_made(tmp_path: Path) -> None:
    out = curated("--val-frac", "0.2", "--test-frac", "0.2")
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "val", "test"}
    rows = [one for split in found.values() for one in split]
    kept = [one for one in read_table(out / "curation.parquet", CURATION_SCHEMA).to_pylist() if one["reason"] == "kept"]
    assert sorted(one["image_id"] for one in rows) == [one["image_id"] for one in kept]
    assert found["train"].column_names == EMOART_SCHEMA.names
    assert all(one["split"] == split for split, part in found.items() for one in part)
    for one in rows:
        number = int(one["image_id"].split("/")[2].removesuffix("_x"))
        assert one["image"].tobytes() == Image.open(tmp_path / "mine" / f"{number % 4}/{number} x.jpg").tobytes()
    assert found["train"].features["emotion"] == datasets.ClassLabel(names=list(EMOTIONS))
    emotion_of = {one["image_id"]: one["emotion"] for one in kept}
    assert all(EMOTIONS[one["emotion"]] == emotion_of[one["image_id"]] for one in rows)


@pytest.mark.usefixtures("_place")
def test_everything_is_there_and_told() -> None:
    result = run("mine", "--out", "out", *LOOSE)
    out = Path("out")
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "data",
        "sheets",
        "curation.parquet",
        "rejects.parquet",
    }
    rejects = read_table(out / "rejects.parquet", REJECTS_SCHEMA)
    assert {one["image_id"]: one["reason"] for one in rejects.to_pylist()} == {
        "out/copy": "duplicate_image", "out/cut": "truncated_image", "out/page": "unsupported_format",
    }  # fmt: skip
    kept = {one["emotion"] for one in read_table(out / "curation.parquet").to_pylist() if one["reason"] == "kept"}
    assert {path.stem for path in (out / "sheets").iterdir()} == kept
    assert f"of {NUM + 3} images kept" in result.output
    assert "rejected: 1 " in result.output
    for path in ("cut.jpg", "page.jpg", "copy.png"):
        assert f"(first '{path}': " in result.output
    details = {one["image_id"]: one["detail"] for one in rejects.to_pylist()}
    assert details["out/copy"] == "'copy.png': same bytes as '0/0 x.jpg', which is kept"
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("_place")
def test_linked_pictures_are_read_where_follow_links_says_so_and_in_dvcs_cache_anyway() -> None:
    for number, (path, data) in enumerate(FILES.items()):
        file = Path("cache/files/md5/0a") / f"{number:030x}" if number % 2 else Path("far") / f"{number}.jpg"
        write_files(Path(), {str(file): data})
        link = Path("linked") / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    result = run("linked", "--out", "a", *LOOSE)
    assert result.exit_code == 0, result.output
    assert f"rejected: {NUM // 2} path_outside_folder (first '0/0 x.jpg': " in result.output
    assert "--follow-links" in result.output
    result = run("linked", "--out", "b", "--follow-links", *LOOSE)
    assert f"of {NUM} images kept" in result.output
    assert "rejected" not in result.output


@pytest.mark.usefixtures("_place")
def test_the_card_says_what_is_in_it_and_what_it_is_not() -> None:
    out = curated()
    metadata, text = front_matter(out), (out / "README.md").read_text()
    assert metadata["pretty_name"] == "mine"
    assert metadata["size_categories"] == ["n<1K"]
    for entry in metadata["configs"][0]["data_files"]:
        assert list(out.glob(entry["path"])), entry
    kept = [one for one in read_table(out / "curation.parquet").to_pylist() if one["reason"] == "kept"]
    for emotion in {one["emotion"] for one in kept}:
        assert f"| {emotion} |" in text
        assert f"| {sum(one['emotion'] == emotion for one in kept)} |" in text
    assert "the highest probability is at least 0.4" in text
    assert "No person has annotated these images" in text
    assert "accuracy is unknown" in text
    assert "especially" in text


@pytest.mark.usefixtures("_place")
def test_two_runs_are_equal_byte_by_byte() -> None:
    curated()
    shutil.move("deep/mine", "first")
    curated()
    files = {path.relative_to("first") for path in Path("first").rglob("*") if path.is_file()}
    assert files == {path.relative_to("deep/mine") for path in Path("deep/mine").rglob("*") if path.is_file()}
    for file in files:
        assert (Path("first") / file).read_bytes() == (Path("deep/mine") / file).read_bytes(), file


KILLED_AT_THE_THIRD = """
import os
from pipeline.corpora import curate
judge, judged = curate.judge, []
def dying(*given):
    judged.append(given)
    return judge(*given) if len(judged) < 3 else os._exit(9)
curate.judge = dying
from evoke.cli import main
main()
"""


def of_ten_pictures_a_shard() -> None:
    """params.yaml with shards so small that the pictures of `mine` make seven."""
    text = (ROOT / "params.yaml").read_text()
    before, section, after = text.partition("\nemoart:")
    Path("params.yaml").write_text(before + section + after.replace("shard_images: 1000", "shard_images: 10", 1))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Gets the runs of rows that are judged."""
    judge, judged = first_pass.judge, []

    def counting(unit: Any, *given: Any) -> Any:
        judged.append(unit)
        return judge(unit, *given)

    monkeypatch.setattr(first_pass, "judge", counting)
    return judged


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("_place")
def test_a_killed_run_goes_on_where_it_was_and_leaves_nothing_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    of_ten_pictures_a_shard()
    command = [sys.executable, "-c", KILLED_AT_THE_THIRD, "curate", "mine", "--out", "deep/mine", *LOOSE]
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, env=given, capture_output=True, check=False).returncode == 9
    assert [path.name for path in Path("deep").iterdir()] == [".mine.work"]
    shutil.copytree("deep", "other")
    judged = counted(monkeypatch)
    curated()
    assert len(judged) == 7 - 2
    assert [path.name for path in Path("deep").iterdir()] == ["mine"]
    judged.clear()
    assert run("mine", "--out", "other/mine", *LOOSE, "--min-confidence", "0.41").exit_code == 0
    assert len(judged) == 7
    assert [path.name for path in Path("other").iterdir()] == ["mine"]
    shutil.move("deep/mine", "resumed")
    assert contents(curated()) == contents(Path("resumed"))


@pytest.mark.usefixtures("_place")
def test_params_are_those_of_params_yaml_and_options_go_before_them() -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    text = Path("params.yaml").read_text().replace("min_confidence: 0.75", "min_confidence: 0.35")
    Path("params.yaml").write_text(text)
    Path("metrics").mkdir()
    Path("metrics/emotion_classifier.json").write_text('{"accuracy": 0.8125, "n_test": 900}')
    assert run("mine", "--out", "a").exit_code == run("mine", "--out", "b", "--min-confidence", "0.5").exit_code == 0
    assert "at least 0.35" in Path("a/README.md").read_text()
    assert "accuracy is 81.2% on the 900 test images" in Path("a/README.md").read_text()
    assert "at least 0.5 " in Path("b/README.md").read_text()
    assert run("mine", "--out", "c", "--classifier", "models/emotion_classifier").exit_code == 0
    assert "accuracy is unknown" in Path("c/README.md").read_text()


@pytest.mark.usefixtures("_place")
def test_a_wikiart_takes_the_same_path() -> None:
    write_wikiart(Path("art"), [row(encoded(noise(number)), style=9) for number in range(30)], 7)
    assert run("art", "--out", "out", *LOOSE).exit_code == 0
    rows = read_table(Path("out/curation.parquet"), CURATION_SCHEMA)
    assert rows["image_id"].to_pylist() == [f"out/{number:06d}" for number in range(30)]
    assert set(rows["style"].to_pylist()) == {"Expressionism"}


@pytest.mark.usefixtures("_place")
def test_an_empty_folder_that_is_there_is_taken() -> None:
    Path("out").mkdir()
    assert run("mine", "--out", "out", *LOOSE).exit_code == 0
    assert Path("out/README.md").exists()


@pytest.mark.usefixtures("_place")
def test_a_link_to_an_empty_folder_is_taken_as_that_folder() -> None:
    Path("out").mkdir()
    Path("link").symlink_to("out")
    assert run("mine", "--out", "link", *LOOSE).exit_code == 0
    assert Path("out/README.md").exists()
    assert Path("link").is_symlink()


@pytest.mark.usefixtures("_place")
def test_params_of_something_else_are_not_ours() -> None:
    Path("params.yaml").write_text("lr: 0.1\n")
    assert run("mine", "--out", "out", *LOOSE).exit_code == 0


@pytest.mark.usefixtures("_place")
def test_the_current_folder_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("here").mkdir()
    monkeypatch.chdir("here")
    result = run("../mine", "--out", ".")
    assert (result.exit_code, ". is the current folder or a mount point and cannot be replaced" in result.output) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "--out", "full"), "full exists and is not an empty folder"),
        (("mine", "--out", "full/kept.txt"), "full/kept.txt exists and is not an empty folder"),
        (("mine", "--out", "mine/sub/out"), "mine/sub/out lies inside the input folder mine"),
        (("none", "--out", "out"), "the folder none does not exist"),
        (("full", "--out", "out"), "full has no images"),
        (
            ("mine", "--out", "out", "--min-confidence", "1"),
            "no image is kept: 60 of 63 are readable and not duplicates",
        ),
        (("mine", "--out", "out", "--clip", "none"), "none does not exist; run `dvc repro` to create it"),
        (("mine", "--out", "out", "--classifier", "full"), "head.safetensors"),
        (("broken", "--out", "out"), "train-00000-of-00001.parquet is damaged"),
    ],
)
@pytest.mark.usefixtures("_place")
def test_what_a_user_can_mend_is_one_line_and_nothing_is_left(arguments: tuple[str, ...], message: str) -> None:
    write_files(Path("full"), {"kept.txt": b"mine"})
    write_files(Path("broken/data"), {"train-00000-of-00001.parquet": b"PAR1"})
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.strip().count("\n") == 0
    assert sorted(path.name for path in Path().iterdir()) == ["broken", "full", "mine", "models"]
    assert [path.name for path in Path("full").iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("option", [("--min-confidence", "1.5"), ("--val-frac", "0.5"), ("--batch-size", "0"), ()])
@pytest.mark.usefixtures("_place")
def test_values_out_of_range_and_a_missing_out_are_refused(option: tuple[str, ...]) -> None:
    arguments = ("mine", "--out", "out", *option) if option else ("mine",)
    assert run(*arguments).exit_code == 2
    assert not Path("out").exists()
