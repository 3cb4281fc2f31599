"""GPU memory: what is counted, against arithmetic by hand and real tensors, and how the savings move it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoke.plan.inputs import Setting
from evoke.plan.memory import MEMORY, memory_of, peak_bytes, training_peak
from evoke.plan.rates import value
from evoke.plan.stages import STAGES

Make = Callable[..., Setting]


def linear(width: int) -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(width, width, bias=False), nn.ReLU())


def test_a_layer_holds_its_input_its_output_and_the_gradients() -> None:
    """Forward: input, product and ReLU of 8 rows. Backward: the weight's gradient, from the input and the product's."""
    width, rows = 64, 8
    forward = peak_bytes(linear(width), lambda layer: layer(torch.empty(rows, width)), "fp32")
    assert forward == 3 * 4 * rows * width
    trained = peak_bytes(linear(width), lambda layer: layer(torch.empty(rows, width)).sum(), "fp32", is_trained=True)
    assert trained == pytest.approx(4 * (width**2 + 2 * rows * width), rel=0.01)


def test_bf16_halves_activations_and_casts_the_weights() -> None:
    width, rows = 64, 512

    def run(layer: Any) -> Tensor:
        return layer(torch.empty(rows, width))

    fp32, bf16 = (peak_bytes(linear(width), run, precision) for precision in ("fp32", "bf16"))  # type: ignore[arg-type]
    assert bf16 == 4 * rows * width + 2 * (rows * width * 2 + width**2) < fp32


def test_norms_are_in_fp32_under_the_autocast_of_a_gpu() -> None:
    with torch.device("meta"):
        norm = nn.GroupNorm(1, 4)
    seen = SimpleNamespace()

    def run(layer: Any) -> Tensor:
        seen.output = layer(torch.empty(2, 4, 8, 8, dtype=torch.bfloat16))
        return seen.output

    peak_bytes(norm, run, "bf16")
    assert seen.output.dtype is torch.float32


def test_every_stage_with_memory_is_a_stage_and_no_table_of_rows_has_any(setting: Make) -> None:
    assert MEMORY.keys() < STAGES.keys()
    assert memory_of(setting("miniature"), "caption_filter@emoset") == 0


def test_recomputing_saves_most_of_a_step_through_the_unet(setting: Make) -> None:
    models = setting("miniature").models
    kept, recomputed = (training_peak(models, 32, "bf16", is_low) for is_low in (False, True))
    assert recomputed < 0.5 * kept


def test_moments_in_8_bits_take_a_quarter(setting: Make) -> None:
    plain, small = (
        memory_of(setting("miniature", uniemo_understanding={"optimizer": name}), "uniemo_understanding")
        for name in ("adamw", "adamw_8bit")
    )
    models, section = setting("miniature").models, setting("miniature").params.uniemo_understanding
    trained = sum(4 * p.numel() for p in models.built_chain(section).parameters() if p.requires_grad)
    assert plain - small == pytest.approx(1.5 * trained)


def test_sampling_holds_the_pipeline_and_a_batch(setting: Make) -> None:
    run = setting("miniature")
    one, two = (
        memory_of(setting("miniature", images={"batch_size": size}), "images@stable_diffusion") for size in (32, 64)
    )
    weights = run.models.diffusion_bytes + value("gpu_context_bytes")
    assert weights < one < two
    assert two - weights == pytest.approx(2 * (one - weights), rel=0.05)
