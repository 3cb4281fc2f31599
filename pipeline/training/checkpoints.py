"""Keep the two newest checkpoints of a training in a work folder.

Each is either complete or absent. If the newest is torn, the older one is used.
"""

import hashlib
import json
import logging
import time
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.work import written_aside

GENERATIONS = 2

log = logging.getLogger(__name__)


class Checkpoints:
    """The files step-N-HASH.safetensors of one recipe.

    `due` returns whether `interval_seconds` have passed since the last checkpoint.
    """

    def __init__(self, folder: Path, recipe: str, interval_seconds: float) -> None:
        self.folder, self.recipe, self.interval_seconds = folder, recipe, interval_seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written_at = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.written_at >= self.interval_seconds

    def write(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint, complete or not at all; then delete all except the newest two."""
        data = save(tensors, {"recipe": self.recipe, "step": str(step)})
        digest = hashlib.sha256(data).hexdigest()[:16]
        with written_aside(self.folder / f"step-{step:09d}-{digest}.safetensors") as aside:
            aside.write_bytes(data)
        for old in self.files()[GENERATIONS:]:
            old.unlink()
        self.written_at = time.monotonic()

    def newest(self, device: torch.device) -> tuple[int, dict[str, Tensor]] | None:
        """Return step and tensors of the newest complete checkpoint, or None if there is none.

        Raises ValueError if the checkpoint belongs to another recipe.
        """
        for file in self.files():
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != file.stem.rsplit("-", 1)[1]:
                log.warning("%s is incomplete; using the previous checkpoint", file.name)
                continue
            metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            if metadata["recipe"] != self.recipe:
                raise ValueError(
                    f"{self.folder} contains a checkpoint of another recipe; delete it or choose another folder"
                )
            return int(metadata["step"]), {name: tensor.to(device) for name, tensor in load(data).items()}
        return None

    def files(self) -> list[Path]:
        """Return the checkpoint files, newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)
