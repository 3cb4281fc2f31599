"""Define what the methods ask of a base, the diffusion model that they are trained on, whichever base it is.

A base answers: how prompts and placeholder embeddings become a condition (`encoder`), what the denoiser predicts under
it (`predict`), which of the denoiser's layers carry adapters (`adapted`), its noise (`schedule`, `solver`), its latents
(`vae`, `image_px`), how it samples (`images`), which weights identify it (`weights`), and as what its adapters and
embeddings are exported (`lora`, `inversion`, `loading`). `base_of` (pipeline/foundation/bases.py) chooses it by
what a diffusers folder says of itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.conditioning.encoder import Condition, ConditionEncoder
from pipeline.foundation.noise import NoiseSchedule

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DiffusionPipeline, SchedulerMixin

    from pipeline.params import Solver

Format = Literal["diffusers", "kohya"]


@dataclass(frozen=True)
class Facts:
    """Hold what other tools need to know of a base.

    `architecture` is its name in modelspec, and `version` that of sd-scripts, empty for a shape that ComfyUI and A1111
    do not know.
    """

    architecture: str
    version: str
    prediction: Literal["epsilon", "v"]
    image_px: int


class Base(ABC):
    """A loaded base: its diffusers pipeline on one device, and the frozen text encoders as a ConditionEncoder."""

    pipeline_class: ClassVar[str]  # of diffusers, as model_index.json names it
    parts: ClassVar[tuple[str, ...]]  # modules whose weights identify the base: denoiser and text encoders
    adapted: ClassVar[tuple[str, ...]]  # names of the denoiser's linear layers that carry adapters

    def __init__(self, pipeline: "DiffusionPipeline", encoder: ConditionEncoder, schedule: NoiseSchedule) -> None:
        self.pipeline, self.encoder, self.schedule = pipeline, encoder, schedule

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, clip: Path, device: torch.device | str) -> "Base":
        """Return the base of a diffusers folder, with the open_clip folder whose joint space its text encoder shares.

        Raises ValueError if weights are damaged or the two do not match.
        """

    @classmethod
    @abstractmethod
    def image_px(cls, folder: Path) -> int:
        """Return the edge in px of the images that a folder generates: 512 for Stable Diffusion 1.5."""

    @classmethod
    def weights(cls, folder: Path) -> list[Path]:
        """Return the weights files of a folder whose hash identifies the base."""
        return [file for part in cls.parts for file in sorted((folder / part).glob("*.safetensors"))]

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """Return the network that predicts from noised latents; its own weights stay frozen."""

    @abstractmethod
    def predict(self, noised: Tensor, steps: Tensor, condition: Condition) -> Tensor:
        """Return the denoiser's prediction BCHW for noised latents BCHW at steps B under a condition of B rows."""

    @abstractmethod
    def solver(self, name: "Solver") -> "SchedulerMixin":
        """Return a diffusers scheduler over the noise schedule that the base was trained with."""

    @abstractmethod
    def images(
        self,
        condition: Condition,
        empty: Condition,
        generators: Sequence[torch.Generator],
        scheduler: "SchedulerMixin",
        steps: int,
        guidance: float,
    ) -> NDArray[np.float32]:
        """Return images BHWC in [0, 1] under a condition of B rows, guided away from `empty`, of one row."""

    @property
    def vae(self) -> "AutoencoderKL":
        return self.pipeline.vae

    @property
    def latent_channels(self) -> int:
        return int(self.pipeline.vae.config.latent_channels)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.pipeline.device
        return device

    @property
    @abstractmethod
    def facts(self) -> "Facts":
        """Return what other tools need to know of the base."""

    @abstractmethod
    def lora_key(self, layer: str, kind: Format) -> str:
        """Return how the keys of an adapted layer begin in a LoRA file, from its name in the denoiser."""

    def lora(self, layers: Mapping[str, tuple[Tensor, Tensor]], kind: Format) -> dict[str, Tensor]:
        """Return the tensors of a LoRA file, from adapted layers by name: A rI, B Or. Alpha is r, so the scale is 1."""
        tensors: dict[str, Tensor] = {}
        for name, (down, up) in layers.items():
            key = self.lora_key(name, kind)
            if kind == "diffusers":
                tensors |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}
            else:
                alpha = torch.tensor(float(len(down)))
                tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": alpha}
        return tensors

    @abstractmethod
    def inversion(self, token: str, embedding: Tensor, kind: Format) -> dict[str, Tensor]:
        """Return the tensors of a textual inversion of a token, from a placeholder embedding 1W."""

    @abstractmethod
    def loading(self, file: str, token: str) -> list[str]:
        """Return the lines of Python that load the file of a textual inversion into `pipe`, a plain pipeline."""
