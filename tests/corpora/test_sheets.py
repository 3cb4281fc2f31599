"""A contact sheet has the surest pictures of an emotion, each whole in its cell."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from evoke.corpus import sheets
from evoke.corpus.sheets import CELL_PX, COLUMNS, GAP_PX, TEXT_PX, most_confident, sheet, thumbnails
from pipeline.corpora.records import KEPT, RARE, UNSURE
from pipeline.schemas import CURATION_SCHEMA

from .gallery import stored


def judged(rows: list[tuple[str, float, str]]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"image_id": f"mine/{index}", "emotion": emotion, "confidence": confidence, "reason": reason}
            for index, (emotion, confidence, reason) in enumerate(rows)
        ],
        schema=CURATION_SCHEMA.arrow,
    )


def test_the_surest_kept_come_first_ties_by_id() -> None:
    rows = [("awe", 0.8, KEPT), ("awe", 0.9, KEPT), ("awe", 0.8, KEPT), ("awe", 0.99, RARE), ("fear", 0.9, KEPT)]
    table = judged([*rows, ("awe", 0.3, UNSURE)])
    assert [image_id for image_id, _ in most_confident(table, "awe")] == ["mine/1", "mine/0", "mine/2"]
    assert most_confident(table, "awe", 1) == [("mine/1", pytest.approx(0.9))]
    assert most_confident(table, "anger") == []


def test_thumbnails_are_made_of_the_wanted_alone_while_pieces_come() -> None:
    def pieces() -> Iterator[pa.Table]:
        for start in (0, 2):
            images = [
                {"bytes": stored(number=index) if index != 1 else b"broken", "path": None}
                for index in (start, start + 1)
            ]
            yield pa.table({"image_id": [f"mine/{start}", f"mine/{start + 1}"], "image": images})

    found = thumbnails(pieces(), ["mine/0", "mine/3"])
    assert set(found) == {"mine/0", "mine/3"}
    assert found["mine/3"].getpixel((0, 0)) == (1, 255, 3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 64), (192, 192)), ((50, 20), (150, 60)), ((1000, 500), (192, 96)), ((193, 10), (192, 10)),
        ((1, 50), (3, 150)),
    ],
)  # fmt: skip
def test_a_picture_fits_its_cell_and_keeps_its_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = [{"bytes": stored(size=size), "path": None}]
    found = thumbnails([pa.table({"image_id": ["mine/a"], "image": data})], ["mine/a"])["mine/a"]
    assert found.size == expected


def test_pictures_stand_row_by_row_in_their_order() -> None:
    names = [f"mine/{index}" for index in range(COLUMNS + 1)]
    small = {name: Image.new("RGB", (CELL_PX, CELL_PX), (20 * index, 0, 0)) for index, name in enumerate(names)}
    page = sheet([(name, 0.9) for name in names], small)
    assert page.size == (COLUMNS * (CELL_PX + GAP_PX) + GAP_PX, 2 * (CELL_PX + TEXT_PX + GAP_PX) + GAP_PX)
    for index in range(len(names)):
        x = GAP_PX + index % COLUMNS * (CELL_PX + GAP_PX) + 5
        assert page.getpixel((x, GAP_PX + index // COLUMNS * (CELL_PX + TEXT_PX + GAP_PX) + 5)) == (20 * index, 0, 0)
    assert page.tobytes() == sheet([(name, 0.9) for name in names], small).tobytes()


@pytest.mark.parametrize("name", ["a", "ein/sehr/langer/Pfad/zu/einem/Bild_mit_Namen", "путь/猫", "x" * 900])
def test_a_name_of_any_length_stays_in_its_cell_and_ends_as_the_file_does(name: str) -> None:
    font = sheets._font()
    text = sheets._fitting("0.98", name, font)
    assert font.getlength(text) <= CELL_PX
    assert text.startswith("0.98  ")
    assert text.endswith(name[-5:])
    page = sheet([(f"mine/{name}", 0.98)], {f"mine/{name}": Image.new("RGB", (CELL_PX, CELL_PX), "white")})
    assert np.asarray(page)[GAP_PX + CELL_PX :].min() < 100
