"""Make the README's images from a finished run: `python -m benchmarks.readme_pictures`."""

from pathlib import Path

from PIL import Image

from pipeline.artifacts import read_shards
from pipeline.generation.images import sheet
from pipeline.schemas import IMAGES_SCHEMA

DOCS, IMAGES, TRANSFER = Path("docs"), Path("data/images"), Path("plots/grids/coemogen_emoset/transfer.png")
COLUMNS = 8
COLORS = 128  # size of the palette


def main() -> None:
    """Write samples.png, coemogen.png, uniemo.png and transfer.png to docs/."""
    sheets = {
        "samples": sheet_of("stable_diffusion"),
        "coemogen": beside(sheet_of("coemogen_emoset"), sheet_of("coemogen_emoart")),
        "uniemo": beside(sheet_of("uniemo_joint"), sheet_of("uniemo_feedback")),
        "transfer": Image.open(TRANSFER).convert("RGB"),
    }
    for name, page in sheets.items():
        page.quantize(COLORS, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)


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
