"""Costs counted on the meta device, against published figures and against arithmetic by hand."""

from pathlib import Path

import open_clip
import pytest

from pipeline.params import load_params
from pipeline.plan.costs import Cost, Costs, inception, judge
from pipeline.plan.shapes import CLIP, UNET, VAE, Captioner, Shapes, shapes_of

ROOT = Path(__file__).parents[2]
GFLOP = 1e9


@pytest.fixture(scope="module")
def full() -> Costs:
    """Stable Diffusion 1.5 and ViT-L/14."""
    return Costs(Shapes(open_clip.get_model_config(CLIP), UNET, VAE, Captioner(1000, None, 2000)))


@pytest.mark.parametrize(
    ("name", "gflop"), [("unet", 803), ("vae_encode", 1117), ("vae_decode", 2515), ("clip_image", 162)]
)
def test_the_models_of_the_papers_cost_what_is_known(full: Costs, name: str, gflop: float) -> None:
    assert getattr(full, name).flops == pytest.approx(gflop * GFLOP, rel=0.02)


def test_networks_that_only_score_cost_what_is_known() -> None:
    assert judge("resnet50", 224).flops == pytest.approx(8.2 * GFLOP, rel=0.02)
    assert inception().flops == pytest.approx(11.4 * GFLOP, rel=0.02)


def test_a_step_costs_two_forwards_and_adapters_a_little_more(full: Costs) -> None:
    assert full.unet_step(0).flops == pytest.approx(1669 * GFLOP, rel=0.02)
    assert full.unet_step(8).flops == pytest.approx(1721 * GFLOP, rel=0.02)
    assert full.unet_step(40).flops == pytest.approx(1748 * GFLOP, rel=0.02)
    assert full.unet_step(8).kernels > full.unet_step(0).kernels > full.unet.kernels


def test_an_adapter_of_rank_four_has_the_standard_number_of_parameters(full: Costs) -> None:
    assert full.adapter_parameters(4) == 797_184


def test_parameters_are_those_of_the_published_models(full: Costs) -> None:
    assert full.parameters() == {
        "clip": 427_616_513, "unet": 859_520_964, "vae": 83_653_863, "text": 123_060_480
    }  # fmt: skip


def test_the_text_tower_costs_what_its_matrices_do(full: Costs) -> None:
    tokens, width, layers = 77, 768, 12
    by_hand = 2 * tokens * layers * (12 * width**2 + 2 * tokens * width) + 2 * width**2
    assert full.clip_text.flops == pytest.approx(by_hand, rel=0.01)


def test_queries_cost_tokens_and_a_frozen_vit_no_gradient_of_its_weights(full: Costs) -> None:
    section = load_params(ROOT / "params.yaml").uniemo_understanding.model_copy(update={"query_length": 32})
    forward = full.chain(section)
    assert 1.15 * full.clip_image.flops < forward.flops < 1.35 * full.clip_image.flops
    assert full.chain_step(section, 0.1).flops == pytest.approx(3 * forward.flops, rel=0.02)
    assert full.chain_step(section, 0.0).flops < 0.75 * full.chain_step(section, 0.1).flops


def test_a_caption_costs_two_flops_a_parameter_and_token(full: Costs) -> None:
    assert full.caption(300).flops == 2 * 1000 * 300


def test_costs_add_and_multiply_and_a_batch_launches_what_a_sample_does() -> None:
    cost = Cost(1.0, 2.0, 3.0)
    assert cost + cost == cost * 2 == Cost(2.0, 4.0, 6.0)
    assert cost.batched(4) == Cost(4.0, 8.0, 3.0)
    assert cost.flops == 3.0


def test_shapes_of_bundled_models_are_read_without_their_weights() -> None:
    shapes = shapes_of(load_params(ROOT / "params.yaml"), ROOT / "models/miniature", {})
    assert (shapes.image_px, shapes.factor, shapes.joint_width, shapes.context_length) == (64, 8, 128, 32)
    assert (shapes.captioner.parameters, shapes.captioner.picture_tokens) == (1_794_432, 64)
    assert shapes.notes == ()


def test_shapes_of_a_recipe_are_those_of_the_models_that_it_made() -> None:
    params = load_params(ROOT / "params.yaml")
    trained = {
        name: getattr(params, name).model_copy(update={"source": "train"})
        for name in ("foundation_clip", "foundation_diffusion", "foundation_captioner")
    }
    recipe, bundled = (
        Costs(shapes_of(each, ROOT / "models/miniature", {})) for each in (params.model_copy(update=trained), params)
    )
    for name in ("unet", "vae_encode", "vae_decode", "clip_image", "clip_text"):
        assert getattr(recipe, name) == getattr(bundled, name)
    assert recipe.shapes.captioner.parameters == pytest.approx(bundled.shapes.captioner.parameters, rel=0.2)
