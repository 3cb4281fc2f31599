"""Checkpoints: the newest whole one counts."""

from pathlib import Path

import torch

from pipeline.training.checkpoints import Checkpoints
from tests.foundation.conftest import CPU


def test_a_torn_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "recipe", 0)
    for step in (1, 2, 3):
        checkpoints.write(step, {"x": torch.full((50,), float(step))})
    newest, older = checkpoints.files()
    newest.write_bytes(newest.read_bytes()[:-7])
    found = checkpoints.newest(CPU)
    assert found is not None
    assert found[0] == 2
    older.write_bytes(b"\0" * 4)
    assert checkpoints.newest(CPU) is None
