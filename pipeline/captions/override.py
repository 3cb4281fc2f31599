"""Read and write the user's own captions: a CSV of image_id and caption that replaces the model's captions."""

import csv
import io
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.corpora.records import shown

COLUMNS = ["image_id", "caption"]
MAX_CSV_BYTES = 256 << 20  # a caption of 500 characters for each image of EmoSet-118K takes 60 MB
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_captions(path: Path, prefix: str = "", may_be_empty: bool = False) -> dict[str, str]:
    """Return the captions by image_id, for ids that begin with `prefix`; a file with only a header gives none.

    may_be_empty: whether captions may be empty, as in an export of those that the model did not write. White space
    within a caption becomes a single space. Raises ValueError that names the invalid line.
    """
    with path.open("rb") as bounded:
        data = bounded.read(MAX_CSV_BYTES + 1)
    if len(data) > MAX_CSV_BYTES:
        raise ValueError(
            f"{path}: larger than {MAX_CSV_BYTES} bytes; expected is a CSV file with the columns {','.join(COLUMNS)}"
        )
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)  # otherwise an open quote would swallow the captions after it
        captions: dict[str, str] = {}
        try:
            header = next(rows, None)
            if header is None:
                raise ValueError(f"the file is empty; its first line must be {','.join(COLUMNS)}")
            if header != COLUMNS:
                raise ValueError(f"the first line is {shown(','.join(header))}; it must be {','.join(COLUMNS)}")
            for row in filter(None, rows):
                image_id, caption = caption_of(row, may_be_empty)
                if image_id in captions:
                    raise ValueError(f"{image_id} already has a caption in this file")
                captions[image_id] = caption
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8 ({error.reason}); save it as a CSV file in UTF-8") from None
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {rows.line_num}: {error}") from None
    return {image_id: caption for image_id, caption in captions.items() if image_id.startswith(prefix)}


def caption_of(row: Sequence[str], may_be_empty: bool = False) -> tuple[str, str]:
    """Return a row as (image_id, caption). Raises ValueError that says what is wrong with it."""
    if len(row) != len(COLUMNS):
        raise ValueError(
            f"{len(row)} columns, expected {','.join(COLUMNS)}; put captions that contain commas in quotes"
        )
    image_id, caption = row[0].strip(), " ".join(row[1].split())
    if "/" not in image_id or not image_id.isprintable():
        raise ValueError(f"{shown(image_id)} is not an image_id such as emoset/amusement_00001")
    if not caption and not may_be_empty:
        raise ValueError(f"the caption of {image_id} is empty; remove the line to have the captioner write one")
    if CONTROL.search(caption):
        raise ValueError(f"the caption of {image_id} contains a control character: {shown(caption)}")
    return image_id, caption


def check_known(captions: Mapping[str, str], image_ids: Container[str], path: Path) -> None:
    """Check that every caption is for an image of the corpus. Raises ValueError otherwise."""
    unknown = [image_id for image_id in captions if image_id not in image_ids]
    if unknown:
        raise ValueError(
            f"{path}: {len(unknown)} captions have an image_id that is in no corpus; the first is {unknown[0]}"
        )


def write_csv(rows: Iterable[tuple[str, str]], path: Path) -> int:
    """Write (image_id, caption) rows in the form that `read_captions` reads, and return their number."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
