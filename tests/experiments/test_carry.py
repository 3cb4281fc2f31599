"""Results go over to other code only where two locks show that it computes the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from experiments import cell as layout
from experiments.carry import carried_table, main, same_code
from experiments.key import Key, hash_of, hashes_of, merged, params_hash, sections_of


def unit(name: str, code: str, dep: str = "d", out: str = "o", steps: int = 5) -> dict[str, Any]:
    """A stage of a lock, with the MD5 of its code, of its input and of its out."""
    return {
        "cmd": "python", "deps": [{"path": "data/in", "md5": dep}, {"path": f"code/{name}.txt", "md5": code}],
        "params": {"params.yaml": {"x": {"steps": steps}}}, "outs": [{"path": f"data/{name}", "md5": out}],
    }  # fmt: skip


def lock(**units: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "2.0", "stages": units}


def test_equal_inputs_params_and_outs_show_that_code_computes_the_same() -> None:
    old = lock(a=unit("a", "1"), b=unit("b", "1"), c=unit("c", "1"), d=unit("d", "1"), gone=unit("gone", "1"))
    new = lock(a=unit("a", "2"), b=unit("b", "2", out="p"), c=unit("c", "2", dep="e"), d=unit("d", "2", steps=6))
    assert same_code(old, new) == {"a": ("1", "2")}


def test_one_of_several_units_that_differs_is_enough_to_show_nothing() -> None:
    def units(code: str, out: str) -> dict[str, Any]:
        one, other = unit("a", code), unit("a", code, out=out)
        other["outs"][0]["path"] = "data/other"
        return {"stages": {"a@x": one, "a@y": other}}

    assert same_code(units("1", "o"), units("2", "p")) == {}
    assert same_code(units("1", "o"), units("2", "o")) == {"a": ("1", "2")}


def test_another_name_of_the_stage_and_a_new_key_of_params_are_no_difference() -> None:
    new = unit("a", "2")
    new["params"]["params.yaml"]["x"]["added"] = 0
    assert same_code(lock(a=unit("a", "1")), {"stages": {"a@x": new}}) == {"a": ("1", "2")}
    del new["params"]["params.yaml"]["x"]["steps"]
    assert same_code(lock(a=unit("a", "1")), {"stages": {"a@x": new}}) == {}


def test_results_of_the_old_code_are_carried_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, cells = tmp_path / "experiments/results", tmp_path / ".work/experiments"
    monkeypatch.setattr(layout, "RESULTS", results)
    monkeypatch.setattr(layout, "CELLS", cells)
    cell = next(layout.cells("null_polarity", layout.read_grid("null_polarity")))
    own, now = layout.params_of(cell)["scores"], hash_of(layout.params_of(cell)["scores"])
    former = hash_of({"batch_size": own["batch_size"]})
    cell.folder.mkdir(parents=True)
    results.mkdir(parents=True)
    (results / "grid.json").write_text(json.dumps({"key": {"code": {"a": "1", "b": "0"}}, "rows": {}}))
    key = {"code": {"a": "1", "b": "0"}, "params": {"scores": former, "images": "0"}}
    (cell.folder / "finished.json").write_text(json.dumps({"key": key, "metrics": {}}))
    of_grid = [sections_of(each) for each in layout.cells("null_polarity", layout.read_grid("null_polarity"))]
    before = [{**each, "scores": {"batch_size": own["batch_size"]}} for each in of_grid]
    table = {"key": {"code": {"a": "0"}, "params": params_hash(map(hashes_of, before))}, "rows": {}}
    (results / "null_polarity.json").write_text(json.dumps(table))
    (results / "older.json").write_text(json.dumps({"key": {"code": {"a": "0"}}}))
    (results / "dials.json").write_text(json.dumps({"method": {}}))
    for name, code in (("old", "1"), ("new", "2")):
        params = {"params.yaml": {"scores": own if name == "new" else {"batch_size": own["batch_size"]}}}
        new = unit("a", code) | {"params": params}
        (tmp_path / name).write_text(json.dumps(lock(a=new, b=unit("b", code))))
    done = CliRunner().invoke(main, [str(tmp_path / "old"), str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    found = {path.name: json.loads(path.read_text()) for path in tmp_path.rglob("*.json")}
    assert found["grid.json"] == {"key": {"code": {"a": "2", "b": "0"}}, "rows": {}, "carried": ["a"]}
    assert found["finished.json"]["key"] == {
        "code": {"a": "2", "b": "0"}, "params": {"scores": now, "images": "0"}
    }  # fmt: skip
    assert found["null_polarity.json"]["key"]["params"] == params_hash(map(hashes_of, of_grid))
    assert found["older.json"] == {"key": {"code": {"a": "0"}}}


def test_a_table_goes_over_to_params_with_an_added_key_and_to_no_other() -> None:
    cells = [{"x": {"steps": steps, "added": 0}, "y": {"width": 8}} for steps in (5, 6)]

    def table(*drawn: dict[str, Any]) -> dict[str, Any]:
        keys = [Key({name: hash_of(values) for name, values in each.items()}, {}, {}, {}) for each in drawn]
        return {"params": merged(keys)["params"]}

    former = [{"x": {"steps": steps}, "y": {"width": 8}} for steps in (6, 5)]
    key = table(*former)
    assert carried_table(key, cells, {"x": {"added"}})
    assert key == table(*cells)
    for other in (table(former[0]), table({"x": {"steps": 7}, "y": {"width": 8}}, former[1])):
        before = dict(other)
        assert not carried_table(other, cells, {"x": {"added"}})
        assert other == before
