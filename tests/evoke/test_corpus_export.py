"""`evoke corpus export`: a corpus opens in `datasets` with its splits and emotions, and no test image is in train."""

import hashlib
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from evoke.cli import main
from pipeline.artifacts import EMOSET, shard_name, write_table
from pipeline.corpora.records import SPLITS
from pipeline.emotions import EMOTIONS, polarity
from tests.corpora.conftest import encoded
from tests.corpora.gallery import noise

ROOT = Path(__file__).parents[2]
NUM = 24
COPY_OF = {3: 2, 4: 2, 8: 7}  # 2 is a test image, 3 and 4 are one of train and one of val; 7 and 8 are val and test


def row(number: int) -> dict[str, Any]:
    data, emotion = encoded(noise(COPY_OF.get(number, number))), EMOTIONS[number % 8]
    return {
        "image_id": f"emoset/{number:05d}", "image": {"bytes": data, "path": f"{number}.jpg"}, "emotion": emotion,
        "polarity": polarity(emotion), "split": SPLITS[number % 3], "width": 64, "height": 64,
        "sha256": hashlib.sha256(data).hexdigest(), "brightness": 0.5, "colorfulness": None, "scene": "beach",
        "objects": ["boat"], "facial_expression": None, "human_action": None,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus in two shards that mix the splits, with the params of the repository."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    assert EMOSET.schema is not None
    for shard in range(2):
        rows = [row(number) for number in range(shard * NUM // 2, (shard + 1) * NUM // 2)]
        table = pa.Table.from_pylist(rows, schema=EMOSET.schema.arrow)
        write_table(Path(EMOSET.path) / shard_name(shard), table, EMOSET.schema)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["corpus", "export", *words])


def test_the_corpus_opens_with_splits_and_class_labels_and_without_test_images_in_train(tmp_path: Path) -> None:
    result = run("emoset", "--out", "out")
    assert result.exit_code == 0, result.output
    found = datasets.load_dataset("out", cache_dir=str(tmp_path / "cache"))
    assert set(found) == set(SPLITS)
    labels = found["train"].features["emotion"]
    assert labels == datasets.ClassLabel(names=list(EMOTIONS))
    numbers = {split: [int(one["image_id"][-5:]) for one in part] for split, part in found.items()}
    assert sorted(number for part in numbers.values() for number in part) == [
        n for n in range(NUM) if n not in (3, 4, 7)
    ]
    for split, part in found.items():
        for one in part:
            number = int(one["image_id"][-5:])
            assert (one["split"], SPLITS[number % 3], labels.int2str(one["emotion"])) == (
                split,
                split,
                EMOTIONS[number % 8],
            )
    digests = {split: {one["sha256"] for one in part} for split, part in found.items()}
    assert not digests["test"] & (digests["train"] | digests["val"])
    assert "3 copies" in result.output
    card = Path("out/README.md").read_text()
    assert "3 images were left out" in card
    assert YAML(typ="safe").load(card.split("---\n")[1])["license"] == "apache-2.0"  # of drawn images


def test_the_folder_of_the_shards_itself_opens_as_one_split_that_is_not_called_train(tmp_path: Path) -> None:
    Path("data/corpora/README.md").write_text((ROOT / "data/corpora/README.md").read_text())
    found = datasets.load_dataset("data/corpora", "emoset", cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in found.items()} == {"mixed": NUM}


def test_what_is_written_is_not_replaced_and_is_told_again_for_the_hub() -> None:
    assert run("emoset", "--out", "out").exit_code == 0
    assert "out exists; name a new folder" in run("emoset", "--out", "out").output
    told = run("emoset", "--out", "out", "--push-to-hub", "me/emoset").output
    assert "README.md" in told
    assert "would go to datasets/me/emoset on the Hub" in told
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("data/miniature/emoset", "data/emoset118k", 1)
    )
    refused = run("emoset", "--out", "other", "--push-to-hub", "me/emoset")
    assert "the licence of these images is not known" in refused.output
    assert not Path("other").exists()
