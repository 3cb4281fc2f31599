"""`evoke oracle` draws an EmoSet that no corpus shares a picture with."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from evoke.oracle import oracle
from pipeline.corpora import emoset
from pipeline.corpora.records import Record
from pipeline.miniature.world import World
from pipeline.params import load_params

ROOT = Path(__file__).parents[2]


def test_it_writes_a_readable_emoset_with_the_truth_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("EVOKE_THREADS", "1")
    result = CliRunner().invoke(oracle, [str(tmp_path / "o"), "--num", "40"], catch_exceptions=False)
    assert "40 images" in result.output
    records = list(emoset.read(tmp_path / "o", emoset.plan(tmp_path / "o")))
    assert [isinstance(record, Record) for record in records] == [True] * 40
    brightness = pq.read_table(tmp_path / "o/truth.parquet")["brightness"].to_pylist()
    world = World(load_params(Path("params.yaml")).miniature.seed)
    assert sorted(world.truth("oracle", index).brightness for index in range(40)) == pytest.approx(sorted(brightness))


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        CliRunner().invoke(oracle, [str(tmp_path)], catch_exceptions=False)
    assert (tmp_path / "kept").read_text() == "mine"
