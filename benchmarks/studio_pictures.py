"""Make the pictures of docs/STUDIO.md from a finished run: `python -m benchmarks.studio_pictures`.

It starts `evoke studio`, uses each room in a headless Chromium, and takes pictures on a desktop and on a phone.
"""

import io
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks.browser import DESKTOP, PHONE, Page, browser

DOCS = Path("docs/studio")
COLORS = 192  # size of the palette
PATIENCE = 900.0
TALLEST = 1800  # px of a picture of a phone


def main(docs: Path = DOCS) -> None:
    """Write make.png, make-phone.png and so on to docs/studio."""
    docs.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as out:
        command = [sys.executable, "-m", "evoke", "studio", "--port", "0", "--out", out]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        try:
            match = re.match(r"(\S+) ", process.stdout.readline())
            assert match, "the studio did not start"
            with browser() as page:
                rooms(page, match[1], docs)
        finally:
            process.terminate()
            process.wait(60)


def rooms(page: Page, url: str, docs: Path) -> None:
    """Use every room and take its pictures."""
    page.open(url)
    page.wait("document.querySelector('#make')")
    set_slider(page, 1, 0.6)
    set_slider(page, 0, 0)
    set_slider(page, 6, 0.4)
    page.run("document.querySelector('#make').click()")
    images = "[...document.querySelectorAll('#made img')].filter((one) => one.complete).length"
    print(f"the first image came {page.wait(f'{images} >= 1', PATIENCE):.1f} s after the click")
    page.wait(f"{images} === 4", PATIENCE)
    take(page, docs / "make")
    tab(page, "Read")
    page.run("document.querySelector('#last').click()")
    page.wait("document.querySelector('#readings .ev-verdict')", PATIENCE)
    page.wait("!document.querySelector('#readings').textContent.includes('reading ...')", PATIENCE)
    take(page, docs / "read")
    tab(page, "Explore")
    for name in ("Images", "Art", "Captions"):
        tab(page, name)
        place = {"Images": "gallery", "Art": "art", "Captions": "captions"}[name]
        page.wait(f"document.querySelector('#{place} img, #{place} .ev-empty')", PATIENCE)
        take(page, docs / f"explore-{name.lower()}", phone=name == "Images")
    tab(page, "Grow")
    page.run("document.querySelector('#grow').click()")
    page.wait("document.querySelectorAll('#growth section').length === 4", PATIENCE)
    page.wait("!document.querySelector('#growth .ev-notice')", PATIENCE)
    take(page, docs / "grow")
    tab(page, "Make")
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.wait("document.body.classList.contains('dark')")
    page.settle()
    save(page.picture(), docs / "make-dark.png", DESKTOP[1])


def tab(page: Page, name: str) -> None:
    """Open a room, or a part of one."""
    tab_button = (
        f"[...document.querySelectorAll('button[role=tab]')].find((one) => one.textContent.trim() === '{name}')"
    )
    page.wait(tab_button)
    page.run(f"{tab_button}.click()")
    page.wait(f"{tab_button}.getAttribute('aria-selected') === 'true'")


def set_slider(page: Page, index: int, value: float) -> None:
    """Move the slider of an emotion as a hand would."""
    page.run(
        f"(() => {{ const one = document.querySelectorAll('.ev-sliders input[type=range]')[{index}];"
        f"one.value = {value}; for (const kind of ['input', 'change', 'pointerup']) "
        "one.dispatchEvent(new Event(kind, {bubbles: true})) })()"
    )


def take(page: Page, path: Path, phone: bool = True) -> None:
    """Write a picture of the room as it is on a desktop, and one as on a phone."""
    page.run("window.scrollTo(0, 0)")
    save(page.picture(), path.with_suffix(".png"), DESKTOP[1])
    if phone:
        page.resize(PHONE)
        page.wait("document.documentElement.scrollWidth <= innerWidth")
        save(page.picture(whole=True), path.with_name(f"{path.name}-phone.png"), TALLEST)
        page.resize(DESKTOP)


def save(data: bytes, path: Path, max_px: int) -> None:
    """Write a picture with a palette, cut at a height."""
    with Image.open(io.BytesIO(data)) as image:
        shown = image.convert("RGB").crop((0, 0, image.width, min(image.height, max_px)))
    shown.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
