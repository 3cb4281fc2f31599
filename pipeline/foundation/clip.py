"""Load CLIP models, ours or ViT-L/14, and compute image and text features of unit length in their joint space.

`Clip` is a thin wrapper of an open_clip `local-dir` folder. It deliberately exposes no layers: UniEmo's queries use
`Clip.model`. Our own CLIP is trained in pipeline/foundation/training/clip.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline.weights import damage_named

if TYPE_CHECKING:
    import open_clip
    from torchvision.transforms import Compose
    from transformers import CLIPTokenizer

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"


@dataclass(frozen=True)
class Clip:
    """An open_clip model in evaluation mode, with its own transform and tokenizer."""

    model: "open_clip.model.CLIP"
    transform: "Compose"
    tokenizer: "CLIPTokenizer"
    device: torch.device

    @property
    def width(self) -> int:
        """Return the width D of the joint space."""
        return int(self.model.visual.output_dim)

    def encode_images(self, images: Sequence[Image.Image] | np.ndarray, normalize: bool = True) -> Tensor:
        """Return the features of images in one forward pass; the caller splits large sets into batches.

        images (B PIL images, or BHWC uint8) -> features BD float32 on the CPU, of unit length unless `normalize` is
        False
        """
        pictures = [Image.fromarray(image) if isinstance(image, np.ndarray) else image for image in images]
        return self.encode_pixels([self.transform(picture.convert("RGB")) for picture in pictures], normalize)

    @torch.inference_mode()
    def encode_pixels(self, pixels: Sequence[Tensor], normalize: bool = True) -> Tensor:
        """Return the features of images that are already transformed.

        pixels (B tensors CHW) -> features BD float32 on the CPU, of unit length unless `normalize` is False
        """
        batch = torch.stack(list(pixels)).to(self.device)
        return self.model.encode_image(batch, normalize=normalize).float().cpu()

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the features of texts, truncated to the context length.

        B texts -> features BD float32 of unit length on the CPU
        """
        ids = self.tokenizer(list(texts)).to(self.device)
        return self.model.encode_text(ids, normalize=True).float().cpu()


@dataclass(frozen=True)
class ClipTokenizer:
    """The tokenizer of an open_clip folder, without the model; it counts tokens."""

    tokenizer: "CLIPTokenizer"

    @property
    def context_length(self) -> int:
        """Return the largest number of tokens of a text, begin and end tokens included."""
        return int(self.tokenizer.context_length)

    def num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text before truncation, begin and end tokens included.

        The text is truncated when it is encoded if this exceeds `context_length`.
        """
        backend = getattr(self.tokenizer, "tokenizer", None)
        return len(backend(text)["input_ids"]) if backend is not None else len(self.tokenizer.encode(text)) + 2


def load_tokenizer(folder: Path) -> ClipTokenizer:
    """Load the tokenizer of any open_clip folder. Raises FileNotFoundError if the folder has no config."""
    import open_clip

    return ClipTokenizer(open_clip.get_tokenizer(_name(folder)))


def load_clip(folder: Path, device: torch.device | str = "cpu") -> Clip:
    """Load any open_clip folder, ours or a published one, in evaluation mode.

    Raises FileNotFoundError if the folder lacks its config or its weights, which open_clip would initialise at random,
    and ValueError if the weights are damaged.
    """
    import open_clip

    name = _name(folder)
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} has no weights: no *.safetensors file found")
    with damage_named(folder):
        model, _, transform = open_clip.create_model_and_transforms(name, device=device, require_pretrained=True)
    return Clip(model.eval(), transform, open_clip.get_tokenizer(name), torch.device(device))


def _name(folder: Path) -> str:
    """Return the name by which open_clip loads a model folder. Raises FileNotFoundError if it has no config."""
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder} is not an open_clip folder: {CONFIG} is missing")
    return f"local-dir:{folder}"
