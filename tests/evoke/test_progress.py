"""A run on a pipe shows a line for each stage and the time left, and of logs only what matters."""

import json
import os
from pathlib import Path

import pytest

from evoke.estimate import Estimate
from evoke.progress import Watch, duration

GRAPH: dict[str, set[str]] = {"draw": set(), "coemogen@emoset": {"draw"}}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()


def ran(name: str, log: str = "") -> None:
    Path(f"runs/{name}.json").write_text(json.dumps({"stage": name, "seconds": 1}))
    Path(f"runs/{name}.log").write_text(log)


def test_a_stage_that_ends_has_its_place_its_time_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch(GRAPH, 2, Estimate({"draw": 3.0, "coemogen@emoset": 120.0})) as watch:
        watch.begins("draw")
        watch.tick()
        ran("draw", "draw: epoch 1\ndraw: warning: two pictures are alike\ntransformers: Warning\n\tgit add dvc.lock\n")
        watch.ends("draw", 0)
        watch.begins("coemogen@emoset")
        ran("coemogen@emoset")
        sheets = Path("plots/coemogen/emoset")
        sheets.mkdir(parents=True)
        for step in (110, 220):
            (sheets / f"step-{step:06d}.png").write_bytes(b"")
        watch.ends("coemogen@emoset", 0)
    assert capsys.readouterr().out.splitlines() == [
        "2 stages to run, 2 at a time; logs are in runs/<stage>.log",
        "the whole run will take about 2 min 7 s (estimated from earlier runs on this machine)",
        "draw: warning: two pictures are alike",
        "[1/2] draw  0 s, about 2 min 2 s left",
        "[2/2] coemogen@emoset  0 s",
        "open plots/coemogen/emoset/step-000220.png for sample images of coemogen@emoset, one row per emotion",
        "2 stages ran: 0 s in total",
    ]


def test_what_dvc_found_up_to_date_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    ran("draw", "draw: warning: of another day\n")
    os.utime("runs/draw.json", (0, 0))
    Path("runs/draw.log").write_text("Stage 'draw' didn't change, skipping\n")  # what DVC writes now
    with Watch({"draw": set()}, 2, Estimate({})) as watch:
        watch.begins("draw")
        watch.ends("draw", 0)
    assert "[1/1] draw  unchanged" in capsys.readouterr().out.splitlines()


def test_a_failure_shows_the_end_of_its_log_without_hints(capsys: pytest.CaptureFixture[str]) -> None:
    log = (
        "Running stage 'draw':\n> python -m stages.draw\nerror: no such folder\nUse `dvc push` to send\nERROR: failed\n"
    )
    Path("runs/draw.log").write_text(log)
    with Watch(GRAPH, 2, Estimate({})) as watch:
        watch.begins("draw")
        watch.ends("draw", 1)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:] == [
        "draw failed after 0 s; the end of runs/draw.log:",
        "  error: no such folder",
        "  ERROR: failed",
    ]


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (11_400, "3 h 10 min")],
)
def test_seconds_are_said_as_a_person_does(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted
