"""The page of a study in a real browser: by keyboard from consent to the file, on a phone, in the dark, accessible."""

import io
import json
from collections.abc import Iterator
from importlib.resources import files

import pytest
from PIL import Image

from benchmarks.browser import CHROMIUM, DESKTOP, PHONE, Page, browser
from evoke.study.page import write_site
from evoke.study.tally import judge
from tests.evoke.study.people import METHODS, key_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; Debian's is the package chromium")
KEY = key_of(METHODS[:2])
ARROWS = {"left": ("ArrowLeft", 37), "right": ("ArrowRight", 39)}
TAB, ENTER = ("Tab", 9), ("Enter", 13)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("study") / "site"
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 60)).save(buffer, "PNG")
    write_site(folder, KEY, dict.fromkeys(KEY.files.values(), buffer.getvalue()))
    return (folder / "index.html").as_uri()


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    """A page of a browser that asks for nothing but the files of the study and never complains."""
    with browser() as page:
        yield page
        assert [asked for asked in page.requests if not asked.startswith((url.rpartition("/")[0], "data:"))] == []
        assert page.errors == []


def begin(page: Page, url: str, size: tuple[int, int], dark: bool = False) -> None:
    page.open(f"{url}?form=1", size, dark)
    page.wait("!document.querySelector('#consent').hidden")


def faults(page: Page) -> list[str]:
    """Serious findings of axe-core, and a page that is wider than the window."""
    page.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; 0")
    found: list[str] = page.run(
        "axe.run().then((result) => result.violations.filter((one) => ['serious', 'critical'].includes(one.impact))"
        ".map((one) => one.id + ': ' + one.nodes.map((node) => node.html.slice(0, 200)).join(' ')))"
    )
    wide = page.run("document.documentElement.scrollWidth > window.innerWidth")
    return [*found, *(["wider than the window"] if wide else [])]


def test_a_person_answers_by_keyboard_alone_and_the_tally_counts_the_file(page: Page, url: str) -> None:
    begin(page, url, DESKTOP)
    while page.run("document.activeElement.id") != "begin":
        page.press(*TAB)
    page.press(*ENTER)
    for step in KEY.forms[0]:
        for _ in range(1 if step.check else len(KEY.questionnaire.questions)):
            before = page.run("document.querySelector('#place').textContent")
            page.wait("!document.querySelector('#choose-left').disabled")
            page.press(*ARROWS[step.check or "left"])
            page.wait(f"document.querySelector('#study').hidden || "
                      f"document.querySelector('#place').textContent !== {json.dumps(before)}")  # fmt: skip
    page.wait("!document.querySelector('#end').hidden")
    (person,), _ = judge(KEY, {"answers.json": json.loads(page.run("document.querySelector('#text').value"))})
    assert person.checks == "6/6"
    assert faults(page) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_consent_and_questions_are_accessible_and_fit(size: tuple[int, int], dark: bool, page: Page, url: str) -> None:
    begin(page, url, size, dark)
    assert faults(page) == []
    page.run("document.querySelector('#begin').click()")
    page.wait("!document.querySelector('#choose-left').disabled")
    assert page.run("[...document.images].every((one) => one.naturalWidth === 64)")
    assert faults(page) == []
    ink, paper = page.run("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert (sum(_rgb(ink)) > sum(_rgb(paper))) == dark


def test_a_reload_goes_on_where_the_person_was(page: Page, url: str) -> None:
    begin(page, url, PHONE)
    page.run("document.querySelector('#begin').click()")
    page.wait("!document.querySelector('#choose-left').disabled")
    page.run("document.querySelector('#choose-right').click()")
    page.wait("document.querySelector('#place').textContent.startsWith('Question 2 ')")
    page.call("Page.reload")
    page.wait("document.querySelector('#place')?.textContent.startsWith('Question 2 ')")


def _rgb(text: str) -> list[int]:
    return [int(part) for part in text.removeprefix("rgb(").removesuffix(")").split(",")]
