"""The estimate of a run rests on earlier runs, on the plan, and on what has ended of this one."""

import json
from pathlib import Path

import pytest

from evoke import estimate
from evoke.estimate import LAUNCH_S, Estimate, above, recorded_seconds, simulate
from pipeline.runtime import numbers

GRAPH = {"draw": set(), "left": {"draw"}, "right": {"draw"}, "report": {"left", "right"}, "alone": set()}
SECONDS = {"draw": 10.0, "left": 100.0, "right": 20.0, "report": 5.0, "alone": 30.0}


def at_once(name: str) -> float:
    return SECONDS[name]


@pytest.mark.parametrize(("jobs", "wanted"), [(1, 165.0), (2, 115.0), (8, 115.0)])
def test_a_run_is_simulated_with_so_many_stages_at_a_time(jobs: int, wanted: float) -> None:
    known = Estimate(SECONDS)
    assert simulate(GRAPH, jobs, at_once, known.priority(GRAPH)) == wanted


def test_what_a_running_stage_has_behind_it_counts() -> None:
    left = {name: needs for name, needs in GRAPH.items() if name not in ("draw", "alone")}
    known = Estimate({name: seconds - LAUNCH_S for name, seconds in SECONDS.items()})
    assert known.left(left, 2, {"left": 60.0}) == 45.0


def test_longest_goes_first_and_before_it_what_leads_to_the_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Estimate(SECONDS)
    plain = known.priority(GRAPH)
    assert sorted(GRAPH, key=plain, reverse=True) == ["draw", "left", "alone", "right", "report"]
    monkeypatch.setattr(estimate, "FIRST_LOOK", "right")
    assert sorted(GRAPH, key=known.priority(GRAPH), reverse=True)[:2] == ["draw", "right"]
    assert above(GRAPH, "right") == {"draw", "right"}
    two = {"coemogen@art": {"classifier"}, "classifier": {"draw"}, "draw": set(), "coemogen@mine": {"draw"}}
    monkeypatch.undo()
    assert sorted(two, key=Estimate({}).priority(two), reverse=True)[:2] == ["draw", "coemogen@mine"]
    assert above(GRAPH, "gone") == set()


def test_ended_stages_scale_the_plan_and_leave_records_alone() -> None:
    known = Estimate({"right": 20.0}, planned={"draw": 100.0, "left": 50.0})
    assert known.expected("left") == 50.0 + LAUNCH_S
    known.ended["draw"] = 230.0
    assert known.expected("left") == pytest.approx(50.0 * 350 / 220 + LAUNCH_S)
    assert known.expected("right") == 20.0 + LAUNCH_S


def test_nothing_is_said_before_something_is_known() -> None:
    known = Estimate({name: 1.0 for name in GRAPH if name != "left"})
    assert known.left(GRAPH, 2, {}) is None
    known.planned["left"] = 7.0
    assert known.left(GRAPH, 2, {}) == pytest.approx(1 + 7 + 1 + 3 * LAUNCH_S)


def test_records_are_of_this_kind_of_device_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "RUNS", tmp_path)
    notes = {
        "emoset": {"stage": "emoset", "seconds": 2.5, "numbers": numbers()},
        "judges": {"stage": "judges", "seconds": 9.0, "numbers": "cuda, bf16"},
        "old": {"stage": "old", "seconds": 9.0},
    }
    for name, note in notes.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(note))
    (tmp_path / "torn.json").write_text('{"stage": "torn", "sec')
    assert recorded_seconds() == {"emoset": 2.5}
