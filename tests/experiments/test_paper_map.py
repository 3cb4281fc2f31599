"""docs/PAPER_MAP.md says of every row of the papers' tables by which params it is reached, and whether it was run."""

import json
from pathlib import Path

import pytest

from experiments import cell as layout
from experiments.cell import read_grid
from experiments.paper_map import DOCUMENT, HEAD, method_of, section, state_of, written
from pipeline.report.papers import load_papers

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_document_has_what_papers_yaml_the_grids_and_the_results_say() -> None:
    assert written(TEXT) == TEXT, "run `python -m experiments.paper_map`"


def test_every_row_of_both_papers_is_there_with_its_state_and_none_is_by_hand() -> None:
    lines = [
        line
        for line in TEXT.partition(HEAD)[2].splitlines()
        if line.startswith(("| CoEmoGen", "| UniEmo", "| EmoCtrl"))
    ]
    rows = [row for table in load_papers().values() for row in table.rows]
    tables = [line for line in lines if "Fig." not in line]
    assert len(tables) == len(rows)
    for row, line in zip(rows, tables, strict=True):
        name, state = (line.split(" | ")[index].strip(" |").replace("\\*", "*") for index in (1, 4))
        assert name == row.row
        assert state in {"run", "stale", "not run", "the default run", "the paper's alone"}
        assert (state == "the paper's alone") == bool(row.missing)
    assert "by hand" not in TEXT
    assert {line.split(" | ")[0] for line in lines if "Fig." in line} == {f"| UniEmo Fig. {number}" for number in "678"}


def test_a_row_is_reached_by_the_params_of_its_grid_and_its_method() -> None:
    assert method_of(read_grid("uniemo_table7"), "no feedback") == "`uniemo_joint` in `methods`"
    assert method_of(read_grid("coemogen_table1"), "whole") == ""
    assert (
        "`uniemo_feedback` in `methods`, `feedback.low: 0.1`, `feedback.high: 0.9` | uniemo_table7: 10-90" in section()
    )
    assert "`foundation_vit.hub_id: timm/vit_base_patch32_clip_224.openai`" in section()


def test_a_result_without_a_key_is_stale_and_one_with_a_key_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "RESULTS", tmp_path)
    result: dict[str, object] = {"rows": {"whole": {}}}
    assert state_of("coemogen_table1", "whole") == "not run"
    keyed = {"key": {"params": "0"}}
    for key, state in (({}, "stale"), (keyed, "run"), ({**keyed, "outdated": "a reason"}, "stale")):
        (tmp_path / "coemogen_table1.json").write_text(json.dumps(result | key))
        assert state_of("coemogen_table1", "whole") == state
    assert state_of("coemogen_table1", "without L_SEM") == "not run"
