"""Two generations of a training's state in a work folder: whole or not there, and the older one when the newest
is torn.
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
    """Files step-N-HASH.safetensors of one recipe; `due` says when `interval_seconds` have passed since the last."""

    def __init__(self, folder: Path, recipe: str, interval_seconds: float) -> None:
        self.folder, self.recipe, self.interval_seconds = folder, recipe, interval_seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written_at = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.written_at >= self.interval_seconds

    def write(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Write whole or not at all; then drop all but the newest two."""
        data = save(tensors, {"recipe": self.recipe, "step": str(step)})
        digest = hashlib.sha256(data).hexdigest()[:16]
        with written_aside(self.folder / f"step-{step:09d}-{digest}.safetensors") as aside:
            aside.write_bytes(data)
        for old in self.files()[GENERATIONS:]:
            old.unlink()
        self.written_at = time.monotonic()

    def newest(self, device: torch.device) -> tuple[int, dict[str, Tensor]] | None:
        """Step and tensors of the newest whole checkpoint, if any. ValueError if it is another recipe's."""
        for file in self.files():
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != file.stem.rsplit("-", 1)[1]:
                log.warning("%s is torn; taking the one before", file.name)
                continue
            metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            if metadata["recipe"] != self.recipe:
                raise ValueError(
                    f"{self.folder} holds the checkpoint of another recipe: remove it or choose another folder"
                )
            return int(metadata["step"]), {name: tensor.to(device) for name, tensor in load(data).items()}
        return None

    def files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)
