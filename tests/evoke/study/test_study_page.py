"""The page asks what the form says and nothing of another host. Its script runs in node on a stand-in of a browser."""

import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evoke.study.design import design, questionnaire
from evoke.study.page import page, write_site
from evoke.study.tally import judge, preferences
from tests.evoke.study.people import METHODS, key_of

KEY = key_of(METHODS[:2])
LENGTH = 8 * 4 + 6
BEGIN = {"click": "begin"}
RIGHT = {"key": "ArrowRight"}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node runs the script of the page")


def visit(folder: Path, *commands: dict[str, object], key: Any = KEY) -> dict[str, Any]:
    """Return what a page shows after these acts of a person."""
    (folder / "index.html").write_text(page(key), encoding="utf-8")
    lines = "\n".join(json.dumps(command) for command in commands)
    words = ["node", str(Path(__file__).with_name("browser.js")), str(folder / "index.html")]
    done = subprocess.run(words, input=lines, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_names_no_other_host_and_forbids_every_request_to_one() -> None:
    text = page(KEY)
    assert not re.findall(r"(?:https?:)?//[a-z]", text.split("<script>")[0])
    assert not re.findall(r"https?:|fetch\(|XMLHttp|sendBeacon|WebSocket|import\(", text)
    (policy,) = [tag["content"] for _, tag in Tags(text).tags if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "*" not in policy


def test_every_element_that_the_script_uses_is_there_once_and_has_a_label() -> None:
    text = page(KEY)
    ids = [tag["id"] for _, tag in Tags(text).tags if "id" in tag]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', text)) <= set(ids)
    assert [tag for name, tag in Tags(text).tags if name == "html"] == [{"lang": "en"}]
    for name, tag in Tags(text).tags:
        assert name not in ("textarea", "progress") or tag.get("aria-label") or tag.get("aria-labelledby")


def test_words_of_a_questionnaire_cannot_become_tags() -> None:
    values = {"title": "</title><b>STUDY_DATA", "questions": [{"name": "one", "text": "</script><script>alert(1)"}]}
    ids = {name: {emotion: ["x"] for emotion in ("awe", "fear", "anger", "sadness", "disgust")} for name in ("p", "q")}
    text = page(design(ids, questionnaire(values), 0, group_size=1, num_checks=5))
    tags = [name for name, _ in Tags(text).tags]
    assert tags.count("script") == 2
    assert "b" not in tags
    assert text.count('"forms":') == 1


def test_the_images_have_neutral_names_no_metadata_and_the_right_pixels(tmp_path: Path) -> None:
    encoded = {}
    for number, name in enumerate(KEY.files.values()):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (number % 256, 7, 9)).save(buffer, "PNG", exif=b"Exif coemogen_emoset")
        encoded[name] = buffer.getvalue()
    write_site(tmp_path / "site", KEY, encoded)
    files = sorted((tmp_path / "site" / "images").iterdir())
    assert [file.name for file in files] == sorted(KEY.files)
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{16}\.webp", file.name)
        assert not [method for method in METHODS if method.encode() in file.read_bytes()]
        with Image.open(file) as image, Image.open(io.BytesIO(encoded[KEY.files[file.name]])) as source:
            assert list(image.convert("RGB").getdata()) == list(source.getdata())
            assert not image.getexif()


@needs_node
def test_a_visit_begins_with_consent_and_shows_no_image_before(tmp_path: Path) -> None:
    seen = visit(tmp_path, RIGHT)
    assert seen["section"] == ["consent"]
    assert seen["words"].startswith("You will see pairs")
    assert seen["length"].startswith(f"{LENGTH} questions")
    assert not seen["fetched"]
    assert not seen["kept"]


@needs_node
@pytest.mark.parametrize("form", [1, 2, 16])
def test_answers_by_keys_become_a_file_that_the_tally_counts(tmp_path: Path, form: int) -> None:
    steps = KEY.forms[form - 1]
    acts = []
    for step in steps:  # chooses the first method's group always, and what the checks say
        side = step.check or ("left" if KEY.pairs[step.pair].first == step.left else "right")
        acts += [{"key": f"Arrow{side.title()}"}] * (1 if step.check else 4)
    seen = visit(tmp_path, {"reload": f"?form={form}"}, BEGIN, *acts, {"click": "save"})
    assert seen["section"] == ["end"]
    assert seen["receiver"] == "the person who invited you"
    ((name, text),) = seen["saved"]
    answers = json.loads(text)
    assert name == f"answers-{answers['participant']}.json"
    assert answers["form"] == form - 1
    (person,), rows = judge(KEY, {name: answers})
    assert person.reason == ""
    assert person.checks == "6/6"
    assert set(preferences(KEY, rows)["preference"]) == {1.0}
    assert set(seen["fetched"]) == {f"images/{file}" for file in KEY.files}


@needs_node
def test_the_groups_stand_on_the_sides_of_the_form(tmp_path: Path) -> None:
    step = KEY.forms[4][0]
    pair = KEY.pairs[step.pair]
    left, right = (pair.a, pair.b) if step.left == "a" else (pair.b, pair.a)
    seen = visit(tmp_path, {"reload": "?form=5"}, BEGIN)
    assert seen["shown"] == [f"images/{image.file}" for image in (*left, *right)]


@needs_node
def test_the_question_names_the_emotion_of_the_pair_and_a_check_its_side(tmp_path: Path) -> None:
    form = next(index for index, form in enumerate(KEY.forms) if not form[0].check)
    seen = visit(tmp_path, {"reload": f"?form={form + 1}"}, BEGIN, RIGHT)
    assert seen["question"] == f"Which group of images better evokes {KEY.pairs[KEY.forms[form][0].pair].emotion}?"
    index, step = next((index, step) for index, step in enumerate(KEY.forms[form]) if step.check)
    seen = visit(tmp_path, {"reload": f"?form={form + 1}"}, BEGIN, *[RIGHT] * (4 * index))
    assert f"choose the {step.check} group" in seen["question"]


@needs_node
def test_a_reload_resumes_where_the_person_was_and_going_back_undoes_one_answer(tmp_path: Path) -> None:
    seen = visit(tmp_path, BEGIN, RIGHT, RIGHT, RIGHT, {"reload": "?form=3"})
    assert seen["section"] == ["study"]
    assert seen["place"] == f"Question 4 of {LENGTH}"
    assert seen["progress"] == 3
    seen = visit(tmp_path, BEGIN, RIGHT, RIGHT, RIGHT, {"reload": ""}, {"key": "Backspace"}, {"click": "back"})
    assert seen["place"] == f"Question 2 of {LENGTH}"
    assert len(json.loads(seen["kept"][0])["answers"]) == 1


@needs_node
def test_a_browser_that_keeps_nothing_or_something_else_still_works(tmp_path: Path) -> None:
    assert visit(tmp_path, {"nothing_is_stored": True}, BEGIN, RIGHT)["progress"] == 1
    assert visit(tmp_path, BEGIN, {"stored": "{"}, {"reload": ""})["section"] == ["consent"]
    assert visit(tmp_path, BEGIN, {"stored": '{"form": 99, "answers": []}'}, {"reload": ""})["section"] == ["consent"]


@needs_node
def test_keys_of_the_browser_and_held_keys_answer_nothing(tmp_path: Path) -> None:
    acts = [RIGHT | {name: True} for name in ("altKey", "ctrlKey", "metaKey", "repeat")]
    assert visit(tmp_path, BEGIN, *acts, {"key": "x"})["progress"] == 0


@needs_node
def test_nothing_can_be_answered_while_an_image_is_missing(tmp_path: Path) -> None:
    file = KEY.pairs[KEY.forms[0][0].pair].a[0].file
    seen = visit(tmp_path, {"broken": f"images/{file}"}, {"reload": "?form=1"}, BEGIN, RIGHT, {"click": "choose-right"})
    assert seen["progress"] == 0
    assert seen["disabled"]
    assert "did not load" in seen["question"]


@needs_node
def test_only_what_is_asked_about_a_person_and_chosen_by_them_is_recorded(tmp_path: Path) -> None:
    about = [{"name": name, "text": name, "options": ["one", "two"]} for name in ("age", "sex")]
    words = questionnaire({"questions": [{"name": "one", "text": "Which evokes {emotion}?"}], "about": about})
    ids = {name: {emotion: ["x"] for emotion in ("awe", "fear", "anger", "sadness", "disgust")} for name in ("p", "q")}
    key = design(ids, words, 0, group_size=1, num_checks=5)
    seen = visit(tmp_path, {"reload": "?form=1"}, {"choose": {"about-age": "two"}},
                 BEGIN, *[{"click": "choose-left"}] * 10, {"click": "save"}, key=key)  # fmt: skip
    answers = json.loads(seen["saved"][0][1])
    assert answers["about"] == {"age": "two"}
    assert set(answers) == {"study", "participant", "form", "about", "answers"}
    assert {"step": 0, "side": "left", "question": "check" if key.forms[0][0].check else "one"} == answers["answers"][0]


@needs_node
def test_another_participant_on_the_same_computer_begins_anew(tmp_path: Path) -> None:
    seen = visit(tmp_path, BEGIN, *[RIGHT] * LENGTH, {"click": "again"})
    assert seen["section"] == ["consent"]
    assert not seen["kept"]
