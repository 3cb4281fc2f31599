"""The room Explore on a small run: filters, orders, pages, the funnel, and a caption that is written anew."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoke.studio import explore
from evoke.studio.models import Studio
from pipeline.artifacts import CAPTIONS, CAPTIONS_OVERRIDE, EMOSET, IMAGES, SCORES
from pipeline.captions.override import read_captions
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.images import encoded
from pipeline.params import load_params

ROOT = Path(__file__).parents[2]
METHOD = "coemogen_emoset"


def shard(path: str, rows: list[dict[str, object]], **types: pa.DataType) -> None:
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    Path(path).mkdir(parents=True)
    pq.write_table(table, Path(path) / "part-00000.parquet")


@pytest.fixture(autouse=True)
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty images, of which the judge finds every third as asked, and their captions, every second dropped."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    rng = np.random.default_rng(0)
    image = {"bytes": encoded(rng.integers(0, 256, (64, 64, 3), np.uint8)), "path": "a.png"}
    emotions = [EMOTIONS[index % 2] for index in range(30)]
    found = [emotion if index % 3 == 0 else EMOTIONS[2] for index, emotion in enumerate(emotions)]
    judge = [[0.5 + index / 100 if name == one else 0.02 for name in EMOTIONS] for index, one in enumerate(found)]
    ids = [f"{METHOD}/{index:05d}" for index in range(30)]
    shard(IMAGES.of(METHOD).path, [
        {"image_id": one, "image": image, "emotion": emotion} for one, emotion in zip(ids, emotions, strict=True)
    ])  # fmt: skip
    vector = pa.list_(pa.float32(), len(EMOTIONS))
    rows = [{"image_id": one, "judge": row} for one, row in zip(ids, judge, strict=True)]
    shard(SCORES.of(METHOD).path, rows, judge=vector)
    names = [f"emoset/{index:05d}" for index in range(6)]
    shard(EMOSET.path, [{"image_id": name, "image": image} for name in names])
    shard(CAPTIONS.of("emoset").path, [{"image_id": name, "caption": f"caption of {name}"} for name in names])
    Path("data/caption_filter").mkdir()
    filtered = [
        {"image_id": name, "emotion": EMOTIONS[0], "split": "train", "similarity": None if index == 5 else index / 10,
         "rank": None, "kept": index % 2 == 0, "reason": "kept" if index % 2 == 0 else "low_similarity"}
        for index, name in enumerate(names)
    ]  # fmt: skip
    table = pa.Table.from_pylist(filtered)
    for name, kind in (("similarity", pa.float32()), ("rank", pa.int32())):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    pq.write_table(table, "data/caption_filter/emoset.parquet")


def test_images_pass_the_filters_in_the_order_asked() -> None:
    def rows(*filters: str) -> list[int]:
        return [item.row for item in explore.judged(METHOD, *filters)]

    assert rows(explore.ALL, explore.AS_ASKED, explore.SURE_FIRST) == [27, 24, 21, 18, 15, 12, 9, 6, 3, 0]
    assert rows(EMOTIONS[1], explore.AS_ASKED, explore.UNSURE_FIRST) == [3, 9, 15, 21, 27]
    assert len(rows(explore.ALL, explore.OTHERWISE, explore.IN_ORDER)) == len(rows(explore.ALL, EMOTIONS[2], "")) == 20
    assert explore.judged(METHOD, explore.ALL, explore.ALL, "")[1].text.endswith("not as asked")
    shutil.rmtree(SCORES.of(METHOD).path)
    assert explore.judged(METHOD, explore.ALL, explore.ALL, "")[0].text == "not judged yet"
    assert rows(explore.ALL, explore.OTHERWISE, "") == []
    with pytest.raises(ValueError, match="expected part-00000"):
        explore.judged("emogen", explore.ALL, explore.ALL, "")


def test_pages_hold_all_images_and_an_empty_list_says_what_to_do() -> None:
    items = explore.judged(METHOD, explore.ALL, explore.ALL, explore.IN_ORDER)
    folder = Path(IMAGES.of(METHOD).path)
    assert explore.num_pages(items) == 2
    assert [explore.page_of(items, folder, page).count("<img") for page in (1, 2)] == [24, 6]
    assert "set one of them to `all`" in explore.page_of([], folder, 1)
    assert explore.methods() == [METHOD]


def test_captions_kept_and_dropped_with_their_fit() -> None:
    dropped = explore.captions("emoset", explore.ALL, explore.DROPPED, explore.WORST_FIRST)
    assert [item.image_id[-1] for item in dropped] == ["5", "1", "3"]
    assert [item.text for item in dropped] == [
        "no caption, dropped",
        "similarity 0.100, dropped",
        "similarity 0.300, dropped",
    ]
    kept = explore.captions("emoset", EMOTIONS[0], explore.KEPT, explore.BEST_FIRST)
    assert [item.caption for item in kept] == [f"caption of emoset/0000{index}" for index in (4, 2, 0)]
    assert explore.captions("emoset", EMOTIONS[1], explore.ALL, "") == []


def test_a_caption_is_saved_among_the_users_own_and_a_bad_one_changes_nothing(shared: Studio) -> None:
    said = explore.save_caption(shared, "emoset/00001", " a  quiet lake ")
    assert "has 1 of your captions" in said
    path = CAPTIONS_OVERRIDE.locate("captions", None, load_params(Path("params.yaml")))
    assert read_captions(path) == {"emoset/00001": "a quiet lake"}
    for image_id, caption, message in (
        (None, "x", "No image is chosen"), ("emoset/00001", " ", "is empty"), ("emoset/99999", "x", "is in no corpus"),
    ):  # fmt: skip
        assert message in explore.save_caption(shared, image_id, caption)
    assert "has 2 of your captions" in explore.save_caption(shared, "emoset/00002", "a dog, a cat")
    (mine, other) = explore.captions("emoset", explore.ALL, explore.OWN, explore.BEST_FIRST)
    assert (mine.caption, other.caption) == ("a dog, a cat", "a quiet lake")
    assert mine.text.endswith("my own for the next run")
