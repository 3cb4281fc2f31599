"""The figures are written as they are named, the same bytes for the same captions, whatever the filter left."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.captions import figures
from pipeline.captions.filter import drop_worst
from pipeline.emotions import EMOTIONS

PER_EMOTION = 10


def filtered(drop_fraction: float = 0.2, emotions: tuple[str, ...] = EMOTIONS, empty: int = -1) -> pa.Table:
    """Ten train captions of each emotion, of similarities falling from 0.9 in steps of 0.05, and a test row each; of
    the row `empty` there is none.
    """
    names = [emotion for emotion in emotions for _ in range(PER_EMOTION + 1)]
    similarity = [0.9 - 0.05 * place for _ in emotions for place in range(PER_EMOTION + 1)]
    rows = pa.table({
        "image_id": [f"emoset/{index:05d}" for index in range(len(names))],
        "emotion": names,
        "split": (["train"] * PER_EMOTION + ["test"]) * len(emotions),
        "similarity": pa.array(similarity, pa.float32(), mask=np.arange(len(names)) == empty),
    })  # fmt: skip
    return drop_worst(rows, drop_fraction)


def captions(rows: pa.Table) -> list[str]:
    return [f"a {emotion} beach, with a boat" for emotion in rows["emotion"].to_pylist()]


def draw(folder: Path, rows: pa.Table) -> list[Path]:
    """All three figures in a new folder."""
    folder.mkdir()
    paths = [folder / "similarity.png", folder / "words.png", folder / "examples.png"]
    shown, texts = figures.extremes(rows), captions(rows)
    pictures = [Image.fromarray(np.full((64, 64, 3), 8 * index % 256, np.uint8)) for index in range(len(shown))]
    titles = [figures.title(row) for row in rows.take(shown).to_pylist()]
    figures.similarity_histograms(rows, paths[0])
    figures.word_clouds(texts, rows, paths[1])
    figures.examples(pictures, titles, [texts[row] for row in shown], paths[2])
    return paths


def test_figures_have_sane_sizes_and_equal_bytes_in_two_runs(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "first", filtered()), draw(tmp_path / "second", filtered())
    for path, again in zip(first, second, strict=True):
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert 800 <= image.width <= 2000
            assert 400 <= image.height <= 4000
            assert np.asarray(image.convert("L")).std() > 5
        assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(("drop_fraction", "emotions"), [(0.0, EMOTIONS), (0.97, EMOTIONS), (0.2, ("awe",))])
def test_figures_are_drawn_when_nothing_is_dropped_or_kept_or_an_emotion_is_missing(
    tmp_path: Path, drop_fraction: float, emotions: tuple[str, ...]
) -> None:
    assert all(path.stat().st_size > 1000 for path in draw(tmp_path / "plots", filtered(drop_fraction, emotions)))


def test_figures_leave_out_what_has_no_caption(tmp_path: Path) -> None:
    rows = filtered(empty=3)
    draw(tmp_path / "drawn", rows)
    assert 3 not in figures.extremes(rows)


def test_dollars_in_a_caption_are_no_mathematics(tmp_path: Path) -> None:
    figures.examples([Image.new("RGB", (8, 8))], ["awe, kept, 0.40"], [r"a sign of $5 and \foo$"], tmp_path / "one.png")
    assert (tmp_path / "one.png").exists()


def test_extremes_are_best_and_middling_kept_then_best_and_worst_dropped() -> None:
    rows = filtered()
    awe = EMOTIONS.index("awe") * (PER_EMOTION + 1)
    shown = figures.extremes(rows)
    assert len(shown) == 4 * len(EMOTIONS)
    assert shown[4:8] == [awe, awe + 4, awe + 8, awe + 9]
    titles = [figures.title(row) for row in rows.take(shown[4:8]).to_pylist()]
    assert titles == ["awe, kept, 0.90", "awe, kept, 0.70", "awe, dropped, 0.50", "awe, dropped, 0.45"]


def test_extremes_show_the_kept_where_none_is_dropped_and_the_dropped_where_none_is_kept() -> None:
    assert figures.extremes(filtered(0.0, ("awe",))) == [0, 5]
    assert figures.extremes(filtered(0.97, ("awe",))) == [0, 9]


def test_words_are_counted_without_case_punctuation_and_stop_words() -> None:
    assert figures.count_words(["A beach, with a boat.", "the Beach"]) == {"beach": 2, "boat": 1}
