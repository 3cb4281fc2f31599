"""Write a study as a folder that any web space can serve: one HTML page, and the images under neutral names."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

from evoke.study.design import Key
from pipeline.corpora.images import read_image, to_rgb

TEMPLATE = Path(__file__).with_name("page.html")
LOSSLESS_PX, QUALITY = 256, 92  # larger images would take half a megabyte each without loss


def page(key: Key) -> str:
    """Return the page of a study. It holds no method and no image id."""
    data = json.dumps(key.public(), separators=(",", ":")).replace("<", "\\u003c")  # no tag can end the script element
    values = {"STUDY_TITLE": html.escape(key.questionnaire.title), "STUDY_DATA": data}
    return re.sub("STUDY_TITLE|STUDY_DATA", lambda match: values[match[0]], TEMPLATE.read_text(encoding="utf-8"))


def write_site(folder: Path, key: Key, encoded: Mapping[str, bytes]) -> None:
    """Write index.html and images/ into a folder.

    encoded: the image files by image id. They are decoded and encoded anew, so that no metadata of theirs is published,
    in the order of their neutral names, so that no time of a file tells its method.
    """
    (folder / "images").mkdir(parents=True)
    for file, image_id in key.files.items():
        image = to_rgb(read_image(encoded[image_id]))
        is_small = max(image.size) <= LOSSLESS_PX
        image.save(folder / "images" / file, "WEBP", lossless=is_small, quality=QUALITY)
    (folder / "index.html").write_text(page(key), encoding="utf-8")
