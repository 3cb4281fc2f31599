"""The funnel counts what passed each step, in all and by emotion, style and genre, and is drawn with equal bytes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.artifacts import write_json
from pipeline.corpora import funnel_figure
from pipeline.corpora.funnel import GROUPS, NOT_TOLD, STEPS, Funnel, funnel, metrics
from pipeline.corpora.records import KEPT, RARE, UNSURE
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CAPTION_FILTER_SCHEMA, CURATION_SCHEMA

Row = tuple[str, str, str | None, str | None]  # emotion, reason, style, genre
ROWS: list[Row] = [
    ("awe", KEPT, "Cubism", "portrait"),
    ("awe", KEPT, "Cubism", None),
    ("awe", UNSURE, "Rococo", None),
    ("fear", RARE, "Cubism", "portrait"),
    ("anger", KEPT, None, "still_life"),
    ("anger", UNSURE, "Rococo", "portrait"),
]


def judged(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"image_id": f"emoart/{index:06d}", "emotion": emotion, "confidence": 0.5, "reason": reason, "style": style,
             "genre": genre}
            for index, (emotion, reason, style, genre) in enumerate(rows)
        ],
        schema=CURATION_SCHEMA.arrow,
    )  # fmt: skip


def filtered(rows: pa.Table, dropped: tuple[str, ...] = ()) -> pa.Table:
    """Every kept picture captioned, the named dropped by the filter."""
    return pa.Table.from_pylist(
        [
            {"image_id": row["image_id"], "emotion": row["emotion"], "split": "train", "similarity": 0.5,
             "kept": row["image_id"] not in dropped, "reason": "kept"}
            for row in rows.to_pylist() if row["reason"] == KEPT
        ],
        schema=CAPTION_FILTER_SCHEMA.arrow,
    )  # fmt: skip


def example() -> Funnel:
    return funnel(judged(ROWS), 3, filtered(judged(ROWS), ("emoart/000001",)))


def test_each_step_is_counted_in_all_and_by_group() -> None:
    found = example()
    assert (found.num_collected, found.total) == (9, (6, 4, 3, 3, 2))
    assert {name: counts for name, counts in found.by["emotion"].items() if any(counts)} == {
        "awe": (3, 2, 2, 2, 1), "fear": (1, 1, 0, 0, 0), "anger": (2, 1, 1, 1, 1),
    }  # fmt: skip
    assert tuple(found.by["emotion"]) == EMOTIONS
    assert found.by["style"] == {NOT_TOLD: (1, 1, 1, 1, 1), "Cubism": (3, 3, 2, 2, 1), "Rococo": (2, 0, 0, 0, 0)}
    assert found.by["genre"] == {
        NOT_TOLD: (2, 1, 1, 1, 0), "portrait": (3, 2, 1, 1, 1), "still_life": (1, 1, 1, 1, 1),
    }  # fmt: skip


rows_of_any_kind = st.lists(
    st.tuples(
        st.sampled_from(EMOTIONS), st.sampled_from([KEPT, UNSURE, RARE]), st.sampled_from(["Cubism", "Rococo", None]),
        st.sampled_from(["portrait", None]),
    ),
    min_size=1,
)  # fmt: skip


@given(rows_of_any_kind, st.sets(st.integers(0, 20)))
def test_a_funnel_never_widens_and_its_groups_add_up(rows: list[Row], dropped: set[int]) -> None:
    table = judged(rows)
    found = funnel(table, 2, filtered(table, tuple(f"emoart/{index:06d}" for index in dropped)))
    for counts in [found.total, *(counts for group in GROUPS for counts in found.by[group].values())]:
        assert list(counts) == sorted(counts, reverse=True)
    for group in GROUPS:
        if found.by[group]:
            assert tuple(np.sum(list(found.by[group].values()), axis=0)) == found.total


def test_a_group_of_which_nothing_is_told_is_left_out() -> None:
    table = judged([("awe", KEPT, None, None)])
    found = funnel(table, 0, filtered(table))
    assert found.by["style"] == found.by["genre"] == {}


def test_captions_of_other_pictures_are_refused() -> None:
    table = judged(ROWS)
    for other in (judged([*ROWS, ("awe", KEPT, None, None)]), judged([("fear", KEPT, None, None)] * 4)):
        with pytest.raises(ValueError, match="the captions do not belong to the kept images; run `dvc repro`"):
            funnel(table, 0, filtered(other))


def test_metrics_are_flat_and_one_line_for_each_style_and_genre(tmp_path: Path) -> None:
    numbers = metrics(example())
    write_json(tmp_path / "metrics.json", numbers)
    wanted = {
        "num_collected": 9, "num_readable": 6, "num_confident": 4, "num_frequent": 3, "num_captioned": 3, "num_kept": 2,
        "num_confident_awe": 2, "num_kept_awe": 1, "num_readable_disgust": 0,
        "steps": "readable > confident > frequent > captioned > kept",
        "style/Cubism": "3 > 3 > 2 > 2 > 1", "genre/(not told)": "2 > 1 > 1 > 1 > 0",
    }  # fmt: skip
    assert {name: numbers[name] for name in wanted} == wanted
    assert len(numbers) == 2 + len(STEPS) * (1 + len(EMOTIONS)) + 3 + 3


MANY = [("awe", KEPT, f"style {index // 2}", "a $ and \\foo$") for index in range(80)]


@pytest.mark.parametrize("rows", [ROWS, [("awe", KEPT, None, None)], [("awe", UNSURE, None, "x")], MANY])
def test_the_figure_has_a_sane_size_and_equal_bytes_in_two_runs(tmp_path: Path, rows: list[Row]) -> None:
    table = judged(rows)
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path in paths:
        funnel_figure.draw(funnel(table, 1, filtered(table)), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        assert image.width == 1210
        assert 300 <= image.height <= 1400
        assert np.asarray(image.convert("L")).std() > 5


def test_every_emotion_has_its_own_colour() -> None:
    assert len(set(funnel_figure.COLORS.values())) == len(EMOTIONS) == len(funnel_figure.COLORS)
