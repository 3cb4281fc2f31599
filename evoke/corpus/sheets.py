"""Draw contact sheets of a curation: on one page per emotion, the images of which the classifier is most confident."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from pipeline.corpora.images import read_image, to_rgb
from pipeline.corpora.records import KEPT

COLUMNS, ROWS = 6, 5
CELL_PX, TEXT_PX, GAP_PX = 192, 20, 8
FONT_PX = 12


def most_confident(judged: pa.Table, emotion: str, num: int = COLUMNS * ROWS) -> list[tuple[str, float]]:
    """Return (image_id, confidence) of at most `num` kept images of an emotion.

    The highest confidence comes first, ties in the order of image_id.
    """
    is_kept = pc.and_(_equal(judged["emotion"], emotion), _equal(judged["reason"], KEPT))
    ranked = judged.filter(is_kept).sort_by([("confidence", "descending"), ("image_id", "ascending")]).slice(0, num)
    return list(zip(ranked["image_id"].to_pylist(), ranked["confidence"].to_pylist(), strict=True))


def thumbnails(confident: Iterable[pa.Table], image_ids: Collection[str]) -> dict[str, Image.Image]:
    """Return thumbnails of some confident images by image_id, with one full-size image in memory at a time."""
    ids = pa.array(image_ids, pa.string())
    small: dict[str, Image.Image] = {}
    for piece in confident:
        for row in piece.filter(pc.is_in(piece["image_id"], ids)).select(["image_id", "image"]).to_pylist():
            small[row["image_id"]] = _small(to_rgb(read_image(row["image"]["bytes"])))
    return small


def sheet(ranked: Sequence[tuple[str, float]], small: Mapping[str, Image.Image]) -> Image.Image:
    """Return a page with COLUMNS images per row, each above its confidence and the end of its name."""
    width, height = CELL_PX + GAP_PX, CELL_PX + TEXT_PX + GAP_PX
    page = Image.new("RGB", (COLUMNS * width + GAP_PX, -(-len(ranked) // COLUMNS) * height + GAP_PX), "white")
    pen, font = ImageDraw.Draw(page), _font()
    for place, (image_id, confidence) in enumerate(ranked):
        left, top = GAP_PX + place % COLUMNS * width, GAP_PX + place // COLUMNS * height
        image = small[image_id]
        page.paste(image, (left + (CELL_PX - image.width) // 2, top + (CELL_PX - image.height) // 2))
        text = _fitting(f"{confidence:.2f}", image_id.partition("/")[2], font)
        pen.text((left + CELL_PX // 2, top + CELL_PX + TEXT_PX // 2), text, "black", font, "mm")
    return page


def _small(image: Image.Image) -> Image.Image:
    """Return the image as large as fits a cell; tiny images grow by whole factors so that their pixels stay square."""
    factor = CELL_PX // max(image.size)
    if factor >= 1:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((CELL_PX, CELL_PX))
    return image


def _fitting(confidence: str, name: str, font: ImageFont.FreeTypeFont) -> str:
    """Return text such as "0.98  beach/boat", with the name cut at its beginning if it does not fit a cell."""
    text = f"{confidence}  {name}"
    begin = max(0, len(name) - CELL_PX // 2)  # every letter is wider than 2 px
    while len(text) > CELL_PX or font.getlength(text) > CELL_PX:
        begin += 1
        text = f"{confidence}  …{name[begin:]}"
    return text


def _font() -> ImageFont.FreeTypeFont:
    """Return matplotlib's font, which covers more alphabets than Pillow's own and is the same on every machine."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(path, FONT_PX, layout_engine=ImageFont.Layout.BASIC)


def _equal(column: pa.ChunkedArray, word: str) -> pa.ChunkedArray:
    return pc.equal(column.cast(pa.string()), word)
