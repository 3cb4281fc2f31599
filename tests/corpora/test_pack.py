"""Records and rejects become checked tables, and come back for the report."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpora.pack import REPORTED, check_rejects, describe_rejects, outcomes, reject_table, runs, tables
from pipeline.corpora.records import Reason, Record, Reject
from pipeline.schemas import EMOSET_SCHEMA, REJECTS_SCHEMA, check_table, encode_words

from .conftest import TinyEmoSet

RECORD = Record(
    image_id="emoset/awe_00001", image_bytes=b"jpeg", path="image/awe/awe_00001.jpg", emotion="awe",
    polarity="positive", split="train", width=4, height=3, sha256="0" * 64, brightness=0.5, colorfulness=0.25,
    scene="beach", objects=("tree", "boat"), facial_expression="happy", human_action="waving",
)  # fmt: skip
BARE = replace(
    RECORD, image_id="emoset/awe_00000", brightness=None, colorfulness=None, scene=None, objects=(),
    facial_expression=None, human_action=None, split="test",
)  # fmt: skip
REJECTS = [Reject("emoset/b", Reason.missing_image, "no b.jpg"), Reject("emoset/a", Reason.empty_file, "0 bytes")]


def without_picture(record: Record) -> Record:
    return replace(record, image_bytes=b"", path="")


def test_records_and_rejects_make_a_round_trip_sorted_by_key() -> None:
    packed = tables([RECORD, REJECTS[0], BARE, REJECTS[1]])
    found = list(outcomes([packed["records"].select(REPORTED)], packed["rejects"]))
    assert found == [without_picture(BARE), without_picture(RECORD), *reversed(REJECTS)]
    assert packed["records"]["image"].to_pylist()[1] == {"bytes": b"jpeg", "path": "image/awe/awe_00001.jpg"}


@pytest.mark.parametrize("found", [[], [RECORD, BARE], REJECTS, [RECORD, *REJECTS]])
def test_tables_have_their_schemas_even_when_empty(found: list[Any]) -> None:
    packed = tables(iter(found))
    check_table(encode_words(packed["records"], EMOSET_SCHEMA), EMOSET_SCHEMA)
    check_table(encode_words(packed["rejects"], REJECTS_SCHEMA), REJECTS_SCHEMA)
    assert len(packed["records"]) + len(packed["rejects"]) == len(found)


def test_what_the_reader_yields_is_packed_without_loss(emoset: TinyEmoSet) -> None:
    for _ in range(3):
        emoset.add(scene="beach", brightness=0.5)
    emoset.add(image=b"")
    found = emoset.outcomes()
    packed = tables(found)
    assert (len(packed["records"]), packed["rejects"]["reason"].to_pylist()) == (3, ["empty_file"])
    written = encode_words(packed["records"], EMOSET_SCHEMA).select(REPORTED)
    expected = {without_picture(item) if isinstance(item, Record) else item for item in found}
    assert set(outcomes([written.slice(0, 1), written.slice(1)], packed["rejects"])) == expected
    assert pa.types.is_dictionary(written["emotion"].type)


def test_rejects_beyond_the_allowed_share_stop_the_stage_and_say_what_to_do() -> None:
    check_rejects(0, 0, 0.0)
    check_rejects(1, 100, 0.01)
    with pytest.raises(ValueError, match=r"2 of 100 rows .* max_reject_frac = 0\.01 allows") as error:
        check_rejects(2, 100, 0.01)
    assert "evoke validate FOLDER" in str(error.value)
    with pytest.raises(ValueError, match="1 of 100 rows"):
        check_rejects(1, 100, 0.0)


def test_a_corpus_may_say_itself_why_its_rows_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"allows; 2 null_image; repair the folder, or raise emoart\.max_reject_frac"):
        check_rejects(2, 100, 0.01, "emoart", "2 null_image")


def test_rejects_are_told_by_frequency_with_the_first_of_each() -> None:
    assert describe_rejects(reject_table([*REJECTS, Reject("emoset/c", Reason.empty_file, "")])) == (
        "2 empty_file (first emoset/a: 0 bytes), 1 missing_image (first emoset/b: no b.jpg)"
    )
    assert describe_rejects(reject_table([])) == ""


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.integers(1, 20), st.integers(1, 20))
def test_runs_hold_every_item_once_in_order_and_are_as_long_as_both_limits_allow(
    items: list[tuple[int, int]], max_rows: int, max_size: int
) -> None:
    found = list(runs(items, max_rows, max_size, lambda item: item))
    assert [item for run in found for item in run] == items
    for run, following in pairwise([*found, []]):
        weights = [sum(column) for column in zip(*run, strict=True)]
        assert len(run) == 1 or (weights[0] <= max_rows and weights[1] <= max_size)
        for rows, size in following[:1]:
            assert weights[0] + rows > max_rows or weights[1] + size > max_size
