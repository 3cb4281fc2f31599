"""The page in a real browser: four rooms at work, by keyboard, on a phone, in the dark, and no other host is asked."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from benchmarks.browser import CHROMIUM, PHONE, Page, browser
from evoke.png import recipe_of
from evoke.studio.server import UPLOADS
from pipeline.emotion_set import EMOTIONS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; Debian's is the package chromium")
ROOT = Path(__file__).parents[2]
ROOMS = ("Make", "Read", "Explore", "Grow")
PATIENCE = 900.0  # of a machine that does other work
ENTER, TAB, LEFT, RIGHT = ("Enter", 13), ("Tab", 9), ("ArrowLeft", 37), ("ArrowRight", 39)


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A current folder with models, in which the studio runs."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "models").symlink_to(trained)
    (folder / "params.yaml").symlink_to(ROOT / "params.yaml")
    return folder


@pytest.fixture(scope="module")
def url(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running studio, which on its end has left nothing but images and written nowhere else."""
    home = tmp_path_factory.mktemp("home")
    environment = {"PYTHONPATH": str(ROOT), "EVOKE_THREADS": "1", "EVOKE_DEVICE": "cpu", "HF_HUB_OFFLINE": "1",
                   "HOME": str(home), "TMPDIR": str(home)}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "evoke", "studio", "--port", "0"], cwd=place, env=os.environ | environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    line = process.stdout.readline()
    match = re.match(r"(http://localhost:\d+/) ", line)
    assert match, line
    yield match[1]
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert sorted(path.name for path in place.iterdir()) == ["models", "out", "params.yaml"]
    assert sorted(path.name for path in (place / "out/studio").iterdir()) == ["images"]
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:
    with browser() as page:
        page.open(url)
        page.wait("document.querySelector('#make')")
        yield page
        assert [asked for asked in page.requests if not asked.startswith((url, "data:", "blob:"))] == []
        assert page.errors == []


def enter(page: Page, room: str) -> None:
    tab = f"[...document.querySelectorAll('button[role=tab]')].find((tab) => tab.textContent.trim() === '{room}')"
    page.wait(tab)
    page.run(f"{tab}.click()")
    page.wait(f"{tab}.getAttribute('aria-selected') === 'true'")


def focus(page: Page, label: str) -> None:
    """Press Tab until the focus is on the control with this label."""
    of_focus = "(document.activeElement.getAttribute('aria-label') || document.activeElement.id || " \
               "document.activeElement.closest('label, .block')?.textContent || '')"  # fmt: skip
    for _ in range(80):
        page.press(*TAB)
        if label in page.run(of_focus):
            return
    raise AssertionError(f"{label} is not reached by Tab")


def test_a_mix_is_made_by_keyboard_alone_and_downloads_with_its_recipe(page: Page, place: Path) -> None:
    enter(page, "Make")
    page.run("document.querySelector('button[role=tab]').focus()")
    focus(page, f"range slider for {EMOTIONS[1]}")
    for _ in range(8):
        page.press(*RIGHT)
    focus(page, "range slider for images")
    for _ in range(3):
        page.press(*LEFT)
    focus(page, "make")
    page.press(*ENTER)
    page.wait("document.querySelector('#made img') && !document.querySelector('#made .ev-wait')", PATIENCE)
    names = page.run("[...document.querySelectorAll('#made a')].map((link) => link.getAttribute('href'))")
    assert [page.run(f"fetch('{name}').then((answer) => answer.status)") for name in names] == [200]
    recipe = recipe_of((place / "out/studio" / names[0]).read_bytes()) or {}
    assert recipe["emotions"] == {EMOTIONS[0]: 1, EMOTIONS[1]: 0.4}
    page.run("[...document.querySelectorAll('button')].find((one) => one.textContent.includes('as Python')).click()")
    page.wait("[...document.querySelectorAll('textarea')].some((one) => one.value.includes('EmotionPipeline'))")
    texts = page.run("[...document.querySelectorAll('textarea')].map((one) => one.value).join(' ')")
    assert recipe["command"] in texts
    assert "EmotionPipeline.from_pretrained('models/coemogen_one')" in texts


def test_the_last_image_is_read_and_an_image_grows(page: Page) -> None:
    enter(page, "Read")
    page.run("document.querySelector('#last').click()")
    page.wait("document.querySelector('#readings .ev-verdict')", PATIENCE)
    enter(page, "Explore")
    page.wait("document.querySelector('#gallery .ev-empty')?.textContent.includes('evoke repro images')")
    enter(page, "Grow")
    page.run("document.querySelector('#grow').click()")
    page.wait("document.querySelectorAll('#growth section').length >= 1", PATIENCE)


def test_an_upload_is_read_and_one_too_large_is_refused(page: Page, tmp_path: Path) -> None:
    enter(page, "Read")
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "mine.png")
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=document, selector="#drop input[type=file]")
    if not node["nodeId"]:  # there is an image already
        page.run("document.querySelector('#drop button[aria-label=Clear], #drop .icon-button')?.click()")
        page.wait("document.querySelector('#drop input[type=file]')")
        node = page.call("DOM.querySelector", nodeId=document, selector="#drop input[type=file]")
    page.call("DOM.setFileInputFiles", files=[str(tmp_path / "mine.png")], **node)
    page.wait("document.querySelector('#drop').textContent.includes('mine')")
    page.run("document.querySelector('#read').click()")
    page.wait("document.querySelector('.ev-seen figcaption')?.textContent === '64 x 48 px'", PATIENCE)
    too_large = "fetch('gradio_api/upload', {method: 'POST', body: (() => { const form = new FormData(); " \
                "form.append('files', new Blob([new Uint8Array(65 << 20)]), 'a.png'); return form })()})"  # fmt: skip
    assert page.run(f"{too_large}.then((answer) => answer.status)") >= 400


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_room_is_accessible_and_fits_a_phone(page: Page, dark: bool) -> None:
    page.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; 0")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.call("Emulation.setEmulatedMedia", features=[scheme])
    page.wait(f"document.body.classList.contains('dark') === {str(dark).lower()}")
    page.settle()
    page.resize(PHONE)
    for room in ROOMS:
        enter(page, room)
        assert page.run("document.documentElement.scrollWidth") <= PHONE[0]
        found = page.run(
            "axe.run().then((result) => result.violations.filter((one) => ['serious', 'critical'].includes(one.impact))"
            ".map((one) => one.id + ': ' + one.nodes.map((node) => node.html.slice(0, 200)).join(' ')))"
        )
        assert found == [], room


def test_another_host_name_and_another_file_are_refused(url: str, place: Path) -> None:
    for asked, status in (
        (Request(url, headers={"Host": "evil.example"}), 400),
        (Request(f"{url}gradio_api/file={place / 'params.yaml'}"), 403),
        (Request(f"{url}images/..%2f..%2fparams.yaml"), 404),
    ):
        with pytest.raises(HTTPError) as refused:
            urlopen(asked)
        assert refused.value.code == status


def test_no_upload_outlives_the_studio(place: Path, url: str) -> None:
    assert len(list((place / "out/studio").glob(f"{UPLOADS}*"))) == 1  # while it runs; `url` checks its end
