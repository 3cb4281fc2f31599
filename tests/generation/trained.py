"""A CoEmoGen on the bundled miniature whose weights are drawn at random, B of the adapters too, so that they act."""

from pathlib import Path

import torch

from pipeline.coemogen.generator import PART
from pipeline.coemogen.model import build
from pipeline.emotions import EMOTIONS
from pipeline.generation.folder import load_foundation, save_generator
from pipeline.generation.space import Space
from pipeline.params import load_params

WIDTH = 128
SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").coemogen


def random_coemogen(models: Path, name: str, emotions: tuple[str, ...] = EMOTIONS, **changes: object) -> Path:
    """models/<name>, beside models/foundation. changes: to params.yaml's coemogen; emotions: that it knows."""
    folder, settings = models / name, SETTINGS.model_copy(update=changes)
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    generator = torch.Generator().manual_seed(3)
    model = build(settings, foundation.base, WIDTH, generator)
    weights = {
        key: 0.1 * torch.randn(tensor.shape, generator=generator) if ".lora_B." in key else tensor.detach()
        for key, tensor in model.named_parameters()
        if tensor.requires_grad
    }
    space = Space({
        f"{PART}/{emotion}/{what}": scale * torch.randn(shape, generator=generator)
        for emotion in emotions
        for what, scale, shape in (
            ("mean", WIDTH**-0.5, WIDTH), ("deviation", 0.5 * WIDTH**-0.5, WIDTH), ("factor", 0.0, (WIDTH, WIDTH))
        )
    })  # fmt: skip
    save_generator(folder, "coemogen", settings.model_dump(mode="json"), foundation.digest, weights, space)
    return folder
