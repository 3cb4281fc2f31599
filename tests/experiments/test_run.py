"""Every grid names keys and stages that are there, and a cell runs what its row asks for."""

from pathlib import Path
from typing import Any

import pytest

from experiments import run
from experiments.run import ROOT, Cell, cells, read_grid, write_params
from experiments.uniemo_oracle import CLAIMS, GRID, SYSTEMS
from pipeline.params import load_params, read_yaml

GRIDS = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]


@pytest.mark.parametrize("name", GRIDS)
def test_every_cell_of_a_grid_is_valid_params_and_ends_at_a_stage(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CELLS", tmp_path)
    grid = read_grid(name)
    assert set(grid.get("paper", {})) <= set(grid["rows"])
    found = list(cells(name, grid))
    assert found
    assert len({cell.folder for cell in found}) == len(found)
    for cell in found[: len(grid["rows"])]:  # of the first seed: all others differ from it by the seed alone
        assert cell.target.split("@")[0] in STAGES
        cell.folder.mkdir(parents=True)
        write_params(cell)
        assert load_params(cell.folder / "params.yaml").seed == cell.seed


def test_a_row_may_end_at_another_stage_than_the_grid(tmp_path: Path) -> None:
    found = {cell.row: cell.target for cell in cells(GRID, read_grid(GRID))}
    assert found["without queries"] == "uniemo_understanding"
    assert set(found.values()) == {"uniemo_understanding", "uniemo_joint", "uniemo_feedback"}


def test_an_unknown_key_of_a_row_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CELLS", tmp_path)
    cell = Cell("grid", "row", 0, {"coemogen.stepps": 3}, "coemogen")
    cell.folder.mkdir(parents=True)
    with pytest.raises(run.click.ClickException, match=r"params.yaml has no coemogen.stepps"):
        write_params(cell)


def test_every_system_that_is_compared_is_of_a_row_of_the_grid() -> None:
    rows = read_grid(GRID)["rows"]
    assert {row for row, _ in SYSTEMS.values()} <= set(rows)
    assert {name for one, other, _ in CLAIMS for name in (one, other)} <= set(SYSTEMS)


def test_rows_of_one_grid_may_be_methods() -> None:
    grid = read_grid("methods_table1")
    assert set(grid["methods"]) == set(grid["rows"])
    found = {cell.row: cell.target for cell in cells("methods_table1", grid)}
    assert found["EmoGen"] == "scores@emogen"
    assert run.of_row(grid, "images", "UniEmo") == "data/scores/uniemo_joint"
