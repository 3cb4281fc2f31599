"""A training of two processes of which the second is asked to leave at the fifth step: `torchrun -m` runs it.

python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.training.leaver FOLDER
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.params import Training
from pipeline.training.loop import Task, fit
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import RowOrder
from tests.training.test_loop import SETTINGS

ASKED_AT, CALLS = 5, []


class Line(nn.Linear):
    """What both train."""

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"total": (super().forward(batch["x"]) - 1).square().mean()}


def draw(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    CALLS.append(rows)
    if len(CALLS) == ASKED_AT and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    return {"x": torch.randn(len(rows), 3, generator=generator)}


if __name__ == "__main__":
    order = RowOrder(np.arange(7, dtype=np.int64))
    settings = Training.model_validate(SETTINGS | {"steps": 1000})
    fit(
        Task("line", Line(3, 1), order, draw, optimization_of(settings)),
        3,
        Path(sys.argv[1]) / os.environ["RANK"],
        "line",
    )
