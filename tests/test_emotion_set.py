"""The set of emotions is data: what emotions.yaml may say, and what follows from it in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline import adapters
from pipeline.closure import code_of
from pipeline.emotion_set import EMOTIONS, MIKELS, check_recorded_set, read_emotions, recorded_set

ROOT = Path(__file__).parents[1]
OWN = "set: own\nown: {calm: positive, eerie: null, tense: negative}\n"
EVEN = "set: own\nown: {calm: null, eerie: null, tense: null}\n"


def test_the_default_is_mikels_eight_in_the_order_of_emoset() -> None:
    assert read_emotions(ROOT) == MIKELS
    assert tuple(read_emotions(ROOT)) == tuple(MIKELS) == EMOTIONS
    assert read_emotions(ROOT / "docs") is MIKELS


@pytest.mark.parametrize("name", ["ekman", "plutchik"])
def test_other_sets_stand_beside_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "emotions.yaml").write_text((ROOT / "emotions.yaml").read_text().replace("set: mikels", f"set: {name}"))
    found = read_emotions(tmp_path)
    assert len(found) == {"ekman": 6, "plutchik": 8}[name]
    assert found["joy"] == "positive"
    assert found["surprise"] is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("set: mine\nekman: {joy: positive, anger: negative}\n", "'mine' is not among: ekman"),
        ("ekman: {joy: positive, anger: negative}\n", "set: NAME"),
        ("[joy, anger]\n", "set: NAME"),
        ("set: {a: b}\n", "set: NAME"),
        ("set: own\nown: {joy: positive}\n", "at least two"),
        ("set: own\nown: {Joy: positive, anger: negative}\n", "'Joy'"),
        ("set: own\nown: {positive: positive, anger: negative}\n", "'positive'"),
        ("set: own\nown: {joy: good, anger: negative}\n", "joy in the set own is 'good'"),
        ("set: own\nown: {joy: positive, joy: negative}\n", "cannot be read"),
        ("set: [\n", "cannot be read"),
    ],
)
def test_a_file_that_names_no_set_says_what_to_correct(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "emotions.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"emotions\.yaml") as error:
        read_emotions(tmp_path)
    assert told in str(error.value)


def test_another_set_changes_the_code_that_knows_emotions_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "pipeline").symlink_to(ROOT / "pipeline")
    knows, knows_not = Path("pipeline/rows.py"), Path("pipeline/figure.py")
    before = [code_of(tmp_path, path) for path in (knows, knows_not)]
    (tmp_path / "emotions.yaml").write_text((ROOT / "emotions.yaml").read_text() + "# a comment\n")
    assert [code_of(tmp_path, path) for path in (knows, knows_not)] == before
    (tmp_path / "emotions.yaml").write_text(OWN)
    after = [code_of(tmp_path, path) for path in (knows, knows_not)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


def test_models_of_mikels_eight_record_nothing_and_others_are_refused() -> None:
    assert recorded_set() == {}
    check_recorded_set({}, Path("models/x"))
    with pytest.raises(ValueError, match=r"models/x was trained on joy, fear.*emotions\.yaml of this folder has amuse"):
        check_recorded_set({"emotion_set": "joy, fear"}, Path("models/x"))


def say(folder: Path, text: str, code: str) -> str:
    """Return what Python code prints in a folder with such an emotions.yaml, or its error."""
    (folder / "emotions.yaml").write_text(text)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""},
                          capture_output=True, text=True, check=False)  # fmt: skip
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize(
    ("signs", "gates"),
    [
        ({"calm": "positive", "eerie": None, "tense": "negative"}, [[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 1]]),
        ({"calm": None, "eerie": None, "tense": None}, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
)
def test_an_emotion_without_a_polarity_has_its_own_adapter_alone(
    signs: dict[str, str | None], gates: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "EMOTIONS", tuple(signs))
    monkeypatch.setattr(adapters, "POLARITIES", tuple(sign for sign in signs.values() if sign))
    monkeypatch.setattr(adapters, "polarity", signs.__getitem__)
    assert adapters.gates_of(torch.eye(3)).tolist() == gates


def test_data_sets_are_compared_by_what_they_share_with_the_set(tmp_path: Path) -> None:
    code = (
        "from pipeline.corpora.classes import CLASSES, classes_of; from pipeline.understanding.scores import tasks_of; "
        "print([sorted(tasks_of(classes_of(name))) for name in (*CLASSES, 'mine')])"
    )
    ekman = (ROOT / "emotions.yaml").read_text().replace("set: mikels", "set: ekman")
    both, sign = ["emotion", "polarity"], ["polarity"]
    assert say(tmp_path, ekman, code) == str([both, both, both, sign, sign, both])
    assert say(tmp_path, OWN, code) == str([sign] * 5 + [both])
    assert say(tmp_path, EVEN, code) == str([[]] * 5 + [["emotion"]])


def test_what_is_published_on_mikels_eight_is_refused_with_other_emotions(tmp_path: Path) -> None:
    params = "from pipeline.params import *; Params(%s)"
    told = "corpora: emoset is about Mikels' eight emotions, but emotions.yaml has calm, eerie, tense"
    assert told in say(tmp_path, OWN, params % "")
    other = (
        "corpora=('mine',), corpus='mine', emoset=Emoset(corpora=()), emoart=Emoart(corpora=()), "
        "methods=('uniemo_joint',), grids=Grids(methods=('uniemo_joint',)), truth_checks=TruthChecks(corpora=())"
    )
    told = "grids.fused: emotions.yaml has no 'amusement'; allowed are calm, eerie, tense"
    assert told in say(tmp_path, OWN, params % other)


def test_only_what_is_published_and_drawn_is_about_mikels_eight_by_itself() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "stages", "evoke")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"pipeline.emotions import|pipeline import emotions", path.read_text())
    }
    allowed = (
        "pipeline/emotion_set.py",
        "pipeline/corpora/emoset.py",
        "pipeline/corpora/validate.py",
        "pipeline/corpora/classes.py",
    )
    folders = ("pipeline/miniature/", "evoke/foreign/", "pipeline/foundation/training/")
    assert found <= {path for path in found if path in allowed or path.startswith(folders)}
