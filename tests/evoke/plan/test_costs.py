"""Costs counted on the meta device, against published figures and against arithmetic by hand."""

from pathlib import Path

import open_clip
import pytest

from evoke.plan.costs import Captioner, Cost, Models, inception, judge
from evoke.plan.inputs import CLIP, UNET, VAE, XL_SECOND, XL_UNET, XL_VAE
from pipeline.params import load_params

ROOT = Path(__file__).parents[3]
GFLOP = 1e9


@pytest.fixture(scope="module")
def full() -> Models:
    """Stable Diffusion 1.5 and ViT-L/14."""
    return Models(
        open_clip.get_model_config(CLIP), open_clip.get_model_config(CLIP), UNET, VAE, Captioner(1000, None, 2000)
    )


def test_the_models_of_the_papers_cost_what_is_known(full: Models) -> None:
    costs = [full.unet, full.vae_encode, full.vae_decode, full.clip_image, judge("resnet50", 224).cost, inception()]
    published = [803, 1117, 2515, 162, 8.2, 11.4]
    assert [cost.flops / GFLOP for cost in costs] == pytest.approx(published, rel=0.02)


def test_stable_diffusion_xl_costs_what_is_known() -> None:
    clip = open_clip.get_model_config(CLIP)
    xl = Models(clip, clip, XL_UNET, XL_VAE, Captioner(1000, None, 2000), second=XL_SECOND)
    assert (xl.image_px, xl.latent_numbers) == (1024, 4 * 128 * 128)
    scores = 4 * (10 * 4096 * (4096 + 77) * 640 + 60 * 1024 * (1024 + 77) * 1280) / GFLOP
    assert xl.unet.flops / GFLOP == pytest.approx(5_980 + scores, rel=0.02), "2.99 TMACs and the attention's products"
    parts = {"U-Net": 2_567_463_684, "VAE": 83_653_863, "ViT-L/14's text tower": 123_060_480, "bigG/14's": 694_659_840}
    assert xl.diffusion_bytes == 4 * sum(parts.values())
    assert (xl.condition.flops - xl.clip_text.flops) / GFLOP == pytest.approx(2 * 0.6293 * 77, rel=0.05)


def test_a_step_costs_two_forwards_and_adapters_a_little_more(full: Models) -> None:
    costs = [full.unet_step(rank).cost for rank in (0, 8, 40)]
    assert [cost.flops / GFLOP for cost in costs] == pytest.approx([1669, 1721, 1748], rel=0.02)
    assert costs[1].kernels > costs[0].kernels > full.unet.kernels


def test_parameters_are_those_of_the_published_models(full: Models) -> None:
    assert full.unet_step(4).num_bytes == 4 * 797_184
    assert full.clip_bytes == 4 * 427_616_513
    assert full.diffusion_bytes == 4 * (859_520_964 + 83_653_863 + 123_060_480), "U-Net, VAE and text tower"


def test_the_text_tower_costs_what_its_matrices_do_and_a_caption_two_flops_a_parameter(full: Models) -> None:
    tokens, width, layers = 77, 768, 12
    by_hand = 2 * tokens * layers * (12 * width**2 + 2 * tokens * width) + 2 * width**2
    assert full.clip_text.flops == pytest.approx(by_hand, rel=0.01)
    assert full.captioner.cost(tokens).flops == 2 * 1000 * tokens


def test_queries_cost_tokens_and_a_frozen_vit_no_gradient_of_its_weights(full: Models) -> None:
    section = load_params(ROOT / "params.yaml").uniemo_understanding.model_copy(update={"query_length": 32})
    forward, trained, frozen = (full.chain(section, rate).cost.flops for rate in (None, 0.1, 0.0))
    assert 1.15 * full.clip_image.flops < forward < 1.35 * full.clip_image.flops
    assert trained == pytest.approx(3 * forward, rel=0.02)
    assert frozen < 0.75 * trained


def test_costs_add_and_multiply_and_a_batch_launches_what_a_sample_does() -> None:
    cost = Cost(1.0, 2.0, 3.0)
    assert cost + cost == cost * 2 == Cost(2.0, 4.0, 6.0)
    assert cost.batched(4) == Cost(4.0, 8.0, 3.0)
    assert cost.flops == 3.0
