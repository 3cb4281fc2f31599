"""Trackers get the curve as it grows; without one nothing is written."""

from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from pipeline.training.tracking import tracker
from tests.training.test_loop import train


class Recorder(GeneralTracker):
    """A tracker that keeps what it is told."""

    name = "recorder"
    requires_logging_directory = False
    tracker = None

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[int, dict[str, float]]] = []
        self.ended = False

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        pass

    def log(self, values: dict[str, float], step: int | None = None, **more: Any) -> None:
        self.points.append((step or 0, values))

    def finish(self) -> None:
        self.ended = True


def test_a_tracker_gets_each_point_of_the_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr("pipeline.training.loop.tracker", lambda: recorder)
    curve = train(tmp_path).curve
    assert [step for step, _ in recorder.points] == curve["step"]
    assert [values["total"] for _, values in recorder.points] == curve["total"]
    assert recorder.ended


def test_without_a_name_there_is_none_and_unknown_or_absent_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVOKE_TRACKER", raising=False)
    assert tracker() is None
    monkeypatch.setenv("EVOKE_TRACKER", "abacus")
    with pytest.raises(ValueError, match=r"EVOKE_TRACKER = 'abacus': allowed are .*tensorboard"):
        tracker()
    monkeypatch.setenv("EVOKE_TRACKER", "wandb")
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    with pytest.raises(ValueError, match="pip install wandb"):
        tracker()
