"""Make the README's images from a finished run: `python -m benchmarks.readme_pictures`."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.artifacts import read_shards
from pipeline.emotions import EMOTIONS
from pipeline.generation.images import sheet
from pipeline.schemas import IMAGES_SCHEMA

DOCS, IMAGES, TRANSFER = Path("docs"), Path("data/images"), Path("plots/grids/coemogen_emoset/transfer.png")
COLUMNS = 8
COLORS = 128  # size of the palette
TRANSFER_PX = 1400  # width
HERO = {"stable_diffusion": "Stable Diffusion", "coemogen_emoset": "CoEmoGen", "uniemo_joint": "UniEmo"}
EDGE, GAP, TEXT_PX, LEFT = 128, 6, 24, 150  # px of an image, between images, of a line of text, and left of the images


def main() -> None:
    """Write hero.png, samples.png, coemogen.png, uniemo.png and transfer.png to docs/."""
    transfer = Image.open(TRANSFER).convert("RGB")
    sheets = {
        "hero": hero(),
        "samples": sheet_of("stable_diffusion"),
        "coemogen": beside(sheet_of("coemogen_emoset"), sheet_of("coemogen_emoart")),
        "uniemo": beside(sheet_of("uniemo_joint"), sheet_of("uniemo_feedback")),
        "transfer": transfer.resize((TRANSFER_PX, TRANSFER_PX * transfer.height // transfer.width)),
    }
    for name, page in sheets.items():
        page.quantize(COLORS, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)


def hero() -> Image.Image:
    """Return the first image of each emotion by three methods, a row each, under the names of the emotions."""
    rows = {method: first_images(method) for method in HERO}
    emotions = list(next(iter(rows.values())))
    page = Image.new("RGB", (LEFT + len(emotions) * (EDGE + GAP), TEXT_PX + len(rows) * (EDGE + GAP)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(17)
    for column, emotion in enumerate(emotions):
        draw.text((LEFT + column * (EDGE + GAP) + EDGE // 2, TEXT_PX // 2), emotion, "black", font, "mm")
    for row, (method, images) in enumerate(rows.items()):
        top = TEXT_PX + row * (EDGE + GAP)
        draw.text((LEFT - 10, top + EDGE // 2), HERO[method], "black", font, "rm")
        for column, emotion in enumerate(emotions):
            enlarged = images[emotion].resize((EDGE, EDGE), Image.Resampling.LANCZOS)
            page.paste(enlarged, (LEFT + column * (EDGE + GAP), top))
    return page


def first_images(method: str) -> dict[str, Image.Image]:
    """Return the first image of each emotion by a method, in the order of the emotions."""
    rows = read_shards(IMAGES / method, IMAGES_SCHEMA, ["image_id", "image", "emotion"]).to_pylist()
    first = {row["emotion"]: row["image"]["bytes"] for row in reversed(rows)}
    return {emotion: Image.open(io.BytesIO(first[emotion])).convert("RGB") for emotion in EMOTIONS if emotion in first}


def sheet_of(method: str) -> Image.Image:
    """Return a sheet with the first images of each emotion, one row per emotion."""
    return sheet(read_shards(IMAGES / method, IMAGES_SCHEMA, ["image_id", "image", "emotion"]), COLUMNS)


def beside(left: Image.Image, right: Image.Image, gap: int = 12) -> Image.Image:
    """Return one image of two sheets of the same height side by side."""
    page = Image.new("RGB", (left.width + gap + right.width, left.height), "white")
    page.paste(left, (0, 0))
    page.paste(right, (left.width + gap, 0))
    return page


if __name__ == "__main__":
    main()
