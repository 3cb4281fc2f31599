"""Models for the studio: a CoEmoGen and an understanding model with random weights on the bundled miniature."""

from pathlib import Path

import pytest

from evoke.studio.models import Studio
from tests.generation.trained import random_coemogen
from tests.uniemo.test_reader import random_understanding


@pytest.fixture(scope="session")
def trained(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own with two generators and a reader, beside the foundation models."""
    folder = tmp_path_factory.mktemp("studio") / "models"
    folder.mkdir()
    (folder / "foundation").symlink_to(models / "foundation")
    random_coemogen(folder, "coemogen_one")
    random_coemogen(folder, "coemogen_two", emotions=("amusement", "fear"))
    random_understanding(folder, "uniemo_understanding")
    return folder


@pytest.fixture(scope="session")
def shared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio whose models are loaded once for all tests."""
    return Studio.of(trained, tmp_path_factory.mktemp("out"))


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_THREADS", "1")
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
