"""HiLoRA: the identity at first, one forward for mixed emotions, absent adapters untouched to the byte."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from pipeline.adapters import ADAPTERS, HiLora, add_adapters, gates_of, joined
from pipeline.emotions import EMOTIONS
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.stable_diffusion import ATTENTION

RANKS = dict.fromkeys(ADAPTERS, 4)


def inputs(num: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(num, 16, 8, 8, generator=generator),
        torch.randint(1000, (num,), generator=generator),
        torch.randn(num, 32, 128, generator=generator),
    )


def one_hot(*indices: int) -> torch.Tensor:
    return torch.eye(8)[list(indices)]


@pytest.fixture(scope="module")
def frozen(models: Path) -> UNet2DConditionModel:
    return load_module(UNet2DConditionModel, models / "foundation/diffusion/unet")


@pytest.fixture
def hilora(models: Path) -> HiLora:
    """With B drawn at random, so that the adapters act."""
    unet = load_module(UNet2DConditionModel, models / "foundation/diffusion/unet")
    found = add_adapters(unet, ATTENTION, RANKS, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in found.parameters().items():
            if ".lora_B." in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return found


def test_at_first_the_adapted_network_is_the_frozen_one(models: Path, frozen: UNet2DConditionModel) -> None:
    unet = load_module(UNet2DConditionModel, models / "foundation/diffusion/unet")
    hilora = add_adapters(unet, ATTENTION, RANKS, torch.Generator().manual_seed(0))
    with torch.no_grad(), hilora.route(one_hot(0, 1, 2, 3, 4, 5)):
        assert torch.equal(unet(*inputs()).sample, frozen(*inputs()).sample)


def test_outside_of_a_route_the_adapters_are_off(hilora: HiLora, frozen: UNet2DConditionModel) -> None:
    with torch.no_grad():
        assert torch.equal(hilora.unet(*inputs()).sample, frozen(*inputs()).sample)


def test_a_mixed_batch_equals_one_by_one(hilora: HiLora, frozen: UNet2DConditionModel) -> None:
    weights, batch = one_hot(0, 3, 5, 7, 0, 1), inputs()
    with torch.no_grad():
        with hilora.route(weights):
            mixed = hilora.unet(*batch).sample
        for index in range(len(weights)):
            one = slice(index, index + 1)
            with hilora.route(weights[one]):
                alone = hilora.unet(*(part[one] for part in batch)).sample
            assert torch.allclose(mixed[one], alone, atol=1e-5)
        assert (mixed - frozen(*batch).sample).abs().max() > 0.05


def test_a_sample_is_served_by_its_emotion_and_its_polarity_alone(hilora: HiLora, models: Path) -> None:
    """Eq. 3, with the sum of the two written into the frozen weights."""
    merged = load_module(UNet2DConditionModel, models / "foundation/diffusion/unet")
    for name, (down, up) in joined(hilora, {"awe": 1.0, "positive": 1.0}).items():
        layer = merged.get_submodule(name)
        with torch.no_grad():
            layer.weight += up @ down
    with torch.no_grad(), hilora.route(one_hot(1, 1, 1, 1, 1, 1)):
        assert torch.allclose(hilora.unet(*inputs()).sample, merged(*inputs()).sample, atol=1e-4)


def test_absent_adapters_have_no_gradient_and_keep_their_bytes(hilora: HiLora) -> None:
    parameters = hilora.parameters()
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-2, weight_decay=0.1)
    for weights in (one_hot(0, 1, 2, 3, 4, 5), one_hot(1, 1, 1, 1, 1, 1)):  # the first step gives all of them momentum
        optimizer.zero_grad(set_to_none=True)
        before = {name: p.detach().clone() for name, p in parameters.items()}
        with hilora.route(weights):
            hilora.unet(*inputs()).sample.square().mean().backward()
        optimizer.step()
    changed = {name.split(".")[-2] for name, p in parameters.items() if not torch.equal(p, before[name])}
    assert changed == {"awe", "positive"}
    assert all((p.grad is None) == (name.split(".")[-2] not in changed) for name, p in parameters.items())


def test_everything_but_the_adapters_is_frozen(hilora: HiLora) -> None:
    trained = {name for name, p in hilora.unet.named_parameters() if p.requires_grad}
    assert trained == set(hilora.parameters())
    assert len(trained) == len(ADAPTERS) * 2 * len(hilora.layers)


def test_guidance_repeats_the_rows_of_a_route(hilora: HiLora) -> None:
    weights, batch = one_hot(2, 6), inputs(2)
    with torch.no_grad(), hilora.route(weights):
        once = hilora.unet(*batch).sample
        twice = hilora.unet(*(torch.cat([part, part]) for part in batch)).sample
    assert torch.allclose(twice, torch.cat([once, once]), atol=1e-5)


def test_a_row_without_an_emotion_is_the_frozen_network(hilora: HiLora, frozen: UNet2DConditionModel) -> None:
    weights, batch = one_hot(0, 1, 2, 3, 4, 5), inputs()
    with torch.no_grad():
        with hilora.route(torch.zeros(6, 8)):
            assert torch.equal(hilora.unet(*batch).sample, frozen(*batch).sample)
        with hilora.route(torch.cat([torch.zeros(1, 8), weights[1:]])):
            some = hilora.unet(*batch).sample
        with hilora.route(weights):
            full = hilora.unet(*batch).sample
    assert torch.allclose(some[:1], frozen(*batch).sample[:1], atol=1e-5)
    assert torch.allclose(some[1:], full[1:], atol=1e-5)


def test_gates_of_a_fusion_share_the_polarity_adapters_by_weight() -> None:
    gates = gates_of(torch.tensor([[0.25, 0.25, 0, 0, 0.5, 0, 0, 0]]))[0].tolist()
    assert dict(zip(ADAPTERS, gates, strict=True)) == {
        **dict.fromkeys(EMOTIONS, 0.0), "amusement": 0.25, "awe": 0.25, "anger": 0.5, "positive": 0.5, "negative": 0.5,
    }  # fmt: skip


def test_one_rank_4_adapter_of_stable_diffusion_1_5_has_797_184_parameters() -> None:
    """REFERENCE: q, k, v and out of its 32 attention modules; ten of them 7,971,840. Shapes alone, no weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280),
        )  # fmt: skip
        hilora = add_adapters(unet, ATTENTION, dict.fromkeys(ADAPTERS, 4), None)
    sizes = {
        adapter: sum(p.numel() for name, p in hilora.parameters().items() if f".{adapter}." in name)
        for adapter in ADAPTERS
    }
    assert set(sizes.values()) == {797_184}
    assert len(hilora.layers) == 32 * 4
