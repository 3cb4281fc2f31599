"""A run of rows becomes judged pictures, confident ones and rejects; it holds no more of them than a batch."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.corpora import curate
from pipeline.corpora.curate import JUDGED_SCHEMA, PIECES, batches, judge, plan, probabilities
from pipeline.corpora.folder import Files
from pipeline.corpora.picture import Picture, checked
from pipeline.corpora.records import KEPT, UNSURE, Reason, Reject
from pipeline.corpora.wikiart import RowGroups
from pipeline.emotions import EMOTIONS
from pipeline.features import feature_matrix, image_features
from pipeline.schemas import check_table, encode_words

from .conftest import encoded, picture
from .gallery import (
    SETTINGS,
    ColourClip,
    ColourHead,
    Listed,
    painted,
    row,
    stored,
    write_files,
    write_wikiart,
)

REJECT = Reject("mine/r", Reason.empty_file, "0 bytes")


def shown(index: int, emotion: str = "awe", confidence: float = 1.0) -> Picture:
    return checked(f"mine/{index:03d}", stored(emotion, confidence, index), f"{index}.png", style="Cubism")


def test_the_kind_of_folder_is_told_by_its_files(tmp_path: Path) -> None:
    pictures = write_files(tmp_path / "pictures", {"a.png": stored(), "data/b.png": stored()})
    art = write_wikiart(tmp_path / "art", [row(stored())])
    write_files(art, {"beside.png": stored()})
    assert [type(unit) for unit in plan(pictures, "mine", 5)] == [Files]
    assert [type(unit) for unit in plan(art, "mine", 5)] == [RowGroups]
    with pytest.raises(ValueError, match="does not exist"):
        plan(tmp_path / "none", "mine", 5)
    pq.write_table(pa.table({"age": [1]}), pictures / "data/stats.parquet")
    assert [type(unit) for unit in plan(pictures, "mine", 5)] == [Files]


def test_a_run_is_judged_packed_and_its_rejects_set_aside() -> None:
    unit = Listed((shown(0, "fear", 0.9), REJECT, shown(1, "awe", 0.5), shown(2, "anger", 0.8)))
    found = judge(unit, ColourClip(), ColourHead(), SETTINGS)
    for name, table in found.items():
        check_table(encode_words(table, PIECES[name]), PIECES[name])
    assert found["judged"]["emotion"].to_pylist() == ["fear", "awe", "anger"]
    assert found["judged"]["reason"].to_pylist() == [KEPT, UNSURE, KEPT]
    assert found["judged"]["confidence"].to_pylist() == pytest.approx([0.9, 0.5, 0.8], abs=0.005)
    assert found["rejects"].to_pylist() == [{"image_id": "mine/r", "reason": "empty_file", "detail": "0 bytes"}]
    kept = found["confident"].to_pylist()
    assert [one["image"] for one in kept] == [
        {"bytes": stored("fear", 0.9, 0), "path": "0.png"},
        {"bytes": stored("anger", 0.8, 2), "path": "2.png"},
    ]
    assert [one["polarity"] for one in kept] == ["negative", "negative"]
    assert [(one["width"], one["height"], one["style"], one["artist"]) for one in kept] == [(4, 4, "Cubism", None)] * 2


@pytest.mark.parametrize("outcomes", [(), (REJECT,), (shown(0, "awe", 0.1),)])
def test_tables_have_their_schemas_even_when_empty(outcomes: tuple[Picture | Reject, ...]) -> None:
    for name, table in judge(Listed(outcomes), ColourClip(), ColourHead(), SETTINGS).items():
        check_table(encode_words(table, PIECES[name]), PIECES[name])


@given(st.lists(st.integers(40, 255), min_size=1, max_size=12), st.floats(0.2, 1.0))
def test_a_picture_is_kept_exactly_where_its_confidence_reaches_the_threshold(
    greens: list[int], threshold: float
) -> None:
    unit = Listed(tuple(shown(index, "awe", green / 255) for index, green in enumerate(greens)))
    settings = SETTINGS.model_copy(update={"min_confidence": threshold})
    found = judge(unit, ColourClip(), ColourHead(), settings)
    confidence = found["judged"]["confidence"].to_numpy()
    assert [reason == KEPT for reason in found["judged"]["reason"].to_pylist()] == [
        bool(value >= np.float32(threshold)) for value in confidence
    ]
    kept = found["judged"].filter(pa.array(confidence >= np.float32(threshold)))
    assert found["confident"]["image_id"].to_pylist() == kept["image_id"].to_pylist()


@pytest.mark.parametrize(
    ("confidence", "reason"), [(0.7, KEPT), (np.nextafter(np.float32(0.7), np.float32(0)), UNSURE)]
)
def test_the_threshold_is_inclusive_in_the_precision_of_the_table(confidence: float, reason: str) -> None:
    """0.7 as float32 is less than 0.7, and is kept all the same."""
    exact = SimpleNamespace(probabilities=lambda features, norms: np.array([[confidence, *[0.1] * 7]], np.float32))
    settings = SETTINGS.model_copy(update={"min_confidence": 0.7})
    assert judge(Listed((shown(0),)), ColourClip(), exact, settings)["judged"]["reason"].to_pylist() == [reason]


def test_batches_are_full_but_the_last_whatever_is_rejected_between() -> None:
    outcomes: list[Picture | Reject] = []
    for index in range(10):
        outcomes += [REJECT, shown(index)]
    clip = ColourClip()
    judge(Listed(tuple(outcomes)), clip, ColourHead(), SETTINGS)
    assert clip.seen == [4, 4, 2]


def test_a_batch_has_fewer_pictures_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred photographs of a camera would be 7 GB."""
    monkeypatch.setattr(curate, "MAX_BATCH_PX", 50)
    sizes = [(4, 4), (4, 4), (4, 4), (4, 4), (10, 10), (2, 2)]
    pictures = [checked(f"mine/{index}", stored(size=size), None) for index, size in enumerate(sizes)]
    assert [len(batch) for batch in batches(pictures, 100)] == [3, 1, 1, 1]


def test_the_head_gets_the_features_of_the_stage_features() -> None:
    """Unit vectors and lengths as pipeline.features makes them of the same files."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(16 * 12 * 3, 5, generator=generator)

    def encode_images(images: list[Image.Image], normalize: bool) -> torch.Tensor:
        return torch.stack([torch.tensor(np.asarray(image).ravel() / 255).float() @ weights for image in images])

    clip, seen = SimpleNamespace(encode_images=encode_images, encode_pixels=encode_images, width=5), []
    clip.transform = np.asarray

    def read(features: np.ndarray, norms: np.ndarray) -> np.ndarray:
        seen.append((features, norms))
        return np.full((len(features), len(EMOTIONS)), 1 / 8, np.float32)

    data = [encoded(picture(0)), encoded(picture(1, "RGBA"), "PNG"), encoded(picture(2, "L"), "WEBP")]
    pictures = [checked(f"mine/{index}", one, None) for index, one in enumerate(data)]
    probabilities(pictures, clip, SimpleNamespace(probabilities=read))
    table = pa.table({"image_id": ["a", "b", "c"], "image": [{"bytes": one, "path": None} for one in data]})
    expected = image_features(clip, table, 10)
    assert np.array_equal(seen[0][0], feature_matrix(expected))
    assert np.array_equal(seen[0][1], expected["norm"].to_numpy())


def test_memory_does_not_grow_with_the_rows_of_a_run() -> None:
    """Peaks of Python's and Arrow's memory over 100 and over 400 pictures of 16 kB, of which none is confident."""

    def outcomes(num: int) -> Iterator[Picture]:
        data = encoded(picture(size=(64, 64)), "PNG")
        for index in range(num):
            yield Picture(f"mine/{index:06d}", bytes(bytearray(data)), None, painted("awe", 0.2))

    def peak(num: int) -> int:
        unit = SimpleNamespace(num_rows=num, read=lambda: outcomes(num))
        tracemalloc.start()
        judge(unit, ColourClip(), ColourHead(), SETTINGS)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(10)
    few, many = peak(100), peak(400)
    assert few > 4 * 12_000, "the pictures of a batch are not seen: the test measures nothing"
    assert many < few + 100_000


def test_a_judged_row_has_the_columns_of_a_curation_the_hash_and_the_path() -> None:
    assert JUDGED_SCHEMA.names[-2:] == ["sha256", "path"]
    digests = judge(Listed((shown(0), shown(0))), ColourClip(), ColourHead(), SETTINGS)["judged"]["sha256"].to_pylist()
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64
