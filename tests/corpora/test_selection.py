"""What makes a corpus of the judged: copies and rare emotions go, the rest is split by emotion, and streamed."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpora import selection
from pipeline.corpora.curate import JUDGED_SCHEMA
from pipeline.corpora.pack import reject_table
from pipeline.corpora.records import KEPT, RARE, SPLITS, UNSURE, Reason, Reject
from pipeline.corpora.selection import Selection, rare_emotions, select, shards, splits, summary
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, REJECTS_SCHEMA, check_table, encode_words

from .gallery import SETTINGS


def judged(rows: list[tuple[str, str]], digests: list[str] | None = None) -> pa.Table:
    """(emotion, reason) rows with ids in order."""
    return pa.Table.from_pylist(
        [
            {"image_id": f"mine/{index:05d}", "emotion": emotion, "confidence": 0.9 if reason == KEPT else 0.3,
             "reason": reason, "style": "Cubism", "sha256": (digests or list(map(str, range(len(rows)))))[index]}
            for index, (emotion, reason) in enumerate(rows)
        ],
        schema=JUDGED_SCHEMA.arrow,
    )  # fmt: skip


def selected(table: pa.Table, rejects: list[Reject] | None = None, seed: int = 0, **changes: Any) -> Selection:
    settings = SETTINGS.model_copy(update=changes)
    return select([table], [reject_table(rejects or [])], settings, np.random.default_rng(seed))


counts_of_emotions = st.dictionaries(st.sampled_from(EMOTIONS), st.integers(1, 60), min_size=1)


@given(counts_of_emotions, st.floats(0, 0.5))
def test_an_emotion_is_dropped_exactly_where_its_share_of_the_confident_is_under_the_rule(
    counts: dict[str, int], frac: float
) -> None:
    emotions = np.array([emotion for emotion, count in counts.items() for _ in range(count)], dtype=object)
    dropped = rare_emotions(emotions, frac)
    for emotion in EMOTIONS:
        assert (emotion in dropped) == (0 < counts.get(emotion, 0) / len(emotions) < frac)


@pytest.mark.parametrize(("num", "is_dropped"), [(6, True), (7, False)])
def test_an_emotion_of_exactly_the_share_stays(num: int, is_dropped: bool) -> None:
    """7 of 100 is 0.07, though 0.07 * 100 is more than 7 in floating point."""
    emotions = np.array(["awe"] * (100 - num) + ["fear"] * num, dtype=object)
    assert ("fear" in rare_emotions(emotions, 0.07)) == is_dropped


def test_nothing_is_dropped_without_a_rule() -> None:
    assert rare_emotions(np.array(["awe"], dtype=object), 0.0) == ()


@given(counts_of_emotions, st.floats(0, 0.49), st.floats(0, 0.49), st.integers(0, 99))
def test_each_emotion_is_split_by_the_shares_and_every_picture_has_one_split(
    counts: dict[str, int], val_frac: float, test_frac: float, seed: int
) -> None:
    emotions = np.array([emotion for emotion, count in counts.items() for _ in range(count)], dtype=object)
    ids = np.array([f"mine/{index}" for index in range(len(emotions))], dtype=object)
    found = splits(ids, emotions, val_frac, test_frac, np.random.default_rng(seed))
    assert set(found) == set(ids)
    for emotion, count in counts.items():
        in_split = Counter(found[image_id] for image_id in ids[emotions == emotion])
        assert in_split["val"] == round(val_frac * count)
        assert in_split["test"] == round(test_frac * count)
        assert in_split["train"] == count - in_split["val"] - in_split["test"]


def test_splits_are_those_of_the_generator_and_of_chance() -> None:
    table = judged([("awe", KEPT)] * 100)
    first, again, other = (dict(selected(table, seed=seed).splits) for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(image_id for image_id, split in first.items() if split == "val") != sorted(first)[:10]


def test_the_unsure_and_the_rare_are_not_kept_and_say_why() -> None:
    rows = [("awe", KEPT)] * 9 + [("fear", KEPT)] + [("anger", UNSURE)]
    found = selected(judged(rows), min_emotion_frac=0.2)
    assert found.judged["reason"].to_pylist() == [KEPT] * 9 + [RARE, UNSURE]
    assert set(found.splits) == {f"mine/{index:05d}" for index in range(9)}
    assert found.dropped == ("fear",)
    check_table(encode_words(found.judged, CURATION_SCHEMA), CURATION_SCHEMA)


def test_the_share_is_of_the_confident_and_not_of_all() -> None:
    rows = [("awe", KEPT)] * 9 + [("fear", KEPT)] + [("fear", UNSURE)] * 90
    assert "fear" not in selected(judged(rows), min_emotion_frac=0.1).dropped
    assert "fear" in selected(judged(rows), min_emotion_frac=0.11).dropped


def test_of_equal_bytes_the_first_stays_and_the_others_are_rejects() -> None:
    """Even where the first is unsure: equal bytes have equal confidence."""
    table = judged([("awe", KEPT)] * 5, ["a", "b", "a", "c", "a"])
    found = selected(table, [Reject("mine/00001x", Reason.empty_file, "0 bytes")])
    assert found.judged["image_id"].to_pylist() == ["mine/00000", "mine/00001", "mine/00003"]
    assert set(found.splits) == {"mine/00000", "mine/00001", "mine/00003"}
    assert found.rejects["image_id"].to_pylist() == ["mine/00001x", "mine/00002", "mine/00004"]
    assert found.rejects["reason"].to_pylist() == ["empty_file", "duplicate_image", "duplicate_image"]
    assert found.rejects["detail"].to_pylist()[2] == "same bytes as mine/00000, which is kept"
    check_table(found.rejects, REJECTS_SCHEMA)


def test_a_copy_and_its_original_are_named_by_their_paths() -> None:
    table = judged([("awe", KEPT)] * 2, ["a", "a"])
    paths = pa.array(["0/a b.jpg", "copy.png"])
    found = selected(table.set_column(table.column_names.index("path"), "path", paths))
    assert found.rejects["detail"].to_pylist() == ["'copy.png': same bytes as '0/a b.jpg', which is kept"]


def test_nothing_kept_is_an_error_that_says_what_to_change() -> None:
    for table, message in (
        (judged([("awe", UNSURE)] * 3), r"3 of 4 are readable .* none of them reaches min_confidence = 0\.75"),
        (judged([]), r"none of 1 can be read: 1 empty_file \(first mine/x: 0 bytes\)"),
        (judged([("awe", KEPT), ("fear", KEPT)]), r"2 reach .* at least min_emotion_frac = 0\.6 of them; lower"),
    ):
        with pytest.raises(ValueError, match=message):
            selected(table, [Reject("mine/x", Reason.empty_file, "0 bytes")], min_emotion_frac=0.6)


def test_too_many_rejects_are_an_error_with_their_reasons_and_copies_do_not_count() -> None:
    table = judged([("awe", KEPT)] * 8, ["a"] * 8)
    rejects = [
        Reject(f"mine/{name}", reason, "") for name, reason in (("x", Reason.empty_file), ("y", Reason.null_image))
    ]
    assert len(selected(table, rejects, max_reject_frac=0.2).rejects) == 9
    with pytest.raises(ValueError, match=r"2 of 10 rows are rejected, more than max_reject_frac = 0\.1") as error:
        selected(table, rejects, max_reject_frac=0.1)
    assert "1 empty_file (first mine/x), 1 null_image (first mine/y)" in str(error.value)
    assert "raise emoart.max_reject_frac" in str(error.value)


def pieces(sizes: list[int], num_bytes: int = 10) -> list[pa.Table]:
    """Confident pieces of these numbers of rows."""
    starts = np.cumsum([0, *sizes])
    return [
        pa.Table.from_pylist(
            [
                {"image_id": f"mine/{index:05d}", "image": {"bytes": bytes(num_bytes), "path": None}, "emotion": "awe",
                 "polarity": "positive", "split": "train", "width": 4, "height": 4, "sha256": "0", "confidence": 0.9}
                for index in range(start, start + size)
            ],
            schema=EMOART_SCHEMA.arrow,
        )
        for start, size in zip(starts, sizes, strict=False)
    ]  # fmt: skip


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12), st.randoms(use_true_random=False))
def test_shards_hold_the_chosen_once_in_order_and_are_full_but_the_last(
    sizes: list[int], shard_images: int, random: Any
) -> None:
    every = [f"mine/{index:05d}" for index in range(sum(sizes))]
    chosen = {image_id: random.choice(SPLITS) for image_id in every if random.random() < 0.7}
    found = list(shards(pieces(sizes), chosen, shard_images))
    rows = [row for table in found for row in table.select(["image_id", "split"]).to_pylist()]
    assert {row["image_id"]: row["split"] for row in rows} == chosen
    assert [row["image_id"] for row in rows] == sorted(chosen)
    assert all(len(table) == shard_images for table in found[:-1])
    assert all(0 < len(table) <= shard_images for table in found)
    for table in found:
        check_table(encode_words(table, EMOART_SCHEMA), EMOART_SCHEMA)


def test_a_shard_is_closed_before_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MAX_SHARD_BYTES", 35)
    every = {f"mine/{index:05d}": "val" for index in range(8)}
    assert [len(table) for table in shards(pieces([5, 3]), every, 100)] == [3, 3, 2]
    assert [len(table) for table in shards(pieces([3], num_bytes=99), every, 100)] == [1, 1, 1]


def test_shards_are_made_while_pieces_come() -> None:
    """So that no more than a shard and a piece are in memory."""
    given_out = []

    def coming() -> Iterator[pa.Table]:
        for piece in pieces([4] * 5):
            given_out.append(len(piece))
            yield piece

    stream = shards(coming(), {f"mine/{index:05d}": "train" for index in range(20)}, 5)
    next(stream)
    assert len(given_out) == 2


def test_the_summary_counts_the_funnel_and_tells_the_rules() -> None:
    rows = [("awe", KEPT)] * 10 + [("sadness", KEPT)] * 8 + [("fear", KEPT)] + [("anger", UNSURE)] * 5
    found = selected(judged(rows), [Reject("mine/x", Reason.empty_file, "0 bytes")], min_emotion_frac=0.1)
    numbers = summary(found, SETTINGS.model_copy(update={"min_emotion_frac": 0.1}))
    wanted = {
        "num_collected": 25, "num_readable": 24, "num_confident": 19, "num_frequent": 18, "share_kept": 18 / 25,
        "num_rejects": 1, "rejects.empty_file": 1, "num_kept_awe": 10, "num_kept_sadness": 8, "num_kept_fear": 0,
        "num_train": 12, "num_val": 2, "num_test": 4, "confident_if": "confidence >= 0.75",
        "dropped_if": "share of the confident < 0.1",
        "dropped_emotions": "fear",
    }  # fmt: skip
    assert {name: numbers[name] for name in wanted} == wanted
    assert summary(selected(judged(rows), min_emotion_frac=0.0), SETTINGS)["dropped_emotions"] == "none"
