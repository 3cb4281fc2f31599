"""An export from a base in the format of Stable Diffusion XL: images in diffusers, and kohya's keys at full size."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evoke.export.emotion import gather, write
from evoke.origin import Origin
from evoke.pipeline import EmotionPipeline
from evoke.plan.inputs import XL_UNET
from pipeline.adapters import ADAPTERS
from pipeline.coemogen.embedding import EmotionEmbedding, Mapper, PerceptionEncoder
from pipeline.conditioning.encoder import TokenSpace
from pipeline.foundation.base import Format
from pipeline.foundation.stable_diffusion import ATTENTION
from pipeline.foundation.stable_diffusion_xl import original_name
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling
from pipeline.weights import load_safetensors
from tests.generation.trained import random_coemogen

BLOCKS = {  # of the original U-Net: how many transformer blocks each attention has, in its numbering
    **{f"input_blocks_{number}_1": 2 for number in (4, 5)}, **{f"input_blocks_{number}_1": 10 for number in (7, 8)},
    "middle_block_1": 10, **{f"output_blocks_{number}_1": 10 for number in (0, 1, 2)},
    **{f"output_blocks_{number}_1": 2 for number in (3, 4, 5)},
}  # fmt: skip


@pytest.fixture(scope="module")
def ours(xl_models: Path) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(random_coemogen(xl_models, "coemogen_random"), device="cpu")


@pytest.fixture(scope="module")
def layers() -> dict[str, nn.Linear]:
    """The adapted layers of the published U-Net, on the meta device."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**XL_UNET)
    return {
        name: module for name, module in unet.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(tuple(f".{target}" for target in ATTENTION))
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["diffusers", "kohya"])
def test_the_code_of_the_card_makes_our_image(
    ours: EmotionPipeline, xl_models: Path, tmp_path: Path, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = Origin(place=str(xl_models / "foundation/diffusion"))
    _, inversion, card = write(gather(ours, "awe", 11), kind, tmp_path, origin)[:3]
    word, _ = load_safetensors(inversion)
    assert {name: tuple(tensor.shape) for name, tensor in word.items()} == {"clip_l": (1, 128), "clip_g": (1, 160)}
    (code,) = re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL)
    assert "StableDiffusionXLPipeline" in code
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {}
    exec(code.replace("num_inference_steps=25", 'num_inference_steps=2, output_type="np"'), made)
    sampling, asked = Sampling(steps=2, guidance=5.0), request("awe", 11)
    from pipeline.generation.sampling import denoised

    wanted = next(denoised(ours.foundation.base, ours.generator, [asked], sampling))
    assert np.abs(np.asarray(made["image"]) - wanted).max() < 1e-4


def test_kohya_s_keys_are_those_of_the_original_u_net_at_full_size(layers: dict[str, nn.Linear]) -> None:
    ours = {original_name(name, 2).replace(".", "_"): (layer.in_features, layer.out_features)
            for name, layer in layers.items()}  # fmt: skip
    wanted = {}
    for block, number in BLOCKS.items():
        width = 640 if number == 2 else 1280
        for place in range(number):
            for attention, context in (("attn1", width), ("attn2", 2048)):
                for target in ("to_q", "to_k", "to_v", "to_out_0"):
                    read = context if target in ("to_k", "to_v") else width
                    wanted[f"{block}_transformer_blocks_{place}_{attention}_{target}"] = (read, width)
    assert len(wanted) == 70 * 8
    assert ours == wanted


def test_the_adapters_and_the_embedding_have_as_many_parameters_as_counted_by_hand(
    layers: dict[str, nn.Linear],
) -> None:
    """A transformer block of width d: 14 d + 2 x 2048 numbers of each rank; 10 of width 640 and 60 of width 1280."""
    rank = 4
    of_one = rank * (10 * (14 * 640 + 4096) + 60 * (14 * 1280 + 4096))
    assert of_one == 5_806_080
    assert sum(rank * (layer.in_features + layer.out_features) for layer in layers.values()) == of_one
    assert len(ADAPTERS) * of_one == 58_060_800
    with torch.device("meta"):
        tokens = TokenSpace((768, 1280), (0.02, 0.02))
        module = EmotionEmbedding(Mapper(tokens.width, 512), PerceptionEncoder(tokens.width, 768), tokens)
    mapper = 8 * 512 + 512 + 512 * 2048 + 2048
    perception = (768 * 4 * 2048 + 4 * 2048) + 3 * 2 * 2048 + (2048 * 4096 + 4096 + 4096 * 2048 + 2048) + 3 * 2048**2
    assert sum(parameter.numel() for parameter in module.parameters()) == mapper + perception + 1
