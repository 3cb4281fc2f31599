"""The fit of the spread: of different comparisons of enough rows, once, and checked by the third seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from experiments import spread
from experiments.spread import ENOUGH, by_metric, coverage, main


def result(seeds: list[list[float]]) -> dict[str, Any]:
    """The result of a grid whose rows differ from the first by these seeds in Emo-A, the first in Sem-C, too."""
    rows: dict[str, Any] = {"whole": {"emo_a/judge": {"mean": 0.8}}}
    for number, each in enumerate(seeds):
        rows[f"row {number}"] = {"emo_a/judge": {"difference": float(np.mean(each)), "by_seed": each}}
    rows["row 0"]["sem_c"] = rows["row 0"]["emo_a/judge"]
    return {"rows": rows}


def test_what_two_grids_repeat_counts_once_and_few_comparisons_give_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = np.random.default_rng(0).standard_normal((ENOUGH, 3)).tolist()
    claim = {"claims": {"a - b": {"difference": 0.1, "by_seed": [0.1, 0.1, 0.1]}}}
    results = {"dose_sem": result(seeds), "content": result(seeds[:5]), "uniemo_understanding": claim}
    monkeypatch.setattr(spread, "read_result", results.get)
    found = by_metric(list(results))
    assert set(found) == {"emo_a/judge"}
    assert sorted(found["emo_a/judge"]) == sorted(map(tuple, seeds))
    monkeypatch.setattr(spread, "read_result", {"dose_sem": result(seeds[1:])}.get)
    assert by_metric(["dose_sem"]) == {}


@pytest.mark.parametrize("is_moderated", [True, False])
def test_the_third_seed_is_where_the_other_two_say(is_moderated: bool) -> None:
    rng = np.random.default_rng(1)
    seeds = [tuple(0.02 * each + 0.1) for each in rng.standard_normal((800, 3))]
    assert coverage(seeds, is_moderated) == pytest.approx(0.95, abs=0.015)
    off = [(one, two, three + 0.5) for one, two, three in seeds]  # a third seed of another kind
    assert coverage(off, is_moderated) < 0.9


def test_it_is_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "SPREAD", tmp_path / "spread.json")
    (tmp_path / "spread.json").write_text("{}")
    done = CliRunner().invoke(main)
    assert done.exit_code == 1
    assert "has seen what it judges" in done.output
    assert (tmp_path / "spread.json").read_text() == "{}"
