"""Make the README's screenshots of a finished run's report: `python -m benchmarks.report_pictures`; needs Chromium."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

DOCS, REPORT = Path("docs"), Path("report/index.html")
SCREENS = {"report": (1280, 700, "light"), "report_phone": (390, 844, "dark")}  # width, height, color scheme
COLORS = 128  # size of the palette
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000")
SCHEMES = {"light": "--blink-settings=preferredColorScheme=1", "dark": "--blink-settings=preferredColorScheme=0"}
FRAME = """<!DOCTYPE html><body style="margin: 0"><iframe src="{page}" width="{width}" height="{height}" frameborder="0"
scrolling="no"></iframe>"""  # a window of Chromium is never as narrow as a phone


def main() -> None:
    """Write report.png and report_phone.png to docs/."""
    for name, screen in SCREENS.items():
        drawn = screenshot(*screen)
        drawn.quantize(COLORS, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)


def screenshot(width: int, height: int, scheme: str) -> Image.Image:
    """Return the first screen of the report at a width in px, in a color scheme."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ValueError(f"no browser was found; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        frame, shot = Path(folder, "frame.html"), Path(folder, "shot.png")
        frame.write_text(FRAME.format(page=REPORT.resolve().as_uri(), width=width, height=height))
        own = (f"--user-data-dir={folder}/profile", f"--window-size={max(width, 500)},{height}", f"--screenshot={shot}")
        command = [browser, *OPTIONS, SCHEMES[scheme], *own, frame.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        with Image.open(shot) as drawn:
            return drawn.convert("RGB").crop((0, 0, width, height))


if __name__ == "__main__":
    main()
