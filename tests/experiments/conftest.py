"""No test writes into the repository's own experiments, and none reads what is kept there."""

from pathlib import Path

import pytest

from experiments import cell as layout


@pytest.fixture(autouse=True)
def _kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "KEPT", tmp_path / "kept")
