"""The room Read: a card for each reader, and one line in place for what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoke.studio.models import Studio
from evoke.studio.read import read
from pipeline.emotion_set import EMOTIONS

BOTH = ["uniemo_understanding", "CLIP zero-shot"]


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((64, 64)).save(tmp_path / "drawing.png")
    return tmp_path / "drawing.png"


def test_readers_side_by_side_come_one_by_one(shared: Studio, drawing: Path) -> None:
    pages = list(read(shared, drawing, BOTH, False))
    assert [page.count("ev-verdict") for page in pages] == [0, 1, 2]
    assert all(pages[-1].count(f">{emotion}</th>") == 2 for emotion in EMOTIONS)
    assert pages[-1].count(">positive</th>") == 2
    assert pages[-1].count("queries look, as heat") == 2  # scene and object of the first; a classifier has no queries
    assert "<dt>scenes</dt>" in pages[-1]


def test_a_photograph_is_refused_by_the_miniature_unless_it_is_asked_anyway(
    shared: Studio, drawing: Path, tmp_path: Path
) -> None:
    Image.open(drawing).resize((300, 200)).save(tmp_path / "photo.jpg")
    refused = list(read(shared, tmp_path / "photo.jpg", BOTH, False))[-1]
    assert refused.count("knows drawings of 64 px only") == 2
    assert list(read(shared, tmp_path / "photo.jpg", BOTH, True))[-1].count("ev-verdict") == 2


def test_what_cannot_be_read_is_said(shared: Studio, drawing: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("<script>")
    cases = (
        (None, BOTH, "No image is given"), (drawing, [], "No reader is chosen"),
        (tmp_path / "text.png", BOTH, "expected"), (tmp_path / "gone.png", BOTH, "gone.png"),
        (drawing, ["nobody"], "There is no model"),
    )  # fmt: skip
    for file, names, message in cases:
        last = list(read(shared, file, names, False))[-1]
        assert "role=alert" in last
        assert message in last
        assert "<script>" not in last
