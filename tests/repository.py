"""A folder that is the current repository of a test, in which stages run in the process of the test."""

from pathlib import Path

import pytest

from pipeline import stage as stage_module

ROOT = Path(__file__).parents[1]


def enter_repository(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make `folder` current, with links to the code; stages that are called keep their work in it, on the CPU."""
    patch.chdir(folder)
    patch.setattr(stage_module, "die_with_parent", lambda: None)
    for name, value in (("EVOKE_WORK", ".work"), ("EVOKE_DEVICE", "cpu"), ("EVOKE_THREADS", "1")):
        patch.setenv(name, value)
    for name in ("pipeline", "stages"):
        (folder / name).symlink_to(ROOT / name)
