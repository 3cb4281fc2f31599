"""Stages side by side: each after all that it needs, none after a failure."""

import sys
import time
from pathlib import Path

import pytest

from evoke.repro import followers, needs, run

DIAMOND = {"draw": set(), "left": {"draw"}, "right": {"draw"}, "report": {"left", "right"}, "alone": set()}


def recorded(folder: Path, failing: str = "") -> list[str]:
    """The graph made with two jobs, each stage leaving when it began and ended."""

    def make(name: str) -> None:
        begin = time.monotonic()
        time.sleep(0.2)
        (folder / name).write_text(f"{begin} {time.monotonic()}")
        sys.exit(name == failing)

    return run(DIAMOND, 2, make)


def test_a_stage_begins_after_all_that_it_needs_and_beside_others(tmp_path: Path) -> None:
    assert recorded(tmp_path) == []
    times = {path.name: tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir()}
    assert set(times) == set(DIAMOND)
    for name, above in DIAMOND.items():
        assert all(times[name][0] >= times[each][1] for each in above)
    (begin, end), (other_begin, other_end) = times["left"], times["right"]
    assert begin < other_end
    assert other_begin < end


def test_nothing_begins_after_a_failure_and_what_runs_ends_well(tmp_path: Path) -> None:
    assert recorded(tmp_path, failing="left") == ["left"]
    made = {path.name for path in tmp_path.iterdir()}
    assert {"draw", "left", "alone"} <= made
    assert "report" not in made


def test_the_stage_that_most_wait_for_goes_first() -> None:
    assert followers(DIAMOND) == {"draw": 3, "left": 1, "right": 1, "report": 0, "alone": 0}


def test_an_unknown_target_is_one_line() -> None:
    with pytest.raises(ValueError, match="emoste"):
        needs(("emoste",))
