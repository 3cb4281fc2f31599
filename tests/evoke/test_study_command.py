"""`evoke study`: from images of a run to a page, from the page to a table; the key stays out of what is published."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.study.design import Key
from tests.evoke.study.people import METHODS, answers_of, write_images

ROOT = Path(__file__).parents[2]
MAKE = ("make", "--methods", ",".join(METHODS[:3]), "--group-size", "3")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "images"
    for method in METHODS[:3]:
        write_images(folder, method, 5)
    write_images(folder, "coemogen_emoart", 5, ("amusement", "awe", "contentment", "anger", "fear", "sadness"))
    return folder


@pytest.fixture(scope="module")
def made(images: Path) -> Path:
    out = images.parent / "study"
    assert run(*MAKE, "--images", images, "--out", out).exit_code == 0
    return out


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, ["study", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def key_in(folder: Path) -> Key:
    return Key.model_validate_json((folder / "key.json").read_bytes())


def test_the_site_holds_the_page_and_its_images_and_nothing_names_a_method(made: Path) -> None:
    key = key_in(made)
    files = [path for path in (made / "site").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == sorted(["index.html", *key.files])
    assert not [path for path in files for method in METHODS if method.encode() in path.read_bytes()]
    assert sorted(path.name for path in made.iterdir()) == ["key.json", "site"]


def test_equal_commands_make_equal_studies(images: Path, made: Path, tmp_path: Path) -> None:
    result = run(*MAKE, "--images", images, "--out", tmp_path / "new" / "study")
    assert "16 pairs of 8 emotions, 4 questions, 6 checks" in result.output
    assert "do not publish" in result.output
    for path in made.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "new" / "study" / path.relative_to(made)).read_bytes()


def test_emotions_that_one_method_lacks_are_left_out(images: Path, tmp_path: Path) -> None:
    result = run("make", "--methods", "coemogen_emoset,coemogen_emoart", "--group-size", 2, "--images", images,
                 "--out", tmp_path / "art", "--questions", "uniemo")  # fmt: skip
    assert "6 pairs of 6 emotions, 3 questions, 6 checks" in result.output


def test_own_questions_come_from_a_yaml(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("title: Mine\nquestions:\n  - {name: liked, text: Which would you hang on a wall?}\n")
    result = run(*MAKE, "--images", images, "--out", tmp_path / "own", "--questions", path)
    assert "1 questions" in result.output
    assert "Which would you hang" in (tmp_path / "own" / "site" / "index.html").read_text()
    path.write_text("questions: [{name: liked}]\n")
    result = run(*MAKE, "--images", images, "--out", tmp_path / "other", "--questions", path)
    assert result.output == f"Error: {path}: questions.0.text: Field required\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "emogen"), "name two or more different methods"),
        (("--methods", "emogen,emogen"), "name two or more different methods"),
        (("--methods", "emogen,nowhere"), "has no images of 'nowhere'; it has coemogen_emoart, coemogen_emoset,"),
        (("--methods", "emogen,../images"), "has no images of '../images'"),
        (("--methods", "emogen,dreambooth"), "emogen has 5 images of amusement, 6 are needed"),
        (("--methods", "emogen,dreambooth", "--questions", "mine"), "allowed are coemogen, uniemo and a YAML file"),
        (("--methods", "emogen,dreambooth", "--checks", 9), "allowed are 5 up to the number of pairs, 8"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    images: Path, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    result = run("make", *words, "--images", images, "--out", tmp_path / "study")
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_kept(images: Path, made: Path) -> None:
    before = (made / "key.json").read_bytes()
    assert "not an empty folder" in run(*MAKE, "--images", images, "--out", made, "--seed", 1).output
    assert (made / "key.json").read_bytes() == before


def test_answers_become_tables_a_figure_and_a_plan(made: Path, tmp_path: Path) -> None:
    key = key_in(made)
    for number in range(6):
        answers = answers_of(key, number, lambda pair, first: first)
        (tmp_path / f"{number}.json").write_text(json.dumps(answers))
    (tmp_path / "lazy.json").write_text(json.dumps(answers_of(key, 7, lambda pair, first: "left", reads=False)))
    (tmp_path / "torn.json").write_text('{"study": ')
    (tmp_path / "huge.json").write_text(" " * 1_000_001)
    files = sorted(tmp_path.glob("*.json"))
    result = run("tally", made, *files, tmp_path / "nowhere.json", "--out", tmp_path / "tally", "--resolve", 0.7)
    assert result.exit_code == 0, result.output
    assert f"left out: {tmp_path / 'lazy.json'}: 3 of 6 attention checks right" in result.output
    assert f"left out: {tmp_path / 'torn.json'}: not used: it is not JSON" in result.output
    assert f"left out: {tmp_path / 'huge.json'}: not used: it has more than 1,000,000 bytes" in result.output
    assert f"left out: {tmp_path / 'nowhere.json'}: not used: there is no such file" in result.output
    assert "preference for coemogen_emoset, 6 people of 10 files" in result.output
    assert "alpha, 0 is chance): all 1.00, fidelity 1.00" in result.output
    assert "to resolve 70% against 30% in every row: 6 people" in result.output
    assert len(pd.read_csv(tmp_path / "tally" / "participants.csv")) == 10
    assert len(pd.read_csv(tmp_path / "tally" / "answers.csv")) == 6 * 16 * 4
    table = pd.read_csv(tmp_path / "tally" / "preference.csv")
    assert set(table["preference"]) == {1}
    assert set(table["verdict"]) == {"preferred"}
    assert (tmp_path / "tally" / "preference.png").stat().st_size > 10_000


def test_without_a_usable_file_the_reasons_are_told(made: Path, tmp_path: Path) -> None:
    result = run("tally", made, tmp_path / "nowhere.json", "--out", tmp_path)
    assert result.exit_code == 1
    assert "Error: none of the 1 files is left" in result.output
    assert "no such file" in (tmp_path / "participants.csv").read_text()


def test_a_missing_damaged_or_edited_key_is_one_line(made: Path, tmp_path: Path) -> None:
    assert "is made by `evoke study make`" in run("tally", tmp_path, "x.json").output
    text = (made / "key.json").read_text()
    (tmp_path / "key.json").write_text(
        text.replace('"first":"a"', '"first":"b"').replace('"first": "a"', '"first": "b"')
    )
    assert "was edited" in run("tally", tmp_path, "x.json").output
    (tmp_path / "key.json").write_text(text[:-40])
    assert "is damaged" in run("tally", tmp_path, "x.json").output


def test_the_server_shows_the_site_and_never_the_key(made: Path) -> None:
    words = [sys.executable, "-u", "-m", "evoke", "study", "serve", str(made), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[0]
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address, timeout=10) as reply:
                assert reply.read() == (made / "site" / "index.html").read_bytes()
            name = next(iter(key_in(made).files))
            with urllib.request.urlopen(f"{address}images/{name}", timeout=10) as reply:
                assert reply.headers["Content-Type"] == "image/webp"
            for path in ("key.json", "../key.json", "%2e%2e/key.json"):
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(address + path, timeout=10)
            again = run("serve", made, "--port", address.rstrip("/").rpartition(":")[2])
            assert "name another by --port" in again.output
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0


def test_a_folder_without_a_study_is_not_served(tmp_path: Path) -> None:
    assert "holds no study" in run("serve", tmp_path).output
